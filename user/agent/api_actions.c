/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What somebody asks the agent to do. */
#include <errno.h>
#include <string.h>

#include "agent/api.h"
#include "agent/api_values.h"
#include "base/clock.h"

#define GC_MEMORY  ((uint64_t)256 << 20)
#define GC_STOP_NS (300 * NS_PER_MS)

static void put_problems(struct json_out *json, const struct config_problems *problems)
{
	json_out_begin_array(json, "errors");
	for (size_t i = 0; i < problems->list.count; i++) {
		json_out_begin_object(json, NULL);
		json_out_string(json, "place", problems->list.items[i].place);
		json_out_string(json, "what", problems->list.items[i].what);
		json_out_string(json, "why", problems->list.items[i].why);
		json_out_end_object(json);
	}
	json_out_end_array(json);
}

int api_reload(struct http_request *request, void *user)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	_cleanup_(config_problems_done) struct config_problems problems = CONFIG_PROBLEMS_INIT;
	int err = agent_reload(user, &problems, &error);
	struct json_out *json;

	if (err && !config_problems_count(&problems))
		return http_answer_error(request, &error);
	json = http_json(request);
	json_out_bool(json, "reloaded", !err);
	put_problems(json, &problems);
	return http_answer_composed(request, err ? 400 : 200);
}

int api_trace(struct http_request *request, void *user)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	struct agent_target *target;
	struct json_out *json;

	if (!api_find_target(user, request, true, &target))
		return HTTP_ANSWERED;
	if (tracing_ask(target, (uint64_t)(http_number(request, "for_s") * 1e9), &error))
		return http_answer_error(request, &error);
	json = http_json(request);
	json_out_u64(json, "target", target->id);
	json_out_string(json, "state", target->job ? "tracing" : "waiting");
	return http_answer_composed(request, 202);
}

int api_gc(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	struct agent_job *job;
	struct job_request ask = {
		.kind = JOB_COLLECT,
		.max_stop_ns = GC_STOP_NS,
		.memory_bytes = GC_MEMORY,
	};
	int err;

	if (!api_find_target(agent, request, true, &target))
		return HTTP_ANSWERED;
	ask.key = target->watched->handle.key;
	ask.trim = http_boolean(request, "trim");
	ask.wait_ns = (uint64_t)(http_number(request, "wait_s") * 1e9);
	event_operation(agent,
			&(struct operation){"gc", target, "a collection was asked for", NULL},
			false);
	err = job_start(agent, target, &ask, "request", &job);
	if (err)
		return api_answer_errno(request, err, "the collection can't be started");
	job->request = request;
	return HTTP_LATER;
}

static void put_state(struct json_out *json, const char *name, bool objects_known,
		      const struct collection_state *state)
{
	json_out_begin_object(json, name);
	api_put_u64(json, "objects", objects_known ? state->objects : UINT64_MAX);
	api_put_u64(json, "object_bytes", objects_known ? state->bytes : UINT64_MAX);
	json_out_u64(json, "rss_bytes", state->rss_bytes);
	json_out_end_object(json);
}

static uint64_t fewer(uint64_t before, uint64_t after)
{
	return before > after ? before - after : 0;
}

void gc_answer(struct agent_job *job, const struct collection *c)
{
	struct json_out *json = http_json(job->request);

	json_out_int(json, "pid", c->pid);
	json_out_string(json, "python", c->version);
	json_out_bool(json, "done", c->result.done);
	json_out_u64(json, "collected_objects", c->result.collected);
	json_out_u64(json, "uncollectable_objects", c->result.uncollectable);
	json_out_u64(json, "objects_freed",
		     c->objects_known ? fewer(c->before.objects, c->after.objects)
				      : c->result.collected);
	json_out_double(json, "duration_ms", (double)c->result.held_ns / 1e6);
	json_out_double(json, "waited_ms", (double)c->result.waited_ns / 1e6);
	json_out_u64(json, "trimmed_bytes", fewer(c->before.rss_bytes, c->after.rss_bytes));
	put_state(json, "before", c->objects_known, &c->before);
	put_state(json, "after", c->objects_known, &c->after);
	http_answer_composed(job->request, 200);
	job->request = NULL;
	event_operation(job->agent,
			&(struct operation){"gc", job->target, "a collection was forced", NULL},
			true);
}
