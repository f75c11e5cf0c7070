/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as JSON. Order and names are those of the contract; read back by json_read*.c. */
#include "report/export/frame_json.h"
#include "report/export/python_json.h"
#include "report/export/writers.h"

/*
 * Top level and its lists: one element a line, so that a report can be read and compared by line.
 */
#define LINES 2

static void put_texts(struct json_out *j, const char *name, const struct report_text *texts,
		      size_t count)
{
	json_out_begin_array(j, name);
	for (size_t i = 0; i < count; i++)
		json_out_string(j, NULL, texts[i].text);
	json_out_end_array(j);
}

static void put_counts(struct json_out *j, const char *name, const struct report_count *counts,
		       size_t count)
{
	json_out_begin_object(j, name);
	for (size_t i = 0; i < count; i++)
		json_out_u64(j, counts[i].name, counts[i].count);
	json_out_end_object(j);
}

static void put_interval(struct json_out *j, const char *name, double low, double high)
{
	json_out_begin_array(j, name);
	json_out_double(j, NULL, low);
	json_out_double(j, NULL, high);
	json_out_end_array(j);
}

static void put_growth(struct json_out *j, double bytes_per_second)
{
	json_out_double(j, "growth_bytes_per_second", bytes_per_second);
	json_out_double(j, "growth_rate_mb_per_min", bytes_per_second * 60 / REPORT_MIB);
}

static void put_target(struct json_out *j, const struct report_target *t)
{
	json_out_begin_object(j, "target");
	json_out_int(j, "pid", t->pid);
	json_out_string(j, "comm", t->comm);
	json_out_string(j, "exe", t->exe);
	json_out_string(j, "build_id", t->build_id);
	json_out_string(j, "start_time", t->start_time);
	json_out_string(j, "cmdline", t->cmdline);
	json_out_string(j, "container", t->container);
	json_out_begin_array(j, "allocators");
	for (size_t i = 0; i < t->allocator_count; i++) {
		json_out_begin_object(j, NULL);
		json_out_string(j, "name", t->allocators[i].name);
		json_out_string(j, "module", t->allocators[i].module);
		json_out_bool(j, "probed", t->allocators[i].probed);
		json_out_string(j, "detail", t->allocators[i].detail);
		json_out_end_object(j);
	}
	json_out_end_array(j);
	json_out_end_object(j);
}

static void put_processes(struct json_out *j, const struct report *r)
{
	json_out_begin_array(j, "processes");
	for (size_t i = 0; i < r->process_count; i++) {
		const struct report_process *p = &r->processes[i];

		json_out_begin_object(j, NULL);
		json_out_int(j, "pid", p->pid);
		json_out_int(j, "parent", p->parent);
		json_out_string(j, "comm", p->comm);
		json_out_string(j, "start_time", p->start_time);
		if (*p->ended)
			json_out_string(j, "ended", p->ended);
		else
			json_out_null(j, "ended");
		json_out_end_object(j);
	}
	json_out_end_array(j);
}

static void put_capture(struct json_out *j, const struct report_capture *c)
{
	json_out_begin_object(j, "capture");
	json_out_string(j, "mode", capture_mode_name(c->mode));
	json_out_string(j, "started_at", c->started_at);
	json_out_double(j, "duration_s", c->duration_s);
	json_out_double(j, "budget_percent", c->budget_percent);
	json_out_double(j, "overhead_percent", c->overhead_percent);
	json_out_double(j, "duty", c->duty);
	json_out_u64(j, "windows", c->windows);
	json_out_u64(j, "scans", c->scans);
	json_out_double(j, "stop_ms_max", c->stop_ms_max);
	json_out_bool(j, "lost_known", c->lost_known);
	put_texts(j, "plan", c->plan, c->plan_count);
	json_out_end_object(j);
}

static void put_quality(struct json_out *j, const struct report_quality *q)
{
	json_out_begin_object(j, "quality");
	json_out_u64(j, "events", q->events);
	json_out_u64(j, "lost_events", q->lost_events);
	put_counts(j, "lost_by_reason", q->lost_by_reason, q->lost_by_reason_count);
	json_out_u64(j, "stacks", q->stacks);
	put_counts(j, "stacks_incomplete", q->stacks_incomplete, q->stacks_incomplete_count);
	json_out_double(j, "stacks_complete_percent", q->stacks_complete_percent);
	json_out_u64(j, "unmatched_frees", q->unmatched_frees);
	json_out_double(j, "symbols_percent", q->symbols_percent);
	put_texts(j, "notes", q->notes, q->note_count);
	json_out_end_object(j);
}

static void put_memory(struct json_out *j, const struct report_memory *m)
{
	json_out_begin_object(j, "memory");
	json_out_u64(j, "rss_bytes", m->rss_bytes);
	json_out_u64(j, "vms_bytes", m->vms_bytes);
	json_out_u64(j, "pss_bytes", m->pss_bytes);
	json_out_u64(j, "uss_bytes", m->uss_bytes);
	json_out_u64(j, "swap_bytes", m->swap_bytes);
	json_out_u64(j, "heap_live_bytes", m->heap_live_bytes);
	json_out_bool(j, "heap_live_estimated", m->heap_live_estimated);
	json_out_u64(j, "heap_used_bytes", m->heap_used_bytes);
	json_out_u64(j, "heap_live_count", m->heap_live_count);
	json_out_u64(j, "heap_free_bytes", m->heap_free_bytes);
	json_out_u64(j, "heap_free_end_bytes", m->heap_free_end_bytes);
	json_out_begin_array(j, "heap_free_by_size");
	for (size_t i = 0; i < m->heap_free_slots; i++) {
		json_out_begin_object(j, NULL);
		json_out_u64(j, "size", m->heap_free_by_size[i].size);
		json_out_u64(j, "count", m->heap_free_by_size[i].count);
		json_out_u64(j, "bytes", m->heap_free_by_size[i].bytes);
		json_out_end_object(j);
	}
	json_out_end_array(j);
	json_out_double(j, "fragmentation_percent", m->fragmentation_percent);
	json_out_u64(j, "limit_bytes", m->limit_bytes);
	json_out_begin_array(j, "series");
	for (size_t i = 0; i < m->series_count; i++) {
		const struct report_sample *s = &m->series[i];

		json_out_begin_object(j, NULL);
		json_out_double(j, "time", s->time);
		json_out_u64(j, "rss_bytes", s->rss_bytes);
		json_out_u64(j, "vms_bytes", s->vms_bytes);
		json_out_u64(j, "pss_bytes", s->pss_bytes);
		json_out_u64(j, "uss_bytes", s->uss_bytes);
		json_out_u64(j, "swap_bytes", s->swap_bytes);
		json_out_u64(j, "heap_live_bytes", s->heap_live_bytes);
		json_out_u64(j, "heap_used_bytes", s->heap_used_bytes);
		json_out_u64(j, "minor_faults", s->minor_faults);
		json_out_u64(j, "major_faults", s->major_faults);
		if (s->gc_collections) {
			json_out_u64(j, "gc_collections", s->gc_collections);
			json_out_u64(j, "gc_collected", s->gc_collected);
			json_out_double(j, "gc_pause_ms", s->gc_pause_ms);
		}
		json_out_end_object(j);
	}
	json_out_end_array(j);
	json_out_end_object(j);
}

static void put_evidence(struct json_out *j, const struct report_evidence *evidence, size_t count)
{
	json_out_begin_array(j, "evidence");
	for (size_t i = 0; i < count; i++) {
		json_out_begin_object(j, NULL);
		json_out_string(j, "kind", evidence[i].kind);
		json_out_string(j, "text", evidence[i].text);
		json_out_double(j, "value", evidence[i].value);
		json_out_double(j, "reference", evidence[i].reference);
		json_out_end_object(j);
	}
	json_out_end_array(j);
}

static void put_verdict(struct json_out *j, const struct report_verdict *v)
{
	json_out_begin_object(j, "verdict");
	json_out_string(j, "state", verdict_state_name(v->state));
	json_out_double(j, "confidence", v->confidence);
	put_growth(j, v->growth_bytes_per_second);
	put_interval(j, "growth_interval", v->growth_low, v->growth_high);
	json_out_double(j, "explained_percent", v->explained_percent);
	json_out_double(j, "rss_growth_bytes_per_second", v->rss_growth_bytes_per_second);
	json_out_double(j, "limit_eta_s", v->limit_eta_s);
	json_out_bool(j, "limit_is_system", v->limit_is_system);
	json_out_bool(j, "firm", v->firm);
	json_out_double(j, "seconds_to_firm", v->seconds_to_firm);
	put_evidence(j, v->evidence, v->evidence_count);
	json_out_end_object(j);
}

/* Index in the stack of the first frame that is the program's own. */
static void put_own_frame(struct json_out *j, const struct report *r, struct report_stack stack)
{
	if (stack.depth)
		json_out_u64(j, "own_frame", report_first_own_frame(r, stack));
}

static void put_finding(struct json_out *j, const struct report *r, const struct report_finding *f)
{
	json_out_begin_object(j, NULL);
	json_out_string(j, "id", f->id);
	json_out_int(j, "pid", f->pid);
	json_out_string(j, "state", verdict_state_name(f->state));
	json_out_double(j, "confidence", f->confidence);
	put_growth(j, f->growth_bytes_per_second);
	put_interval(j, "growth_interval", f->growth_low, f->growth_high);
	json_out_u64(j, "outstanding_bytes", f->outstanding_bytes);
	json_out_u64(j, "outstanding_count", f->outstanding_count);
	json_out_bool(j, "estimated", f->estimated);
	json_out_u64(j, "lost_bytes", f->lost_bytes);
	json_out_u64(j, "lost_count", f->lost_count);
	json_out_double(j, "oldest_s", f->oldest_s);
	json_out_string(j, "component", f->component);
	json_out_string(j, "allocator", f->allocator);
	json_out_string(j, "type", f->type);
	json_out_string(j, "held_by", f->held_by);
	json_out_double(j, "seconds_to_firm", f->seconds_to_firm);
	put_evidence(j, f->evidence, f->evidence_count);
	json_out_string(j, "recommendation", f->recommendation);
	put_own_frame(j, r, f->stack);
	json_out_begin_array(j, "stack");
	for (uint32_t i = 0; i < f->stack.depth; i++)
		json_frame(j, &r->frames[f->stack.frames[i]]);
	json_out_end_array(j);
	json_out_end_object(j);
}

static void put_stack(struct json_out *j, struct report_stack stack)
{
	json_out_begin_array(j, "stack");
	for (uint32_t i = 0; i < stack.depth; i++)
		json_out_u64(j, NULL, stack.frames[i]);
	json_out_end_array(j);
}

static void put_histogram(struct json_out *j, const char *name, const uint32_t *slots,
			  uint8_t count)
{
	json_out_begin_array(j, name);
	for (uint8_t i = 0; i < count; i++)
		json_out_u64(j, NULL, slots[i]);
	json_out_end_array(j);
}

static void put_site(struct json_out *j, const struct report *r, const struct report_site *s)
{
	json_out_begin_object(j, NULL);
	json_out_int(j, "pid", s->pid);
	put_stack(j, s->stack);
	put_own_frame(j, r, s->stack);
	json_out_string(j, "allocator", s->allocator);
	json_out_u64(j, "allocs", s->allocs);
	json_out_u64(j, "frees", s->frees);
	json_out_u64(j, "alloc_bytes", s->alloc_bytes);
	json_out_u64(j, "outstanding_bytes", s->outstanding_bytes);
	json_out_u64(j, "outstanding_count", s->outstanding_count);
	json_out_u64(j, "peak_bytes", s->peak_bytes);
	json_out_u64(j, "temporary_count", s->temporary_count);
	put_histogram(j, "lifetime_ns_log2", s->lifetime_ns_log2, s->lifetime_slots);
	put_histogram(j, "size_log2", s->size_log2, s->size_slots);
	json_out_bool(j, "estimated", s->estimated);
	put_interval(j, "interval", s->interval_low, s->interval_high);
	json_out_string(j, "state", verdict_state_name(s->state));
	json_out_double(j, "growth_bytes_per_second", s->growth_bytes_per_second);
	json_out_end_object(j);
}

static void put_census(struct json_out *j, const struct report *r)
{
	json_out_begin_array(j, "census");
	for (size_t i = 0; i < r->census_count; i++) {
		const struct report_census *c = &r->census[i];

		json_out_begin_object(j, NULL);
		json_out_string(j, "type", c->type);
		json_out_u64(j, "size", c->size);
		json_out_u64(j, "count", c->count);
		json_out_u64(j, "bytes", c->bytes);
		json_out_u64(j, "lost_count", c->lost_count);
		json_out_u64(j, "lost_bytes", c->lost_bytes);
		json_out_string(j, "held_by", c->held_by);
		json_out_string(j, "sample", c->sample);
		if (c->growth_known) {
			json_out_double(j, "grown_count", c->grown_count);
			json_out_double(j, "growth_bytes_per_second", c->growth_bytes_per_second);
		}
		json_out_end_object(j);
	}
	json_out_end_array(j);
}

static void put_components(struct json_out *j, const struct report *r)
{
	json_out_begin_array(j, "components");
	for (size_t i = 0; i < r->component_count; i++) {
		json_out_begin_object(j, NULL);
		json_out_string(j, "name", r->components[i].name);
		json_out_u64(j, "outstanding_bytes", r->components[i].outstanding_bytes);
		json_out_double(j, "growth_bytes_per_second",
				r->components[i].growth_bytes_per_second);
		json_out_u64(j, "outstanding_count", r->components[i].outstanding_count);
		json_out_u64(j, "peak_bytes", r->components[i].peak_bytes);
		json_out_bool(j, "estimated", r->components[i].estimated);
		json_out_end_object(j);
	}
	json_out_end_array(j);
}

/* Only where rules for them were given. */
static void put_spans(struct json_out *j, const struct report *r)
{
	json_out_begin_array(j, "spans");
	for (size_t i = 0; i < r->span_count; i++) {
		const struct report_span *s = &r->spans[i];

		json_out_begin_object(j, NULL);
		json_out_string(j, "span", s->span);
		json_out_string(j, "key", s->key);
		json_out_int(j, "pid", s->pid);
		json_out_u64(j, "outstanding_bytes", s->outstanding_bytes);
		json_out_u64(j, "outstanding_count", s->outstanding_count);
		json_out_u64(j, "allocs", s->allocs);
		json_out_u64(j, "alloc_bytes", s->alloc_bytes);
		json_out_u64(j, "peak_bytes", s->peak_bytes);
		json_out_bool(j, "estimated", s->estimated);
		json_out_end_object(j);
	}
	json_out_end_array(j);
}

static void put_faults(struct json_out *j, const struct report *r)
{
	json_out_begin_array(j, "faults");
	for (size_t i = 0; i < r->fault_count; i++) {
		json_out_begin_object(j, NULL);
		json_out_int(j, "pid", r->faults[i].pid);
		put_stack(j, r->faults[i].stack);
		json_out_string(j, "kind", r->faults[i].kind);
		json_out_u64(j, "count", r->faults[i].count);
		json_out_end_object(j);
	}
	json_out_end_array(j);
}

int write_json(const struct report *r, const struct export_options *options, struct sink *sink)
{
	struct json_out j;

	(void)options;
	json_out_init(&j, sink, LINES);
	json_out_begin_object(&j, NULL);
	json_out_string(&j, "schema", REPORT_SCHEMA);
	json_out_begin_object(&j, "tool");
	json_out_string(&j, "name", r->tool_name);
	json_out_string(&j, "version", r->tool_version);
	json_out_end_object(&j);
	put_target(&j, &r->target);
	put_processes(&j, r);
	put_capture(&j, &r->capture);
	put_quality(&j, &r->quality);
	put_memory(&j, &r->memory);
	put_verdict(&j, &r->verdict);
	json_out_begin_array(&j, "findings");
	for (size_t i = 0; i < r->finding_count; i++)
		put_finding(&j, r, &r->findings[i]);
	json_out_end_array(&j);
	json_out_begin_array(&j, "sites");
	for (size_t i = 0; i < r->site_count; i++)
		put_site(&j, r, &r->sites[i]);
	json_out_end_array(&j);
	json_out_begin_array(&j, "frames");
	for (size_t i = 0; i < r->frame_count; i++)
		json_frame(&j, &r->frames[i]);
	json_out_end_array(&j);
	put_census(&j, r);
	json_put_pythons(&j, r);
	put_components(&j, r);
	if (r->span_count)
		put_spans(&j, r);
	put_faults(&j, r);
	json_out_end_object(&j);
	sink_putc(sink, '\n');
	return sink->error;
}
