/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Targets, those that run and those that have ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api.h"
#include "agent/api_values.h"
#include "agent/store/profiles.h"
#include "agent/store/samples.h"
#include "agent/store/targets.h"
#include "base/clock.h"
#include "base/units.h"

#define SPARKLINE_POINTS 60
#define SPARKLINE_NS     (3600 * NS_PER_S)

static uint64_t parse_target(struct agent *agent, const char *text,
			     struct agent_target **ret_target)
{
	struct watched *watched;
	uint64_t number;

	*ret_target = NULL;
	if (!strncmp(text, "pid-", 4)) {
		if (units_parse_u64(text + 4, &number) || number > INT32_MAX)
			return 0;
		watched = process_watch_meet(agent->watch, (int)number, clock_now_ns());
		*ret_target = watched ? agent_target(watched) : NULL;
		return *ret_target ? (*ret_target)->id : 0;
	}
	if (units_parse_u64(text, &number))
		return 0;
	*ret_target = target_by_id(agent, number);
	return number;
}

static bool is_known(struct agent *agent, uint64_t id)
{
	struct store_targets targets;

	if (store_get_target(agent->store, id, &targets))
		return false;
	store_targets_done(&targets);
	return true;
}

uint64_t api_find_target(struct agent *agent, struct http_request *request, bool running,
			 struct agent_target **ret_target)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const char *text = http_text(request, "target");
	uint64_t id = parse_target(agent, text, ret_target);

	if (id && (*ret_target || (!running && is_known(agent, id))))
		return id;
	error_set(&error, HF_E_NOPID, "there is no %starget %s", running ? "running " : "", text);
	error_why(
		&error,
		"a target is named by its id, or by pid-N as long as it runs, and must match a rule");
	error_fix(
		&error,
		"list them with `holdfast ctl targets`; rules stand in `targets:` of the configuration");
	http_answer_error(request, &error);
	return 0;
}

uint64_t api_cursor(const struct http_request *request)
{
	const char *text = http_text(request, "cursor");
	uint64_t cursor;

	return text && !units_parse_u64(text, &cursor) ? cursor : 0;
}

void api_put_cursor(struct json_out *json, uint64_t next)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%lu", (unsigned long)next);
	if (next)
		json_out_string(json, "next_cursor", text.buf);
	else
		json_out_null(json, "next_cursor");
}

int api_answer_errno(struct http_request *request, int err, const char *what)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;

	error_set_errno(&error, HF_E_INTERNAL, -err, "%s: %s", what, strerror(-err));
	return http_answer_error(request, &error);
}

int api_answer_missing(struct http_request *request, const char *what)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;

	error_set(&error, HF_E_NOFILE, "there is no such %s", what);
	error_why(&error, "it never was there, or was forgotten after its time");
	return http_answer_error(request, &error);
}

static void put_reading(struct json_out *json, const struct agent_target *target)
{
	const struct watch_reading *reading = &target->watched->reading;
	const struct process_memory *memory = &reading->memory;
	bool full = reading->full_ns;

	api_put_u64(json, "rss_bytes", memory->rss_bytes);
	api_put_u64(json, "vms_bytes", memory->vms_bytes);
	api_put_u64(json, "pss_bytes", full ? memory->pss_bytes : STORE_UNKNOWN);
	api_put_u64(json, "uss_bytes", full ? memory->uss_bytes : STORE_UNKNOWN);
	api_put_u64(json, "swap_bytes", full ? memory->swap_bytes : STORE_UNKNOWN);
	api_put_u64(json, "heap_live_bytes", target->inside.heap_live_bytes);
	api_put_u64(json, "heap_objects", target->inside.heap_objects);
	api_put_u64(json, "gc_collections", target->inside.gc_collections);
	api_put_u64(json, "limit_bytes",
		    reading->limit_bytes ? reading->limit_bytes : STORE_UNKNOWN);
}

static void put_sparkline(struct json_out *json, const struct agent_target *target)
{
	uint64_t line[SPARKLINE_POINTS];
	size_t count = history_line(&target->watched->rss, clock_now_ns(), SPARKLINE_NS, line,
				    SPARKLINE_POINTS);

	json_out_begin_array(json, "sparkline");
	for (size_t i = 0; i < count; i++)
		json_out_u64(json, NULL, line[i]);
	json_out_end_array(json);
}

static void put_growth(struct json_out *json, const struct agent_target *target)
{
	api_put_growth(json, target->growth_known ? target->growth.slope_per_second : 0);
	api_put_interval(json, "growth_interval", target->growth_known ? target->growth.low : 0,
			 target->growth_known ? target->growth.high : 0);
	json_out_bool(json, "growth_known", target->growth_known);
}

/* What the store knows of it, running or not. */
static void put_row(struct json_out *json, const struct store_target *row)
{
	json_out_u64(json, "id", row->id);
	json_out_int(json, "pid", row->pid);
	json_out_string(json, "name", row->name);
	json_out_string(json, "comm", row->comm);
	json_out_string(json, "exe", row->exe);
	json_out_string(json, "unit", row->unit);
	json_out_string(json, "container", row->container);
	json_out_string(json, "cgroup", row->cgroup);
	json_out_string(json, "user", row->user);
	json_out_string(json, "rule", row->rule);
	api_put_time(json, "started_at", row->start_time_ns);
	api_put_time(json, "first_seen", row->first_seen_ns);
	api_put_time(json, "last_seen", row->last_seen_ns);
	api_put_time(json, "ended_at", row->ended_ns);
	json_out_string(json, "end_reason", row->end_reason);
	if (*row->end_detail)
		json_out_raw(json, "end", row->end_detail);
	else
		json_out_null(json, "end");
}

static void put_target(struct json_out *json, const struct agent *agent,
		       const struct store_target *row, const struct agent_target *target)
{
	put_row(json, row);
	json_out_u64(json, "active_leaks", leaks_active(agent, row->id));
	json_out_string(json, "state", target ? target_state_name(target) : "ended");
	json_out_bool(json, "traced", target && target->job && target->job->started);
	if (!target)
		return;
	if (target->inside.python)
		json_out_string(json, "python", target->inside.python);
	else
		json_out_null(json, "python");
	put_reading(json, target);
	put_growth(json, target);
	put_sparkline(json, target);
}

/* What a list is sorted by: the higher the earlier. */
struct rank {
	double worth;
	const struct store_target *row;
	struct agent_target *target;
};

static double severity(const struct agent_target *target)
{
	const char *state = target_state_name(target);

	return !strcmp(state, "critical")  ? 3e18
	       : !strcmp(state, "warning") ? 2e18
	       : !strcmp(state, "growing") ? 1e18
					   : 0;
}

enum { SORT_GROWTH, SORT_RSS, SORT_NAME };

static double worth(const struct agent_target *target, int sort)
{
	if (!target)
		return -1e18;
	if (sort == SORT_RSS)
		return (double)target->watched->reading.memory.rss_bytes;
	return severity(target) + target_growth(target);
}

static int by_worth(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->worth != y->worth)
		return x->worth < y->worth ? 1 : -1;
	return x->row->id < y->row->id ? -1 : x->row->id > y->row->id;
}

static int by_name(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	int order = strcmp(x->row->name, y->row->name);

	return order ? order : by_worth(a, b);
}

/* Running ones are all sorted; the store's pages are in order of id. */
int api_targets(struct http_request *request, void *user)
{
	struct agent *agent = user;
	const struct store_target_query query = {
		.state = http_choice(request, "state") == 0   ? STORE_TARGETS_RUNNING
			 : http_choice(request, "state") == 1 ? STORE_TARGETS_ENDED
							      : STORE_TARGETS_ALL,
		.after = api_cursor(request),
		.limit = (size_t)http_integer(request, "limit"),
	};
	int sort = http_choice(request, "sort");
	_cleanup_free_ struct rank *ranks = NULL;
	struct store_targets rows;
	struct json_out *json;
	int err = store_list_targets(agent->store, &query, &rows);

	if (err)
		return api_answer_errno(request, err, "the targets can't be read");
	ranks = calloc(rows.count + 1, sizeof(*ranks));
	for (size_t i = 0; ranks && i < rows.count; i++) {
		struct agent_target *target = target_by_id(agent, rows.items[i].id);

		ranks[i] = (struct rank){worth(target, sort), &rows.items[i], target};
	}
	if (ranks)
		qsort(ranks, rows.count, sizeof(*ranks), sort == SORT_NAME ? by_name : by_worth);
	json = http_json(request);
	json_out_begin_array(json, "targets");
	for (size_t i = 0; ranks && i < rows.count; i++) {
		json_out_begin_object(json, NULL);
		put_target(json, agent, ranks[i].row, ranks[i].target);
		json_out_end_object(json);
	}
	json_out_end_array(json);
	api_put_cursor(json, rows.next);
	store_targets_done(&rows);
	return http_answer_composed(request, 200);
}

static void put_thresholds(struct json_out *json, const struct agent_target *target)
{
	json_out_begin_object(json, "thresholds");
	json_out_double(json, "warning_bytes", target->limits.of[ALARM_MEMORY_WARNING]);
	json_out_double(json, "critical_bytes", target->limits.of[ALARM_MEMORY_CRITICAL]);
	json_out_double(json, "growth_mb_per_min", target->limits.of[ALARM_GROWTH] * 60 / API_MB);
	json_out_end_object(json);
}

/* The last one may have come after its end. */
static uint64_t newest_profile(const struct agent *agent, uint64_t target)
{
	const struct store_profile_query query = {.target = target, .limit = 1};
	struct store_profiles profiles;
	uint64_t id;

	if (store_list_profiles(agent->store, &query, &profiles))
		return 0;
	id = profiles.count ? profiles.items[0].id : 0;
	store_profiles_done(&profiles);
	return id;
}

int api_target(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	uint64_t id = api_find_target(agent, request, false, &target);
	struct store_targets rows;
	struct json_out *json;
	int err;

	if (!id)
		return HTTP_ANSWERED;
	store_commit(agent->store);
	err = store_get_target(agent->store, id, &rows);
	if (err)
		return api_answer_errno(request, err, "the target can't be read");
	json = http_json(request);
	put_target(json, agent, &rows.items[0], target);
	store_targets_done(&rows);
	api_put_id(json, "profile", target ? target->profile : newest_profile(agent, id));
	if (target) {
		put_thresholds(json, target);
		json_out_u64(json, "sessions_running", target->sessions);
		json_out_string(json, "mode", agent_mode_rows[target->settings.mode].name);
		if (agent->config->show_content)
			json_out_string(json, "cmdline", target->watched->facts.cmdline);
		else
			json_out_null(json, "cmdline");
	}
	return http_answer_composed(request, 200);
}

int api_usage(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	const struct watch_reading *reading;
	struct json_out *json;

	if (!api_find_target(agent, request, true, &target))
		return HTTP_ANSWERED;
	if (process_watch_read(agent->watch, target->watched, clock_now_ns(), true))
		return api_answer_missing(request, "process any more");
	reading = &target->watched->reading;
	json = http_json(request);
	json_out_u64(json, "target", target->id);
	json_out_int(json, "pid", target->watched->handle.key.pid);
	json_out_double(json, "timestamp", (double)clock_wall_ns() / 1e9);
	put_reading(json, target);
	api_put_u64(json, "heap_used_bytes", target->inside.heap_used_bytes);
	api_put_u64(json, "heap_free_bytes", target->inside.heap_free_bytes);
	json_out_double(json, "fragmentation_percent", target->inside.fragmentation_percent);
	api_put_u64(json, "minor_faults", reading->full_ns ? reading->minor_faults : STORE_UNKNOWN);
	api_put_u64(json, "major_faults", reading->full_ns ? reading->major_faults : STORE_UNKNOWN);
	return http_answer_composed(request, 200);
}
