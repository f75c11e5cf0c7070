/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a target hold: components and spans. */
#include <string.h>

#include "agent/api.h"
#include "agent/api_values.h"

static void put_component(struct json_out *json, const struct agent_component *component)
{
	json_out_string(json, "name", component->name);
	json_out_double(json, "current_memory_mb", (double)component->outstanding_bytes / API_MB);
	json_out_double(json, "peak_memory_mb", (double)component->peak_bytes / API_MB);
	json_out_u64(json, "outstanding_bytes", component->outstanding_bytes);
	json_out_u64(json, "peak_bytes", component->peak_bytes);
	json_out_bool(json, "estimated", component->estimated);
	api_put_growth(json, component->growth_bytes_per_second);
}

int api_components(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	uint64_t total = 0;
	struct json_out *json;

	if (!api_find_target(agent, request, true, &target))
		return HTTP_ANSWERED;
	json = http_json(request);
	json_out_begin_array(json, "components");
	for (size_t i = 0; i < target->components.count; i++) {
		json_out_begin_object(json, NULL);
		put_component(json, &target->components.items[i]);
		json_out_end_object(json);
		total += target->components.items[i].outstanding_bytes;
	}
	json_out_end_array(json);
	json_out_u64(json, "total_bytes", total);
	return http_answer_composed(request, 200);
}

int api_component(struct http_request *request, void *user)
{
	struct agent *agent = user;
	const char *name = http_text(request, "name");
	struct agent_target *target;

	if (!api_find_target(agent, request, true, &target))
		return HTTP_ANSWERED;
	for (size_t i = 0; i < target->components.count; i++) {
		if (strcmp(target->components.items[i].name, name) != 0)
			continue;
		put_component(http_json(request), &target->components.items[i]);
		return http_answer_composed(request, 200);
	}
	return api_answer_missing(request, "component (of what was traced so far)");
}

static void put_span(struct json_out *json, const struct agent_span *span)
{
	json_out_begin_object(json, NULL);
	json_out_string(json, "span", span->name);
	json_out_string(json, "key", span->key);
	json_out_u64(json, "outstanding_bytes", span->outstanding_bytes);
	json_out_u64(json, "outstanding_count", span->outstanding_count);
	json_out_u64(json, "peak_bytes", span->peak_bytes);
	json_out_u64(json, "allocs", span->allocs);
	json_out_bool(json, "estimated", span->estimated);
	api_put_time(json, "first_seen", span->first_wall_ns);
	api_put_time(json, "last_seen", span->last_wall_ns);
	json_out_end_object(json);
}

/* A page begins at a place in the list. The list is made anew with each report: what moved meanwhile may be missed, or come twice. */
int api_spans(struct http_request *request, void *user)
{
	struct agent *agent = user;
	uint64_t from = api_cursor(request), limit = (uint64_t)http_integer(request, "limit");
	struct agent_target *target;
	struct json_out *json;
	size_t i;

	if (!api_find_target(agent, request, true, &target))
		return HTTP_ANSWERED;
	json = http_json(request);
	json_out_begin_array(json, "spans");
	for (i = from; i < target->spans.count && i < from + limit; i++)
		put_span(json, &target->spans.items[i]);
	json_out_end_array(json);
	json_out_u64(json, "total", target->spans.count);
	json_out_u64(json, "left_out", target->spans_left_out);
	api_put_cursor(json, i < target->spans.count ? i : 0);
	return http_answer_composed(request, 200);
}
