// SPDX-License-Identifier: GPL-2.0-or-later
/* The words that show something: what is asked, and which of it is shown how. */
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/ctl.h"

#define END                   \
	{                     \
		.title = NULL \
	}
#define TREND_POINTS 24
#define KILLED_MOST  20
#define KILLED_S     86400
#define ADVICE_BYTES 1000
#define ADVICE_MOST  5

/* A list, or a sentence where it is empty; what is on further pages is told. */
static void add_page(struct strbuf *out, const struct ctl_view *view, const json_t *answer,
		     const struct ctl_field *fields, const char *name)
{
	const json_t *list = json_object_get(answer, name);

	ctl_add_table(out, view, list, fields);
	if (*ctl_text(answer, "next_cursor"))
		strbuf_addf(
			out,
			"There are more than these %zu; the agent's API has them, by its next_cursor.\n",
			json_array_size(list));
}

static bool is_empty(const json_t *answer, const char *name)
{
	return !json_array_size(json_object_get(answer, name));
}

static void show_status(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"holdfast", CTL_TEXT, "version"},
		{"running for", CTL_AGE, "started_at"},
		{"pid", CTL_ID, "pid"},
		{"mode", CTL_TEXT, "mode"},
		{"level", CTL_TEXT, "level"},
		{"reads every", CTL_SECONDS, "sampling_interval_s"},
		{"targets watched", CTL_COUNT, "targets.watched"},
		{"targets traced", CTL_COUNT, "targets.traced"},
		{"targets ended", CTL_COUNT, "targets.ended"},
		{"targets refused", CTL_COUNT, "targets.refused"},
		{"active leaks", CTL_COUNT, "active_leaks"},
		{"sessions running", CTL_COUNT, "sessions_running"},
		{"own CPU", CTL_PERCENT, "cost.cpu_percent"},
		{"own RSS", CTL_BYTES, "cost.rss_bytes"},
		{"tracing costs", CTL_PERCENT, "cost.tracing_percent"},
		{"of at most", CTL_PERCENT, "budget_percent"},
		{"store", CTL_TEXT, "store.path"},
		{"state of the store", CTL_TEXT, "store.state"},
		{"readings lost", CTL_COUNT, "store.dropped_samples"},
		END,
	};

	ctl_add_list(out, view, answer, fields);
}

int ctl_status(struct ctl *ctl, struct hf_error *error)
{
	const struct ctl_request request = {.path = "/api/v1/status"};

	return ctl_show(ctl, &request, show_status, error);
}

static void show_health(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"status", CTL_STATE, "status"},
		{"targets over warning", CTL_COUNT, "memory.targets_over_warning"},
		{"targets over critical", CTL_COUNT, "memory.targets_over_critical"},
		{"targets growing too fast", CTL_COUNT, "memory.targets_growing_too_fast"},
		{"active leaks", CTL_COUNT, "leaks.active"},
		END,
	};
	static const struct ctl_field checks[] = {
		{"CHECK", CTL_TEXT, "name"},
		{"STATUS", CTL_STATE, "status"},
		{"OF", CTL_TEXT, "text"},
		END,
	};

	ctl_add_list(out, view, answer, fields);
	strbuf_addch(out, '\n');
	ctl_add_table(out, view, json_object_get(answer, "checks"), checks);
}

int ctl_health(struct ctl *ctl, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *answer = NULL;
	const struct ctl_request request = {.path = "/healthz"};
	int err = ctl_ask(ctl, &request, &json, &answer, error);

	if (err)
		return err;
	show_health(&ctl->view, answer, &text);
	err = ctl_write(ctl, &json, &text, error);
	if (err)
		return err;
	return strcmp(ctl_text(answer, "status"), "ok") != 0 ? EXIT_FOUND : EXIT_DONE;
}

static void show_targets(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"ID", CTL_ID, "id"},
		{"PID", CTL_ID, "pid"},
		{"NAME", CTL_TEXT, "name"},
		{"STATE", CTL_STATE, "state"},
		{"RSS", CTL_BYTES, "rss_bytes"},
		{"GROWS", CTL_RATE, "growth_bytes_per_second"},
		{"HEAP", CTL_BYTES, "heap_live_bytes"},
		{"LEAKS", CTL_COUNT, "active_leaks"},
		{"TRACED", CTL_YES, "traced"},
		{"RUNS", CTL_AGE, "started_at"},
		{"USER", CTL_TEXT, "user"},
		END,
	};

	if (is_empty(answer, "targets"))
		strbuf_addstr(out, "No process that runs matches the agent's `targets:`.\n");
	else
		add_page(out, view, answer, fields, "targets");
}

/* What does not run any more, and ended badly. */
static int add_killed(struct ctl *ctl, struct strbuf *out, struct hf_error *error)
{
	static const struct ctl_field fields[] = {
		{"ID", CTL_ID, "target"},
		{"PID", CTL_ID, "pid"},
		{"NAME", CTL_TEXT, "target_name"},
		{"AGO", CTL_AGE, "time"},
		{"HELD", CTL_BYTES, "details.rss_bytes"},
		{"LIMIT", CTL_LIMIT, "details.limit_bytes"},
		{"GREW", CTL_RATE, "details.growth_bytes_per_second"},
		END,
	};
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *answer = NULL;
	struct ctl_request request = {.path = NULL};
	int err;

	strbuf_addf(&path, "/api/v1/events?kind=TargetKilled&limit=%d&from=%.3f", KILLED_MOST,
		    ctl->view.now_s - KILLED_S);
	request.path = path.buf;
	err = ctl_ask(ctl, &request, NULL, &answer, error);
	if (err || is_empty(answer, "events"))
		return err;
	strbuf_addstr(out, "\nKilled by the kernel for memory, in the last day:\n");
	add_page(out, &ctl->view, answer, fields, "events");
	return 0;
}

int ctl_targets(struct ctl *ctl, struct hf_error *error)
{
	const struct ctl_request request = {.path = "/api/v1/targets?limit=1000"};
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *answer = NULL;
	int err = ctl_ask(ctl, &request, &json, &answer, error);

	if (err)
		return err;
	show_targets(&ctl->view, answer, &text);
	err = add_killed(ctl, &text, error);
	if (!err)
		err = ctl_write(ctl, &json, &text, error);
	return err ? err : EXIT_DONE;
}

/* What is asked of one target, by the path behind it. */
static int show_of_target(struct ctl *ctl, const char *rest, ctl_screen_fn screen,
			  struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct ctl_request request = {0};
	int err;

	strbuf_addstr(&path, "/api/v1/targets/");
	err = ctl_target(ctl, ctl->arguments[0], &path, error);
	if (err)
		return err;
	strbuf_addstr(&path, rest);
	request.path = path.buf;
	return ctl_show(ctl, &request, screen, error);
}

static void show_usage(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"target", CTL_ID, "target"},
		{"pid", CTL_ID, "pid"},
		{"RSS", CTL_BYTES, "rss_bytes"},
		{"of its own (USS)", CTL_BYTES, "uss_bytes"},
		{"shared by share (PSS)", CTL_BYTES, "pss_bytes"},
		{"swapped out", CTL_BYTES, "swap_bytes"},
		{"address space", CTL_BYTES, "vms_bytes"},
		{"limit of its cgroups", CTL_LIMIT, "limit_bytes"},
		{"heap allocated", CTL_BYTES, "heap_live_bytes"},
		{"heap in use", CTL_BYTES, "heap_used_bytes"},
		{"heap free", CTL_BYTES, "heap_free_bytes"},
		{"fragmentation", CTL_PERCENT, "fragmentation_percent"},
		{"objects", CTL_COUNT, "heap_objects"},
		{"garbage collections", CTL_COUNT, "gc_collections"},
		{"page faults", CTL_COUNT, "minor_faults"},
		{"page faults from disk", CTL_COUNT, "major_faults"},
		END,
	};

	ctl_add_list(out, view, answer, fields);
}

int ctl_usage(struct ctl *ctl, struct hf_error *error)
{
	return show_of_target(ctl, "/usage", show_usage, error);
}

/* The series as rows, the newest last. */
static json_t *rows_of(const json_t *answer)
{
	static const char *const names[] = {"timestamps",   "rss_bytes",     "rss_min_bytes",
					    "pss_bytes",    "swap_bytes",    "heap_live_bytes",
					    "heap_objects", "gc_collections"};
	const json_t *times = json_object_get(answer, "timestamps");
	json_t *rows = json_array();

	for (size_t i = 0; rows && i < json_array_size(times); i++) {
		json_t *row = json_object();

		for (size_t n = 0; row && n < sizeof(names) / sizeof(*names); n++)
			json_object_set(row, names[n],
					json_array_get(json_object_get(answer, names[n]), i));
		json_array_append_new(rows, row);
	}
	return rows;
}

static void show_trends(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"AGO", CTL_AGE, "timestamps"},
		{"RSS", CTL_BYTES, "rss_bytes"},
		{"LOWEST", CTL_BYTES, "rss_min_bytes"},
		{"PSS", CTL_BYTES, "pss_bytes"},
		{"SWAP", CTL_BYTES, "swap_bytes"},
		{"HEAP", CTL_BYTES, "heap_live_bytes"},
		{"OBJECTS", CTL_COUNT, "heap_objects"},
		{"COLLECTIONS", CTL_COUNT, "gc_collections"},
		END,
	};
	const json_t *interval = json_object_get(answer, "growth_interval");
	const double per_s = 1048576.0 / 60;
	_cleanup_(ctl_json_freep) json_t *rows = rows_of(answer);

	if (!json_array_size(rows)) {
		strbuf_addstr(out, "Nobody has read its memory in that time.\n");
		return;
	}
	ctl_add_table(out, view, rows, fields);
	if (!json_is_true(json_object_get(answer, "growth_known"))) {
		strbuf_addstr(out, "\nHow it grows is not known yet.\n");
		return;
	}
	strbuf_addstr(out, "\nIts RSS: ");
	units_add_rate(out, ctl_number(answer, "growth_bytes_per_second"));
	strbuf_addstr(out, ", between ");
	units_add_rate(out, json_number_value(json_array_get(interval, 0)) * per_s);
	strbuf_addstr(out, " and ");
	units_add_rate(out, json_number_value(json_array_get(interval, 1)) * per_s);
	strbuf_addstr(out, " (95 %).\n");
}

int ctl_trends(struct ctl *ctl, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf rest = STRBUF_INIT;

	strbuf_addf(&rest, "/trends?window_minutes=%.3f",
		    (double)ctl->config->window_ns / (60.0 * NS_PER_S));
	if (!ctl->config->json)
		strbuf_addf(&rest, "&points=%d", TREND_POINTS);
	return show_of_target(ctl, rest.buf, show_trends, error);
}

static bool any_estimated(const json_t *rows)
{
	bool any = false;

	for (size_t i = 0; i < json_array_size(rows); i++)
		any |= json_is_true(json_object_get(json_array_get(rows, i), "estimated"));
	return any;
}

static void show_components(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"COMPONENT", CTL_TEXT, "name"},
		{"HOLDS", CTL_BYTES, "outstanding_bytes"},
		{"PEAK", CTL_BYTES, "peak_bytes"},
		{"GROWS", CTL_RATE, "growth_bytes_per_second"},
		END,
	};
	_cleanup_(ctl_json_freep) json_t *sorted =
		ctl_largest_first(json_object_get(answer, "components"), "outstanding_bytes");

	if (!json_array_size(sorted)) {
		strbuf_addstr(out, "Nothing is known: it has not been traced yet, or `components:` "
				   "names none.\n");
		return;
	}
	ctl_add_table(out, view, sorted, fields);
	strbuf_addstr(out, "All together: ");
	ctl_add_value(out, view, answer, &(struct ctl_field){"", CTL_BYTES, "total_bytes"});
	strbuf_addch(out, '\n');
	if (any_estimated(sorted))
		strbuf_addstr(out, "Estimated by what fell into windows of tracing.\n");
}

int ctl_components(struct ctl *ctl, struct hf_error *error)
{
	return show_of_target(ctl, "/components", show_components, error);
}

static void show_spans(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"SPAN", CTL_TEXT, "span"},
		{"KEY", CTL_TEXT, "key"},
		{"HOLDS", CTL_BYTES, "outstanding_bytes"},
		{"BLOCKS", CTL_COUNT, "outstanding_count"},
		{"PEAK", CTL_BYTES, "peak_bytes"},
		{"ALLOCS", CTL_COUNT, "allocs"},
		{"AGO", CTL_AGE, "last_seen"},
		END,
	};

	if (is_empty(answer, "spans"))
		strbuf_addstr(
			out,
			"No span is known: it has not been traced yet, `spans:` names none, or its "
			"mode has none (advanced and debug have).\n");
	else
		add_page(out, view, answer, fields, "spans");
	if (any_estimated(json_object_get(answer, "spans")))
		strbuf_addstr(
			out,
			"Estimated by what fell into windows of tracing; peaks are at least these.\n");
}

int ctl_spans(struct ctl *ctl, struct hf_error *error)
{
	return show_of_target(ctl, "/spans?limit=1000", show_spans, error);
}

static void show_profiles(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"ID", CTL_ID, "id"},
		{"AGO", CTL_AGE, "time"},
		{"REASON", CTL_TEXT, "reason"},
		{"STATE", CTL_STATE, "state"},
		{"GROWS", CTL_RATE, "growth_bytes_per_second"},
		{"FINDINGS", CTL_COUNT, "findings"},
		{"SIZE", CTL_BYTES, "size_bytes"},
		END,
	};

	if (is_empty(answer, "profiles"))
		strbuf_addstr(out, "No profile of it is kept; `holdfast ctl trace` makes one.\n");
	else
		add_page(out, view, answer, fields, "profiles");
}

int ctl_profiles(struct ctl *ctl, struct hf_error *error)
{
	return show_of_target(ctl, "/profiles?limit=1000", show_profiles, error);
}

static void add_advice(struct strbuf *out, const json_t *leaks)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(leaks) && count < ADVICE_MOST; i++) {
		const json_t *leak = json_array_get(leaks, i);
		const char *id = ctl_text(leak, "leak_id"),
			   *advice = ctl_text(leak, "recommendation");

		if (!*advice)
			continue;
		if (!count++)
			strbuf_addch(out, '\n');
		strbuf_add_printable(out, id, strnlen(id, ADVICE_BYTES));
		strbuf_addstr(out, ": ");
		strbuf_add_printable(out, advice, strnlen(advice, ADVICE_BYTES));
		strbuf_addch(out, '\n');
	}
}

static void show_leaks(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"LEAK", CTL_TEXT, "leak_id"},
		{"TARGET", CTL_ID, "target"},
		{"NAME", CTL_TEXT, "target_name"},
		{"STATE", CTL_STATE, "state"},
		{"GROWS", CTL_RATE, "growth_bytes_per_second"},
		{"HOLDS", CTL_BYTES, "outstanding_bytes"},
		{"LOST", CTL_COUNT, "lost_count"},
		{"FOUND", CTL_AGE, "first_seen"},
		{"SEEN", CTL_AGE, "last_seen"},
		{"TYPE", CTL_TEXT, "type"},
		{"WHERE", CTL_PLACE, "stack"},
		END,
	};
	_cleanup_(ctl_json_freep) json_t *sorted =
		ctl_largest_first(json_object_get(answer, "leaks"), "growth_bytes_per_second");

	if (!json_array_size(sorted)) {
		strbuf_addstr(out, "No leak is active.\n");
		return;
	}
	ctl_add_table(out, view, sorted, fields);
	if (*ctl_text(answer, "next_cursor"))
		strbuf_addstr(out, "There are more; name a target to see its own.\n");
	add_advice(out, sorted);
}

/* A list that may be of one target only. */
static int show_list(struct ctl *ctl, const char *start, ctl_screen_fn screen,
		     struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	struct ctl_request request = {0};
	int err = 0;

	strbuf_addstr(&path, start);
	if (ctl->argument_count) {
		strbuf_addstr(&path, "&target=");
		err = ctl_target(ctl, ctl->arguments[0], &path, error);
	}
	request.path = path.buf;
	return err ? err : ctl_show(ctl, &request, screen, error);
}

int ctl_leaks(struct ctl *ctl, struct hf_error *error)
{
	return show_list(ctl, "/api/v1/leaks?limit=1000", show_leaks, error);
}

static void show_sessions(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"SESSION", CTL_TEXT, "session_id"},
		{"TARGET", CTL_ID, "target"},
		{"PID", CTL_ID, "pid"},
		{"STATE", CTL_STATE, "state"},
		{"BEGAN", CTL_AGE, "start_time"},
		{"LASTED", CTL_SECONDS, "statistics.duration_s"},
		{"PEAK", CTL_BYTES, "statistics.peak_rss_bytes"},
		{"GROWS", CTL_RATE, "statistics.growth_bytes_per_second"},
		{"NAME", CTL_TEXT, "session_name"},
		END,
	};

	if (is_empty(answer, "sessions"))
		strbuf_addstr(out, "There is no session; `holdfast ctl start` begins one.\n");
	else
		add_page(out, view, answer, fields, "sessions");
}

int ctl_sessions(struct ctl *ctl, struct hf_error *error)
{
	return show_list(ctl, "/api/v1/sessions?limit=1000", show_sessions, error);
}

/* What is critical first. */
static json_t *by_severity(const json_t *alerts)
{
	json_t *sorted = json_array();

	for (int critical = 1; critical >= 0; critical--) {
		for (size_t i = 0; i < json_array_size(alerts); i++) {
			json_t *alert = json_array_get(alerts, i);
			bool is = !strcmp(ctl_text(alert, "severity"), "critical");

			if (is == critical)
				json_array_append(sorted, alert);
		}
	}
	return sorted;
}

static void show_alerts(const struct ctl_view *view, const json_t *answer, struct strbuf *out)
{
	static const struct ctl_field fields[] = {
		{"SEVERITY", CTL_STATE, "severity"},
		{"ALERT", CTL_TEXT, "name"},
		{"TARGET", CTL_ID, "target"},
		{"PID", CTL_ID, "pid"},
		{"NAME", CTL_TEXT, "target_name"},
		{"VALUE", CTL_AMOUNT, "value"},
		{"THRESHOLD", CTL_AMOUNT, "threshold"},
		{"SINCE", CTL_AGE, "since"},
		END,
	};
	_cleanup_(ctl_json_freep) json_t *sorted = by_severity(json_object_get(answer, "alerts"));

	if (!json_array_size(sorted))
		strbuf_addstr(out, "No threshold is exceeded.\n");
	else
		ctl_add_table(out, view, sorted, fields);
}

int ctl_alerts(struct ctl *ctl, struct hf_error *error)
{
	const struct ctl_request request = {.path = "/api/v1/alerts"};

	return ctl_show(ctl, &request, show_alerts, error);
}
