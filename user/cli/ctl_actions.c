// SPDX-License-Identifier: GPL-2.0-or-later
/* The words that have the agent do something, and what they bring. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_text.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/ctl.h"
#include "cli/output.h"

#define END                   \
	{                     \
		.title = NULL \
	}
#define ADVICE_BYTES  1000
#define TRACE_MOST_NS (86400 * NS_PER_S)
#define WAIT_MOST_NS  (3600 * NS_PER_S)

static void show_cleared(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	double count = ctl_number(answer, "cleared");

	(void)view;
	if (!(count > 0))
		strbuf_addstr(out, "No leak was active.\n");
	else
		strbuf_addf(out, "%.0f leak%s cleared; what comes back has new evidence.\n", count,
			    count > 1 ? "s are" : " is");
}

int ctl_clear(struct ctl *ctl, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct ctl_request request = {.method = "DELETE"};

	strbuf_addstr(&path, "/api/v1/leaks");
	if (ctl->argument_count && strcmp(ctl->arguments[0], "all") != 0) {
		strbuf_addch(&path, '/');
		ctl_add_escaped(&path, ctl->arguments[0]);
	}
	request.path = path.buf;
	return ctl_show(ctl, &request, show_cleared, error);
}

static void show_session(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"session", CTL_TEXT, "session_id"},
		{"name", CTL_TEXT, "session_name"},
		{"description", CTL_TEXT, "description"},
		{"target", CTL_ID, "target"},
		{"pid", CTL_ID, "pid"},
		{"state", CTL_STATE, "state"},
		{"lasted", CTL_SECONDS, "statistics.duration_s"},
		{"RSS at its start", CTL_BYTES, "statistics.start_rss_bytes"},
		{"RSS at its end", CTL_BYTES, "statistics.end_rss_bytes"},
		{"RSS at most", CTL_BYTES, "statistics.peak_rss_bytes"},
		{"grows", CTL_RATE, "statistics.growth_bytes_per_second"},
		{"profile", CTL_ID, "profile"},
		END,
	};
	static const struct ctl_field leaks[] = {
		{"LEAK", CTL_TEXT, "leak_id"},
		{"STATE", CTL_STATE, "state"},
		{"GROWS", CTL_RATE, "growth_bytes_per_second"},
		{"HOLDS", CTL_BYTES, "outstanding_bytes"},
		{"WHERE", CTL_PLACE, "stack"},
		END,
	};
	const json_t *advice = json_object_get(answer, "recommendations");
	const char *id = ctl_text(answer, "session_id");
	_cleanup_(ctl_json_freep) json_t *sorted = ctl_largest_first(
		json_object_get(answer, "detected_leaks"), "growth_bytes_per_second");

	ctl_add_list(out, view, answer, fields);
	if (json_array_size(sorted)) {
		strbuf_addch(out, '\n');
		ctl_add_table(out, view, sorted, leaks);
	} else if (!strcmp(ctl_text(answer, "state"), "ended")) {
		strbuf_addstr(out, "No leak was seen while it ran.\n");
	}
	if (!strcmp(ctl_text(answer, "state"), "running")) {
		strbuf_addstr(out, "It ends by `holdfast ctl stop ");
		strbuf_add_printable(out, id, strlen(id));
		strbuf_addstr(out, "`.\n");
	}
	for (size_t i = 0; i < json_array_size(advice); i++) {
		const char *text = json_string_value(json_array_get(advice, i));

		if (!text)
			continue;
		strbuf_addstr(out, "do: ");
		strbuf_add_printable(out, text, strnlen(text, ADVICE_BYTES));
		strbuf_addch(out, '\n');
	}
}

int ctl_start(struct ctl *ctl, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf body = STRBUF_INIT, target = STRBUF_INIT;
	struct ctl_request request = {.method = "POST", .path = "/api/v1/sessions"};
	int err = ctl_target(ctl, ctl->arguments[0], &target, error);

	if (err)
		return err;
	strbuf_addf(&body, "{\"target\":\"%s\",\"session_name\":", target.buf);
	json_text_add(&body, ctl->arguments[1]);
	if (ctl->argument_count > 2) {
		strbuf_addstr(&body, ",\"description\":");
		json_text_add(&body, ctl->arguments[2]);
	}
	strbuf_addch(&body, '}');
	if (body.failed)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	request.body = body.buf;
	return ctl_show(ctl, &request, show_session, error);
}

int ctl_stop(struct ctl *ctl, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct ctl_request request = {.method = "POST", .body = "{}"};

	strbuf_addstr(&path, "/api/v1/sessions/");
	ctl_add_escaped(&path, ctl->arguments[0]);
	strbuf_addstr(&path, "/stop");
	request.path = path.buf;
	return ctl_show(ctl, &request, show_session, error);
}

static int post_to_target(struct ctl *ctl, const char *rest, struct ctl_request *request,
			  ctl_screen_fn screen, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	int err;

	strbuf_addstr(&path, "/api/v1/targets/");
	err = ctl_target(ctl, ctl->arguments[0], &path, error);
	if (err)
		return err;
	strbuf_addstr(&path, rest);
	request->method = "POST";
	request->path = path.buf;
	return ctl_show(ctl, request, screen, error);
}

static void show_trace(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	(void)view;
	strbuf_addf(out, "Target %.0f %s. Its profile comes with `holdfast ctl profile %.0f`.\n",
		    ctl_number(answer, "target"),
		    !strcmp(ctl_text(answer, "state"), "tracing") ? "is traced"
								  : "will be traced in its turn",
		    ctl_number(answer, "target"));
}

int ctl_trace(struct ctl *ctl, struct hf_error *error)
{
	uint64_t for_ns = ctl->config->for_ns;
	struct ctl_request request = {0};
	char body[64];

	if (for_ns < NS_PER_S || for_ns > TRACE_MOST_NS) {
		error_set(error, HF_E_USAGE, "the agent traces from 1s to 1d");
		return error_fix(error, "give --for such a time");
	}
	snprintf(body, sizeof(body), "{\"for_s\":%.3f}", (double)for_ns / NS_PER_S);
	request.body = body;
	return post_to_target(ctl, "/trace", &request, show_trace, error);
}

static void show_gc(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"pid", CTL_ID, "pid"},
		{"Python", CTL_TEXT, "python"},
		{"collected objects", CTL_COUNT, "collected_objects"},
		{"could not collect", CTL_COUNT, "uncollectable_objects"},
		{"objects fewer", CTL_COUNT, "objects_freed"},
		{"objects before", CTL_COUNT, "before.objects"},
		{"objects after", CTL_COUNT, "after.objects"},
		{"RSS before", CTL_BYTES, "before.rss_bytes"},
		{"RSS after", CTL_BYTES, "after.rss_bytes"},
		END,
	};
	double held_ms = ctl_number(answer, "duration_ms");

	ctl_add_list(out, view, answer, fields);
	if (!json_is_true(json_object_get(answer, "done")))
		strbuf_addstr(out, "It is done as soon as its main thread runs Python again.\n");
	else if (held_ms > 0)
		strbuf_addf(out, "It was held for %.1f ms.\n", held_ms);
}

int ctl_gc(struct ctl *ctl, struct hf_error *error)
{
	uint64_t wait_ns = ctl->config->wait_ns;
	struct ctl_request request = {.wait_ns = wait_ns};
	char body[96];

	if (wait_ns > WAIT_MOST_NS) {
		error_set(error, HF_E_USAGE, "the agent waits for an hour at most");
		return error_fix(error, "give --wait less");
	}
	snprintf(body, sizeof(body), "{\"trim\":%s,\"wait_s\":%.3f}",
		 ctl->config->trim ? "true" : "false", (double)wait_ns / NS_PER_S);
	request.body = body;
	return post_to_target(ctl, "/gc", &request, show_gc, error);
}

static void show_reload(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"PLACE", CTL_TEXT, "place"},
		{"WHAT", CTL_TEXT, "what"},
		{"WHY", CTL_TEXT, "why"},
		END,
	};

	if (json_is_true(json_object_get(answer, "reloaded"))) {
		strbuf_addstr(out, "The new configuration holds.\n");
		return;
	}
	strbuf_addstr(out, "The old configuration stays; the new one is wrong:\n");
	ctl_add_table(out, view, json_object_get(answer, "errors"), fields);
}

int ctl_reload(struct ctl *ctl, struct hf_error *error)
{
	const struct ctl_request request = {.method = "POST", .path = "/-/reload", .body = "{}"};
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *answer = NULL;
	int err = ctl_ask(ctl, &request, &json, &answer, error);

	if (err)
		return err;
	show_reload(&ctl->view, answer, &text);
	err = ctl_write(ctl, &json, &text, error);
	if (err)
		return err;
	return json_is_true(json_object_get(answer, "reloaded")) ? EXIT_DONE
								 : error_exit_code(HF_E_CONFIG);
}

struct profile_format {
	const char *name, *path;
};

static int fetch_profile(struct ctl *ctl, const char *path, const struct profile_format *format,
			 struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf query = STRBUF_INIT, answer = STRBUF_INIT;
	struct ctl_request request = {0};
	int err;

	strbuf_addf(&query, "%s?format=%s", path, format->name);
	request.path = query.buf;
	err = ctl_link_ask(&ctl->link, &request, &answer, error);
	return err ? err : output_bytes(&answer, format->path, error);
}

/* A report's text: lines stay lines, and nothing else may move the cursor. */
static int show_profile(struct ctl *ctl, const char *path, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf query = STRBUF_INIT, answer = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	struct ctl_request request = {0};
	int err;

	strbuf_addf(&query, "%s?format=text", path);
	request.path = query.buf;
	err = ctl_link_ask(&ctl->link, &request, &answer, error);
	for (size_t at = 0; !err && at < answer.len;) {
		const char *end = memchr(answer.buf + at, '\n', answer.len - at);
		size_t length = end ? (size_t)(end - answer.buf) - at : answer.len - at;

		strbuf_add_printable(&out, answer.buf + at, length);
		strbuf_addch(&out, '\n');
		at += length + 1;
	}
	return err ? err : output_bytes(&out, "-", error);
}

int ctl_profile(struct ctl *ctl, struct hf_error *error)
{
	const struct config *config = ctl->config;
	const struct profile_format formats[] = {
		{"json", config->json},
		{"html", config->html},
		{"folded", config->folded},
		{"pprof", config->pprof},
		{"speedscope", config->speedscope},
	};
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	bool stdout_taken = false, written = false;
	int err;

	strbuf_addstr(&path, "/api/v1/targets/");
	err = ctl_target(ctl, ctl->arguments[0], &path, error);
	strbuf_addstr(&path, "/profiles/");
	ctl_add_escaped(&path, ctl->argument_count > 1 ? ctl->arguments[1] : "latest");
	for (size_t i = 0; !err && i < sizeof(formats) / sizeof(*formats); i++) {
		if (!formats[i].path)
			continue;
		err = fetch_profile(ctl, path.buf, &formats[i], error);
		written = true;
		stdout_taken |= !strcmp(formats[i].path, "-");
	}
	if (!err && !stdout_taken && !(written && config->quiet))
		err = show_profile(ctl, path.buf, error);
	return err ? err : EXIT_DONE;
}
