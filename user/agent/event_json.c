/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/event_json.h"

#include "agent/api_values.h"

void event_put_json(const struct store_event *event, struct json_out *json)
{
	json_out_u64(json, "id", event->id);
	api_put_time(json, "time", event->time_ns);
	json_out_string(json, "event", event->kind);
	json_out_string(json, "severity", event->severity);
	api_put_id(json, "target", event->target);
	api_put_id(json, "pid", (uint64_t)event->pid);
	json_out_string(json, "target_name", event->target_name);
	json_out_string(json, "text", event->text);
	json_out_raw(json, "details", event->detail);
}

void event_add_json(const struct store_event *event, struct strbuf *out)
{
	struct json_out json;
	struct sink sink;

	sink_init_strbuf(&sink, out);
	json_out_init(&json, &sink, 0);
	json_out_begin_object(&json, NULL);
	event_put_json(event, &json);
	json_out_end_object(&json);
	sink_finish(&sink);
}
