/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/leak_detail.h"

#include <math.h>
#include <string.h>

#include "agent/api_values.h"
#include "base/units.h"
#include "report/export/frame_json.h"

static void put_evidence(struct json_out *json, const struct report_finding *finding)
{
	json_out_begin_array(json, "evidence");
	for (size_t i = 0; i < finding->evidence_count; i++) {
		json_out_begin_object(json, NULL);
		json_out_string(json, "kind", finding->evidence[i].kind);
		json_out_string(json, "text", finding->evidence[i].text);
		json_out_double(json, "value", finding->evidence[i].value);
		json_out_end_object(json);
	}
	json_out_end_array(json);
}

static void put_stack(struct json_out *json, const struct report *report,
		      const struct report_finding *finding)
{
	json_out_begin_array(json, "stack");
	for (uint32_t i = 0; i < finding->stack.depth; i++)
		json_frame(json, &report->frames[finding->stack.frames[i]]);
	json_out_end_array(json);
}

void leak_add_detail(const struct leak_origin *origin, const struct report *report,
		     const struct report_finding *finding, struct strbuf *out)
{
	struct json_out json;
	struct sink sink;

	sink_init_strbuf(&sink, out);
	json_out_init(&json, &sink, 0);
	json_out_begin_object(&json, NULL);
	json_out_int(&json, "pid", origin->pid);
	json_out_string(&json, "target_name", origin->target_name);
	json_out_double(&json, "confidence", finding->confidence);
	json_out_u64(&json, "lost_count", finding->lost_count);
	json_out_u64(&json, "outstanding_count", finding->outstanding_count);
	json_out_string(&json, "type", finding->type);
	json_out_string(&json, "held_by", finding->held_by);
	json_out_string(&json, "recommendation", origin->recommend ? finding->recommendation : "");
	put_evidence(&json, finding);
	put_stack(&json, report, finding);
	json_out_end_object(&json);
	sink_finish(&sink);
}

static void add_place(const struct report *report, const struct report_finding *finding,
		      struct strbuf *out)
{
	const struct report_frame *frame;

	if (!finding->stack.depth) {
		if (*finding->type)
			strbuf_addf(out, " of type %s", finding->type);
		return;
	}
	frame = &report->frames[finding->stack
					.frames[report_first_own_frame(report, finding->stack)]];
	strbuf_addf(out, " at %s", *frame->function ? frame->function : "an unknown function");
	if (*frame->file)
		strbuf_addf(out, " (%s:%u)", report_basename(frame->file), frame->line);
}

void leak_add_summary(const struct report *report, const struct report_finding *finding,
		      struct strbuf *out)
{
	strbuf_addf(out, "%s, ", verdict_state_name(finding->state));
	units_add_rate(out, finding->growth_bytes_per_second);
	strbuf_addstr(out, ": ");
	strbuf_add_grouped(out,
			   finding->lost_count ? finding->lost_count : finding->outstanding_count);
	strbuf_addstr(out, finding->lost_count ? " blocks lost" : " blocks held");
	add_place(report, finding, out);
}

void leak_put_json(const struct store_leak *leak, struct json_out *json)
{
	json_out_string(json, "leak_id", leak->leak_id);
	json_out_u64(json, "target", leak->target);
	json_out_string(json, "component", leak->component);
	json_out_string(json, "state", leak->state);
	json_out_bool(json, "active", leak->active);
	api_put_growth(json, leak->growth_bytes_per_second);
	api_put_interval(json, "growth_interval", leak->growth_low, leak->growth_high);
	json_out_double(json, "current_memory_mb", (double)leak->outstanding_bytes / API_MB);
	json_out_u64(json, "outstanding_bytes", leak->outstanding_bytes);
	api_put_time(json, "first_seen", leak->first_seen_ns);
	api_put_time(json, "last_seen", leak->last_seen_ns);
	api_put_time(json, "cleared_at", leak->cleared_ns);
	api_put_id(json, "profile", leak->profile);
	json_out_members(json, leak->detail);
}
