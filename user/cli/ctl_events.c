// SPDX-License-Identifier: GPL-2.0-or-later
/* events: what happened last, or what happens. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/ctl.h"
#include "cli/ctl_sse.h"
#include "cli/output.h"

#define SHOWN_MOST 50
#define PAGES_MOST 20 /* of 1,000, of a time that was asked for */

static bool time_is_given(const struct ctl *ctl)
{
	return ctl->config->source[OPT_window_ns] != CONFIG_DEFAULT;
}

static void show_events(const struct ctl *ctl, const json_t *events, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"AGO", CTL_AGE, "time"},     {"SEVERITY", CTL_STATE, "severity"},
		{"EVENT", CTL_TEXT, "event"}, {"TARGET", CTL_ID, "target"},
		{"PID", CTL_ID, "pid"},       {"NAME", CTL_TEXT, "target_name"},
		{"TEXT", CTL_TEXT, "text"},   {.title = NULL},
	};
	_cleanup_(ctl_json_freep) json_t *last = json_array();
	size_t count = json_array_size(events);
	size_t shown = time_is_given(ctl) || count < SHOWN_MOST ? count : SHOWN_MOST;

	if (!count) {
		strbuf_addstr(out, time_is_given(ctl) ? "Nothing has happened in that time.\n"
						      : "Nothing has happened.\n");
		return;
	}
	for (size_t i = count - shown; i < count; i++)
		json_array_append(last, json_array_get(events, i));
	ctl_add_table(out, &ctl->view, last, fields);
}

/* One page, newest first. @path: becomes that of the next one, or empty. */
static int read_page(struct ctl *ctl, const char *filter, struct strbuf *path, json_t *ret,
		     struct hf_error *error)
{
	const struct ctl_request request = {.path = path->buf};
	_cleanup_(ctl_json_freep) json_t *answer = NULL;
	int err = ctl_ask(ctl, &request, NULL, &answer, error);

	strbuf_reset(path);
	if (err)
		return err;
	json_array_extend(ret, json_object_get(answer, "events"));
	if (!*ctl_text(answer, "next_cursor"))
		return 0;
	strbuf_addf(path, "/api/v1/events?limit=1000%s&cursor=", filter);
	ctl_add_escaped(path, ctl_text(answer, "next_cursor"));
	return 0;
}

/* They come newest first, and are shown in the order in which they happened. */
static int read_events(struct ctl *ctl, const char *filter, json_t *ret, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *found = json_array();
	int err, pages = time_is_given(ctl) ? PAGES_MOST : 1;

	strbuf_addf(&path, "/api/v1/events?limit=1000%s", filter);
	do {
		err = read_page(ctl, filter, &path, found, error);
	} while (!err && path.len && --pages);
	for (size_t i = json_array_size(found); !err && i--;)
		json_array_append(ret, json_array_get(found, i));
	return err;
}

static int add_document(const json_t *events, struct strbuf *out)
{
	_cleanup_free_ char *text = json_dumps(events, JSON_COMPACT);

	return text ? strbuf_addf(out, "{\"events\":%s,\"next_cursor\":null}", text) : -ENOMEM;
}

static int list_events(struct ctl *ctl, const char *filter, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *events = json_array();
	int err = read_events(ctl, filter, events, error);

	if (err)
		return err;
	if (ctl->config->json && add_document(events, &json))
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	show_events(ctl, events, &text);
	err = ctl_write(ctl, &json, &text, error);
	return err ? err : EXIT_DONE;
}

struct follower {
	struct ctl *ctl;
	struct hf_error *error;
	struct ctl_sse sse;
	int err; /* of writing */
};

/* The time of day where the user is. */
static void add_clock(struct strbuf *out, const char *time_text)
{
	double seconds = ctl_time(time_text);
	time_t time = isnan(seconds) ? 0 : (time_t)seconds;
	struct tm tm;

	if (!isnan(seconds) && localtime_r(&time, &tm))
		strbuf_addf(out, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
	else
		strbuf_addstr(out, "--:--:--");
}

static void add_event_line(struct strbuf *out, const struct ctl_view *view, const json_t *event)
{
	static const struct ctl_field name = {"", CTL_TEXT, "target_name"},
				      pid = {"", CTL_ID, "pid"},
				      severity = {"", CTL_TEXT, "severity"},
				      kind = {"", CTL_TEXT, "event"}, text = {"", CTL_TEXT, "text"};

	add_clock(out, ctl_text(event, "time"));
	strbuf_addstr(out, "  ");
	ctl_add_value(out, view, event, &severity);
	strbuf_addstr(out, "  ");
	ctl_add_value(out, view, event, &kind);
	strbuf_addstr(out, "  ");
	if (*ctl_text(event, name.path)) {
		ctl_add_value(out, view, event, &name);
		strbuf_addstr(out, " (pid ");
		ctl_add_value(out, view, event, &pid);
		strbuf_addstr(out, "): ");
	}
	ctl_add_value(out, view, event, &text);
	strbuf_addch(out, '\n');
}

static int take_event(const char *data, size_t size, void *user)
{
	struct follower *follower = user;
	const struct ctl *ctl = follower->ctl;
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *event = json_loadb(data, size, 0, NULL);
	_cleanup_free_ char *json = NULL;

	if (!json_is_object(event))
		return 0; /* what is no event is not shown */
	if (ctl->config->json) {
		json = json_dumps(event, JSON_COMPACT);
		strbuf_addf(&line, "%s\n", json ? json : "");
	} else {
		add_event_line(&line, &ctl->view, event);
	}
	follower->err =
		output_append(&line, ctl->config->json ? ctl->config->json : "-", follower->error);
	return follower->err;
}

static int take_bytes(const char *bytes, size_t size, void *user)
{
	struct follower *follower = user;

	return ctl_sse_feed(&follower->sse, bytes, size);
}

static int follow_events(struct ctl *ctl, const char *filter, struct hf_error *error)
{
	struct follower follower = {.ctl = ctl, .error = error, .sse = CTL_SSE_INIT};
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	int err;

	strbuf_addf(&path, "/api/v1/events/stream%s%s", *filter ? "?" : "",
		    *filter ? filter + 1 : "");
	follower.sse.event = take_event;
	follower.sse.user = &follower;
	err = ctl_link_stream(&ctl->link, path.buf, take_bytes, &follower, error);
	ctl_sse_done(&follower.sse);
	return err ? err : follower.err ? follower.err : EXIT_DONE;
}

int ctl_events(struct ctl *ctl, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf filter = STRBUF_INIT;
	int err = 0;

	if (ctl->argument_count) {
		strbuf_addstr(&filter, "&target=");
		err = ctl_target(ctl, ctl->arguments[0], &filter, error);
	}
	if (err)
		return err;
	if (time_is_given(ctl) && !ctl->config->follow)
		strbuf_addf(&filter, "&from=%.3f",
			    ctl->view.now_s - (double)ctl->config->window_ns / 1e9);
	return ctl->config->follow ? follow_events(ctl, filter.buf, error)
				   : list_events(ctl, filter.buf, error);
}
