/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the agent is, and how its targets are. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/api.h"
#include "agent/api_values.h"
#include "agent/http/openapi.h"
#include "base/clock.h"
#include "process/proc/memory.h"

static int answer_text(struct http_request *request, unsigned int status, const char *text)
{
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	const struct http_content content = {.status = status, .type = "text/plain; charset=utf-8"};

	strbuf_addstr(&bytes, text);
	return http_answer_bytes(request, &content, &bytes);
}

int api_healthy(struct http_request *request, void *user)
{
	(void)user;
	return answer_text(request, 200, "holdfast is healthy.\n");
}

int api_ready(struct http_request *request, void *user)
{
	const struct agent *agent = user;

	return agent->passes ? answer_text(request, 200, "holdfast is ready.\n")
			     : answer_text(request, 503, "holdfast has not looked around yet.\n");
}

static size_t count_firing(const struct agent *agent, enum alarm_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < process_watch_count(agent->watch); i++) {
		const struct agent_target *target = agent_target(process_watch_at(agent->watch, i));

		count += target && target->alarms[kind].firing;
	}
	return count;
}

enum health { HEALTH_OK, HEALTH_WARNING, HEALTH_CRITICAL };

static const char *health_name(enum health health)
{
	static const char *const names[] = {"ok", "warning", "critical"};

	return names[health];
}

static enum health worse(enum health a, enum health b)
{
	return a > b ? a : b;
}

static enum health memory_health(const struct agent *agent)
{
	return count_firing(agent, ALARM_MEMORY_CRITICAL)  ? HEALTH_CRITICAL
	       : count_firing(agent, ALARM_MEMORY_WARNING) ? HEALTH_WARNING
	       : count_firing(agent, ALARM_GROWTH)         ? HEALTH_WARNING
							   : HEALTH_OK;
}

static enum health profiler_health(const struct agent *agent)
{
	struct store_state state;

	store_state(agent->store, &state);
	return state.error || agent->over_budget ? HEALTH_WARNING : HEALTH_OK;
}

static void put_store(struct json_out *json, const struct agent *agent)
{
	struct store_state state;

	store_state(agent->store, &state);
	json_out_begin_object(json, "store");
	json_out_string(json, "path", store_path(agent->store));
	json_out_string(json, "state", state.text);
	json_out_u64(json, "failed_writes", state.failed_writes);
	json_out_u64(json, "dropped_samples", state.dropped_samples);
	json_out_u64(json, "dropped_events", state.dropped_events);
	json_out_u64(json, "damaged_files", state.damaged_files);
	json_out_u64(json, "set_aside_bytes", state.aside_bytes);
	json_out_end_object(json);
}

static void put_check(struct json_out *json, const char *name, enum health health, const char *text)
{
	json_out_begin_object(json, NULL);
	json_out_string(json, "name", name);
	json_out_string(json, "status", health_name(health));
	json_out_string(json, "text", text);
	json_out_end_object(json);
}

static size_t traced_count(const struct agent *agent)
{
	size_t count = 0;

	for (size_t i = 0; i < agent->jobs.count; i++)
		count += agent->jobs.items[i]->kind == JOB_TRACE && agent->jobs.items[i]->started;
	return count;
}

static void put_memory(struct json_out *json, const struct agent *agent)
{
	json_out_begin_object(json, "memory");
	json_out_string(json, "status", health_name(memory_health(agent)));
	json_out_u64(json, "targets_over_warning", count_firing(agent, ALARM_MEMORY_WARNING));
	json_out_u64(json, "targets_over_critical", count_firing(agent, ALARM_MEMORY_CRITICAL));
	json_out_u64(json, "targets_growing_too_fast", count_firing(agent, ALARM_GROWTH));
	json_out_end_object(json);
}

/* A lasting limit of this machine: told, but no reason to call the whole unwell. */
static const char *oom_text(int err)
{
	switch (err) {
	case 0:
		return "processes that the kernel kills for memory are recognised";
	case -ENOENT:
		return "not recognised: this kernel has no tracepoint oom:mark_victim";
	case -EPERM:
	case -EACCES:
		return "not recognised: that takes CAP_BPF and CAP_PERFMON";
	default:
		return "not recognised: the kernel refused the program that sees them";
	}
}

int api_health(struct http_request *request, void *user)
{
	const struct agent *agent = user;
	enum health memory = memory_health(agent), profiler = profiler_health(agent);
	size_t leaks = leaks_active(agent, 0);
	enum health leaking = leaks ? HEALTH_WARNING : HEALTH_OK;
	enum health all = worse(worse(memory, profiler), leaking);
	struct json_out *json = http_json(request);

	json_out_string(json, "status", health_name(all));
	put_memory(json, agent);
	json_out_begin_object(json, "leaks");
	json_out_u64(json, "active", leaks);
	json_out_end_object(json);
	json_out_begin_object(json, "profiler");
	json_out_string(json, "status", health_name(profiler));
	json_out_string(json, "mode", agent_mode_rows[agent->config->mode].name);
	json_out_u64(json, "tracing", traced_count(agent));
	put_store(json, agent);
	json_out_end_object(json);
	json_out_begin_array(json, "checks");
	put_check(json, "memory", memory, "memory of the targets against their thresholds");
	put_check(json, "leaks", leaking, "leaks that were found and not cleared");
	put_check(json, "profiler", profiler, "the agent's own store and cost");
	put_check(json, "oom_kills", agent->oom_err ? HEALTH_WARNING : HEALTH_OK,
		  oom_text(agent->oom_err));
	json_out_end_array(json);
	return http_answer_composed(request, all == HEALTH_CRITICAL ? 503 : 200);
}

static void put_cost(struct json_out *json, const struct agent *agent)
{
	struct process_memory memory = {0};
	struct watch_counts counts;

	process_memory_read(getpid(), false, &memory);
	process_watch_get_counts(agent->watch, &counts);
	json_out_begin_object(json, "cost");
	json_out_double(json, "cpu_percent", agent->cost.cpu_percent);
	json_out_u64(json, "rss_bytes", memory.rss_bytes);
	json_out_u64(json, "memory_bytes", agent->cost.memory_bytes);
	json_out_double(json, "jobs_percent", agent->cost.jobs_percent);
	json_out_double(json, "tracing_percent", agent->cost.tracing_percent);
	json_out_double(json, "pass_ms", (double)counts.pass_ns / 1e6);
	json_out_bool(json, "over_budget", agent->over_budget);
	json_out_end_object(json);
}

static void put_targets(struct json_out *json, const struct agent *agent)
{
	struct watch_counts counts;

	process_watch_get_counts(agent->watch, &counts);
	json_out_begin_object(json, "targets");
	json_out_u64(json, "watched", process_watch_count(agent->watch));
	json_out_u64(json, "traced", traced_count(agent));
	json_out_u64(json, "ended", agent->ended_targets);
	json_out_u64(json, "refused", counts.refused);
	json_out_u64(json, "processes", counts.processes);
	json_out_end_object(json);
}

int api_status(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct json_out *json = http_json(request);

	json_out_string(json, "version", HF_VERSION);
	api_put_time(json, "started_at", agent->started_wall_ns);
	json_out_int(json, "pid", getpid());
	json_out_string(json, "mode", agent_mode_rows[agent->config->mode].name);
	json_out_string(json, "level", agent_level_rows[agent->config->level].name);
	json_out_double(json, "sampling_interval_s",
			(double)agent->config->sampling_interval_ns / 1e9);
	json_out_double(json, "budget_percent", agent->config->budget_percent);
	put_targets(json, agent);
	put_cost(json, agent);
	put_store(json, agent);
	json_out_u64(json, "active_leaks", leaks_active(agent, 0));
	json_out_u64(json, "sessions_running", agent->sessions.count);
	return http_answer_composed(request, 200);
}

int api_openapi(struct http_request *request, void *user)
{
	const struct agent *agent = user;
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT;
	struct sink sink;

	sink_init_strbuf(&sink, &json);
	http_openapi_write(api_table_http(agent->routes), HF_VERSION, &sink);
	sink_finish(&sink);
	return http_answer_json(request, 200, &json);
}

static void put_alert(struct json_out *json, const struct agent_target *target,
		      enum alarm_kind kind)
{
	const struct alarm *alarm = &target->alarms[kind];
	double scale = (kind == ALARM_GROWTH ? 60 : 1) / API_MB;

	json_out_begin_object(json, NULL);
	json_out_string(json, "name", alarm_kind_name(kind));
	json_out_string(json, "severity", kind == ALARM_MEMORY_CRITICAL ? "critical" : "warning");
	json_out_u64(json, "target", target->id);
	json_out_int(json, "pid", target->watched->handle.key.pid);
	json_out_string(json, "target_name", target->name);
	api_put_time(json, "since", alarm->since_wall_ns);
	json_out_double(json, "value", alarm->value * scale);
	json_out_double(json, "threshold", target->limits.of[kind] * scale);
	json_out_string(json, "unit", kind == ALARM_GROWTH ? "MB/min" : "MB");
	json_out_end_object(json);
}

int api_alerts(struct http_request *request, void *user)
{
	const struct agent *agent = user;
	struct json_out *json = http_json(request);

	json_out_begin_array(json, "alerts");
	for (size_t i = 0; i < process_watch_count(agent->watch); i++) {
		const struct agent_target *target = agent_target(process_watch_at(agent->watch, i));

		for (int kind = 0; target && kind < ALARM_KIND_COUNT; kind++)
			if (target->alarms[kind].firing)
				put_alert(json, target, (enum alarm_kind)kind);
	}
	json_out_end_array(json);
	return http_answer_composed(request, 200);
}
