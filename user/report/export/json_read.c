/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A report read back from JSON, compressed or not: the counterpart of json.c. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/fileio.h"
#include "report/export/export.h"
#include "report/export/json_in.h"
#include "report/export/python_json.h"

#define MEMORY_BYTES      (4ull << 30) /* of the report made of it */
#define INFLATE_BYTES     65536
#define GUNZIP_WINDOW     (15 + 16)
#define MAX_FINDING_DEPTH 65536

static void read_texts(struct json_in *in, const json_t *array, const struct report_text **ret,
		       size_t *ret_count)
{
	struct report_text *list = json_in_room(in, array, sizeof(*list));

	for (size_t i = 0; list && i < json_array_size(array); i++)
		list[i].text = json_in_string(in, json_array_get(array, i), "text");
	*ret = list;
	*ret_count = json_array_size(array);
}

static void read_counts(struct json_in *in, const json_t *object, const struct report_count **ret,
			size_t *ret_count)
{
	size_t count = json_object_size(object), i = 0;
	struct report_count *list = arena_zalloc(&in->store->arena, count * sizeof(*list));
	const char *name;
	json_t *value;

	if (!list) {
		in->out_of_memory = true;
		return;
	}
	json_object_foreach((json_t *)object, name, value) {
		if (report_store_string(in->store, name, &list[i].name) < 0)
			in->out_of_memory = true;
		list[i++].count = json_in_number(in, value, "count");
	}
	*ret = list;
	*ret_count = count;
}

static void read_target(struct json_in *in, const json_t *o, struct report_target *t)
{
	const json_t *array = json_in_array(in, o, "allocators");
	struct report_allocator *list = json_in_room(in, array, sizeof(*list));

	t->pid = json_in_pid(in, o, "pid");
	t->comm = json_in_text(in, o, "comm");
	t->exe = json_in_text(in, o, "exe");
	t->build_id = json_in_text(in, o, "build_id");
	t->start_time = json_in_text(in, o, "start_time");
	t->cmdline = json_in_text(in, o, "cmdline");
	t->container = json_in_text(in, o, "container");
	t->allocators = list;
	t->allocator_count = json_array_size(array);
	for (size_t i = 0; list && i < t->allocator_count; i++) {
		const json_t *a = json_array_get(array, i);

		list[i].name = json_in_text(in, a, "name");
		list[i].module = json_in_text(in, a, "module");
		list[i].probed = json_in_bool(in, a, "probed");
		list[i].detail = json_in_text(in, a, "detail");
	}
}

static void read_processes(struct json_in *in, const json_t *array, struct report *r)
{
	struct report_process *list = json_in_room(in, array, sizeof(*list));

	r->processes = list;
	r->process_count = json_array_size(array);
	for (size_t i = 0; list && i < r->process_count; i++) {
		const json_t *p = json_array_get(array, i);

		list[i].pid = json_in_pid(in, p, "pid");
		list[i].parent = json_in_pid(in, p, "parent");
		list[i].comm = json_in_text(in, p, "comm");
		list[i].start_time = json_in_text(in, p, "start_time");
		list[i].ended = json_in_text(in, p, "ended");
	}
}

static void read_capture(struct json_in *in, const json_t *o, struct report_capture *c)
{
	const char *mode = json_in_text(in, o, "mode");

	if (*mode && capture_mode_parse(mode, &c->mode) < 0)
		json_in_fail(in, "mode");
	c->started_at = json_in_text(in, o, "started_at");
	c->duration_s = json_in_double(in, o, "duration_s");
	c->budget_percent = json_in_double(in, o, "budget_percent");
	c->overhead_percent = json_in_double(in, o, "overhead_percent");
	c->duty = json_in_double(in, o, "duty");
	c->windows = json_in_u64(in, o, "windows");
	c->scans = json_in_u64(in, o, "scans");
	c->stop_ms_max = json_in_double(in, o, "stop_ms_max");
	c->lost_known = json_in_bool(in, o, "lost_known");
	read_texts(in, json_in_array(in, o, "plan"), &c->plan, &c->plan_count);
}

/* Reports of before have only the numbers of stacks. */
static double complete_by_count(const struct report_quality *q)
{
	double cut = 0;

	for (size_t i = 0; i < q->stacks_incomplete_count; i++)
		cut += (double)q->stacks_incomplete[i].count;
	return q->stacks && cut < (double)q->stacks ? 100 - 100 * cut / (double)q->stacks : 0;
}

static void read_quality(struct json_in *in, const json_t *o, struct report_quality *q)
{
	q->events = json_in_u64(in, o, "events");
	q->lost_events = json_in_u64(in, o, "lost_events");
	q->stacks = json_in_u64(in, o, "stacks");
	q->unmatched_frees = json_in_u64(in, o, "unmatched_frees");
	q->symbols_percent = json_in_double(in, o, "symbols_percent");
	read_counts(in, json_in_object(in, o, "lost_by_reason"), &q->lost_by_reason,
		    &q->lost_by_reason_count);
	read_counts(in, json_in_object(in, o, "stacks_incomplete"), &q->stacks_incomplete,
		    &q->stacks_incomplete_count);
	q->stacks_complete_percent = json_object_get(o, "stacks_complete_percent")
					     ? json_in_double(in, o, "stacks_complete_percent")
					     : complete_by_count(q);
	read_texts(in, json_in_array(in, o, "notes"), &q->notes, &q->note_count);
}

static void read_free(struct json_in *in, const json_t *o, struct report_memory *m)
{
	const json_t *array = json_in_array(in, o, "heap_free_by_size");

	for (size_t i = 0; i < json_array_size(array) && i < REPORT_FREE_SLOTS; i++) {
		const json_t *s = json_array_get(array, i);

		m->heap_free_by_size[i].size = json_in_u64(in, s, "size");
		m->heap_free_by_size[i].count = json_in_u64(in, s, "count");
		m->heap_free_by_size[i].bytes = json_in_u64(in, s, "bytes");
		m->heap_free_slots = i + 1;
	}
}

static void read_memory(struct json_in *in, const json_t *o, struct report_memory *m)
{
	const json_t *array = json_in_array(in, o, "series");
	struct report_sample *list = json_in_room(in, array, sizeof(*list));

	m->rss_bytes = json_in_u64(in, o, "rss_bytes");
	m->vms_bytes = json_in_u64(in, o, "vms_bytes");
	m->pss_bytes = json_in_u64(in, o, "pss_bytes");
	m->uss_bytes = json_in_u64(in, o, "uss_bytes");
	m->swap_bytes = json_in_u64(in, o, "swap_bytes");
	m->heap_live_bytes = json_in_u64(in, o, "heap_live_bytes");
	m->heap_live_estimated = json_in_bool(in, o, "heap_live_estimated");
	m->heap_used_bytes = json_in_u64(in, o, "heap_used_bytes");
	m->heap_live_count = json_in_u64(in, o, "heap_live_count");
	m->heap_free_bytes = json_in_u64(in, o, "heap_free_bytes");
	m->heap_free_end_bytes = json_in_u64(in, o, "heap_free_end_bytes");
	read_free(in, o, m);
	m->fragmentation_percent = json_in_double(in, o, "fragmentation_percent");
	m->limit_bytes = json_in_u64(in, o, "limit_bytes");
	m->series = list;
	m->series_count = json_array_size(array);
	for (size_t i = 0; list && i < m->series_count; i++) {
		const json_t *s = json_array_get(array, i);

		list[i].time = json_in_double(in, s, "time");
		list[i].rss_bytes = json_in_u64(in, s, "rss_bytes");
		list[i].vms_bytes = json_in_u64(in, s, "vms_bytes");
		list[i].pss_bytes = json_in_u64(in, s, "pss_bytes");
		list[i].uss_bytes = json_in_u64(in, s, "uss_bytes");
		list[i].swap_bytes = json_in_u64(in, s, "swap_bytes");
		list[i].heap_live_bytes = json_in_u64(in, s, "heap_live_bytes");
		list[i].heap_used_bytes = json_in_u64(in, s, "heap_used_bytes");
		list[i].minor_faults = json_in_u64(in, s, "minor_faults");
		list[i].major_faults = json_in_u64(in, s, "major_faults");
		list[i].gc_collections = json_in_u64(in, s, "gc_collections");
		list[i].gc_collected = json_in_u64(in, s, "gc_collected");
		list[i].gc_pause_ms = json_in_double(in, s, "gc_pause_ms");
	}
}

static void read_evidence(struct json_in *in, const json_t *o, const struct report_evidence **ret,
			  size_t *ret_count)
{
	const json_t *array = json_in_array(in, o, "evidence");
	struct report_evidence *list = json_in_room(in, array, sizeof(*list));

	for (size_t i = 0; list && i < json_array_size(array); i++) {
		const json_t *e = json_array_get(array, i);

		list[i].kind = json_in_text(in, e, "kind");
		list[i].text = json_in_text(in, e, "text");
		list[i].value = json_in_double(in, e, "value");
		list[i].reference = json_in_double(in, e, "reference");
	}
	*ret = list;
	*ret_count = json_array_size(array);
}

static enum verdict_state read_state(struct json_in *in, const json_t *o)
{
	const char *name = json_in_text(in, o, "state");
	enum verdict_state state = VERDICT_STEADY;

	if (*name && verdict_state_parse(name, &state) < 0)
		json_in_fail(in, "state");
	return state;
}

static void read_verdict(struct json_in *in, const json_t *o, struct report_verdict *v)
{
	v->state = read_state(in, o);
	v->confidence = json_in_double(in, o, "confidence");
	v->growth_bytes_per_second = json_in_double(in, o, "growth_bytes_per_second");
	json_in_interval(in, o, "growth_interval", &v->growth_low, &v->growth_high);
	v->explained_percent = json_in_double(in, o, "explained_percent");
	v->rss_growth_bytes_per_second = json_in_double(in, o, "rss_growth_bytes_per_second");
	v->limit_eta_s = json_in_double(in, o, "limit_eta_s");
	v->limit_is_system = json_in_bool(in, o, "limit_is_system");
	v->firm = json_in_bool(in, o, "firm");
	v->seconds_to_firm = json_in_double(in, o, "seconds_to_firm");
	read_evidence(in, o, &v->evidence, &v->evidence_count);
}

static void read_frame(struct json_in *in, const json_t *o, struct report_frame *f)
{
	const char *kind = json_in_text(in, o, "kind");
	uint64_t line = json_in_u64(in, o, "line");

	memset(f, 0, sizeof(*f));
	f->kind = FRAME_UNKNOWN;
	if (*kind && frame_kind_parse(kind, &f->kind) < 0)
		json_in_fail(in, "kind");
	if (line > UINT32_MAX)
		json_in_fail(in, "line");
	f->line = (uint32_t)line;
	f->function = json_in_text(in, o, "function");
	f->file = json_in_text(in, o, "file");
	f->module = json_in_text(in, o, "module");
	f->build_id = json_in_text(in, o, "build_id");
	f->address = json_in_address(in, o, "address");
}

static void read_frames(struct json_in *in, const json_t *array)
{
	for (size_t i = 0; i < json_array_size(array) && !json_in_failed(in); i++) {
		struct report_frame frame;

		read_frame(in, json_array_get(array, i), &frame);
		if (report_store_append_frame(in->store, &frame) < 0)
			in->out_of_memory = true;
	}
}

static void keep_stack(struct json_in *in, const uint32_t *frames, size_t depth,
		       struct report_stack *ret)
{
	uint32_t index;

	if (report_store_stack(in->store, frames, (uint32_t)depth, &index) < 0)
		in->out_of_memory = true;
	else
		*ret = in->store->stacks.items[index];
}

/* A stack of whole frames: those of the table where equal, else added to it. */
static void read_frame_stack(struct json_in *in, const json_t *o, struct report_stack *ret)
{
	const json_t *array = json_in_array(in, o, "stack");
	size_t depth = json_array_size(array);
	_cleanup_free_ uint32_t *frames = calloc(depth + 1, sizeof(*frames));

	if (depth > MAX_FINDING_DEPTH)
		json_in_fail(in, "stack");
	if (!frames)
		in->out_of_memory = true;
	for (size_t i = 0; i < depth && !json_in_failed(in); i++) {
		struct report_frame frame;

		read_frame(in, json_array_get(array, i), &frame);
		if (!json_in_failed(in) && report_store_frame(in->store, &frame, &frames[i]) < 0)
			in->out_of_memory = true;
	}
	if (!json_in_failed(in))
		keep_stack(in, frames, depth, ret);
}

/* A stack of frame numbers, each of which must be in the table. */
static void read_index_stack(struct json_in *in, const json_t *o, struct report_stack *ret)
{
	const json_t *array = json_in_array(in, o, "stack");
	size_t depth = json_array_size(array);
	_cleanup_free_ uint32_t *frames = calloc(depth + 1, sizeof(*frames));

	if (depth > UINT32_MAX)
		json_in_fail(in, "stack");
	if (!frames)
		in->out_of_memory = true;
	for (size_t i = 0; i < depth && !json_in_failed(in); i++) {
		uint64_t index = json_in_number(in, json_array_get(array, i), "stack");

		if (index >= in->store->frames.count)
			json_in_fail(in, "stack");
		frames[i] = (uint32_t)index;
	}
	if (!json_in_failed(in))
		keep_stack(in, frames, depth, ret);
}

static void read_finding(struct json_in *in, const json_t *o, struct report_finding *f)
{
	f->id = json_in_text(in, o, "id");
	f->pid = json_in_pid(in, o, "pid");
	f->state = read_state(in, o);
	f->confidence = json_in_double(in, o, "confidence");
	f->growth_bytes_per_second = json_in_double(in, o, "growth_bytes_per_second");
	json_in_interval(in, o, "growth_interval", &f->growth_low, &f->growth_high);
	f->seconds_to_firm = json_in_double(in, o, "seconds_to_firm");
	f->outstanding_bytes = json_in_u64(in, o, "outstanding_bytes");
	f->outstanding_count = json_in_u64(in, o, "outstanding_count");
	f->estimated = json_in_bool(in, o, "estimated");
	f->lost_bytes = json_in_u64(in, o, "lost_bytes");
	f->lost_count = json_in_u64(in, o, "lost_count");
	f->oldest_s = json_in_double(in, o, "oldest_s");
	f->component = json_in_text(in, o, "component");
	f->allocator = json_in_text(in, o, "allocator");
	f->type = json_in_text(in, o, "type");
	f->held_by = json_in_text(in, o, "held_by");
	f->recommendation = json_in_text(in, o, "recommendation");
	read_evidence(in, o, &f->evidence, &f->evidence_count);
	read_frame_stack(in, o, &f->stack);
}

static void read_histogram(struct json_in *in, const json_t *array, const uint32_t **ret,
			   uint8_t *ret_count)
{
	size_t count = json_array_size(array);
	uint32_t *slots;

	if (count > REPORT_HISTOGRAM_SLOTS)
		json_in_fail(in, "histogram");
	slots = json_in_room(in, array, sizeof(*slots));
	if (!slots)
		return;
	for (size_t i = 0; i < count; i++) {
		uint64_t number = json_in_number(in, json_array_get(array, i), "histogram");

		slots[i] = number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
	}
	*ret = slots;
	*ret_count = (uint8_t)count;
}

static void read_site(struct json_in *in, const json_t *o, struct report_site *s)
{
	s->pid = json_in_pid(in, o, "pid");
	s->state = read_state(in, o);
	s->allocator = json_in_text(in, o, "allocator");
	s->allocs = json_in_u64(in, o, "allocs");
	s->frees = json_in_u64(in, o, "frees");
	s->alloc_bytes = json_in_u64(in, o, "alloc_bytes");
	s->outstanding_bytes = json_in_u64(in, o, "outstanding_bytes");
	s->outstanding_count = json_in_u64(in, o, "outstanding_count");
	s->estimated = json_in_bool(in, o, "estimated");
	s->peak_bytes = json_in_u64(in, o, "peak_bytes");
	s->temporary_count = json_in_u64(in, o, "temporary_count");
	s->growth_bytes_per_second = json_in_double(in, o, "growth_bytes_per_second");
	json_in_interval(in, o, "interval", &s->interval_low, &s->interval_high);
	read_histogram(in, json_in_array(in, o, "lifetime_ns_log2"), &s->lifetime_ns_log2,
		       &s->lifetime_slots);
	read_histogram(in, json_in_array(in, o, "size_log2"), &s->size_log2, &s->size_slots);
	read_index_stack(in, o, &s->stack);
}

static void read_lists(struct json_in *in, const json_t *root, struct report *r)
{
	const json_t *array = json_in_array(in, root, "findings");
	struct report_finding *findings = json_in_room(in, array, sizeof(*findings));
	const json_t *site_array = json_in_array(in, root, "sites");
	struct report_site *sites = json_in_room(in, site_array, sizeof(*sites));
	const json_t *fault_array = json_in_array(in, root, "faults");
	struct report_fault *faults = json_in_room(in, fault_array, sizeof(*faults));

	r->findings = findings;
	r->finding_count = json_array_size(array);
	r->sites = sites;
	r->site_count = json_array_size(site_array);
	r->faults = faults;
	r->fault_count = json_array_size(fault_array);
	for (size_t i = 0; i < r->site_count && !json_in_failed(in); i++)
		read_site(in, json_array_get(site_array, i), &sites[i]);
	for (size_t i = 0; i < r->fault_count && !json_in_failed(in); i++) {
		const json_t *f = json_array_get(fault_array, i);

		faults[i].pid = json_in_pid(in, f, "pid");
		faults[i].kind = json_in_text(in, f, "kind");
		faults[i].count = json_in_u64(in, f, "count");
		read_index_stack(in, f, &faults[i].stack);
	}
	/* Last: their frames may make the table longer, and no site may name one of these. */
	for (size_t i = 0; i < r->finding_count && !json_in_failed(in); i++)
		read_finding(in, json_array_get(array, i), &findings[i]);
}

static void read_holdings(struct json_in *in, const json_t *root, struct report *r)
{
	const json_t *array = json_in_array(in, root, "census");
	struct report_census *census = json_in_room(in, array, sizeof(*census));
	const json_t *component_array = json_in_array(in, root, "components");
	struct report_component *components =
		json_in_room(in, component_array, sizeof(*components));

	r->census = census;
	r->census_count = json_array_size(array);
	r->components = components;
	r->component_count = json_array_size(component_array);
	for (size_t i = 0; i < r->census_count && !json_in_failed(in); i++) {
		const json_t *c = json_array_get(array, i);

		census[i].type = json_in_text(in, c, "type");
		census[i].size = json_in_u64(in, c, "size");
		census[i].count = json_in_u64(in, c, "count");
		census[i].bytes = json_in_u64(in, c, "bytes");
		census[i].lost_count = json_in_u64(in, c, "lost_count");
		census[i].lost_bytes = json_in_u64(in, c, "lost_bytes");
		census[i].held_by = json_in_text(in, c, "held_by");
		census[i].sample = json_in_text(in, c, "sample");
		census[i].growth_known = json_object_get(c, "growth_bytes_per_second") != NULL;
		census[i].grown_count = json_in_double(in, c, "grown_count");
		census[i].growth_bytes_per_second =
			json_in_double(in, c, "growth_bytes_per_second");
	}
	for (size_t i = 0; i < r->component_count && !json_in_failed(in); i++) {
		const json_t *c = json_array_get(component_array, i);

		components[i].name = json_in_text(in, c, "name");
		components[i].outstanding_bytes = json_in_u64(in, c, "outstanding_bytes");
		components[i].outstanding_count = json_in_u64(in, c, "outstanding_count");
		components[i].peak_bytes = json_in_u64(in, c, "peak_bytes");
		components[i].estimated = json_in_bool(in, c, "estimated");
		components[i].growth_bytes_per_second =
			json_in_double(in, c, "growth_bytes_per_second");
	}
}

static void read_spans(struct json_in *in, const json_t *root, struct report *r)
{
	const json_t *array = json_in_array(in, root, "spans");
	struct report_span *spans = json_in_room(in, array, sizeof(*spans));

	r->spans = spans;
	r->span_count = json_array_size(array);
	for (size_t i = 0; i < r->span_count && !json_in_failed(in); i++) {
		const json_t *s = json_array_get(array, i);

		spans[i].span = json_in_text(in, s, "span");
		spans[i].key = json_in_text(in, s, "key");
		spans[i].pid = json_in_pid(in, s, "pid");
		spans[i].outstanding_bytes = json_in_u64(in, s, "outstanding_bytes");
		spans[i].outstanding_count = json_in_u64(in, s, "outstanding_count");
		spans[i].allocs = json_in_u64(in, s, "allocs");
		spans[i].alloc_bytes = json_in_u64(in, s, "alloc_bytes");
		spans[i].peak_bytes = json_in_u64(in, s, "peak_bytes");
		spans[i].estimated = json_in_bool(in, s, "estimated");
	}
}

static void read_all(struct json_in *in, const json_t *root, struct report *r)
{
	const json_t *tool = json_in_object(in, root, "tool");

	r->tool_name = json_in_text(in, tool, "name");
	r->tool_version = json_in_text(in, tool, "version");
	read_frames(in, json_in_array(in, root, "frames"));
	read_target(in, json_in_object(in, root, "target"), &r->target);
	read_processes(in, json_in_array(in, root, "processes"), r);
	read_capture(in, json_in_object(in, root, "capture"), &r->capture);
	read_quality(in, json_in_object(in, root, "quality"), &r->quality);
	read_memory(in, json_in_object(in, root, "memory"), &r->memory);
	read_verdict(in, json_in_object(in, root, "verdict"), &r->verdict);
	read_lists(in, root, r);
	read_holdings(in, root, r);
	read_spans(in, root, r);
	json_read_pythons(in, root, r);
}

static int damaged(struct hf_error *err, const char *why)
{
	error_set(err, HF_E_BADFILE, "this is no report that can be read");
	error_why(err, "%s", why);
	error_fix(err, "make a new one with `holdfast hunt` or `holdfast report`");
	return -EBADMSG;
}

static int read_tree(const json_t *root, struct report **ret_report, struct hf_error *err)
{
	_cleanup_(report_store_done) struct report_store store = {0};
	struct json_in in = {.store = &store};
	const char *schema = json_string_value(json_object_get(root, "schema"));

	if (!schema || strcmp(schema, REPORT_SCHEMA) != 0)
		return damaged(err, "its \"schema\" is not \"" REPORT_SCHEMA "\"");
	if (report_store_init(&store, MEMORY_BYTES) < 0)
		return -ENOMEM;
	read_all(&in, root, store.report);
	if (in.bad) {
		int result = damaged(err, "");

		error_why(err, "the value of a member \"%s\" is of the wrong type or range",
			  in.bad);
		return result;
	}
	return in.out_of_memory ? -ENOMEM : report_store_finish(&store, ret_report);
}

static int read_plain(const char *bytes, size_t size, struct report **ret_report,
		      struct hf_error *err)
{
	json_error_t where;
	json_t *root;
	int result;

	if (size > REPORT_MAX_BYTES)
		return -EFBIG;
	root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &where);
	if (!root) {
		result = damaged(err, "");
		error_why(err, "line %d, column %d: %s", where.line, where.column, where.text);
		return result;
	}
	result = read_tree(root, ret_report, err);
	json_decref(root);
	return result;
}

/* One gzip member, all of it, nothing behind it. */
static int gunzip(const void *bytes, size_t size, struct strbuf *out)
{
	z_stream z = {.next_in = (unsigned char *)bytes, .avail_in = (uInt)size};
	int result = inflateInit2(&z, GUNZIP_WINDOW), err = 0;

	if (result != Z_OK)
		return -ENOMEM;
	while (!err && result == Z_OK) {
		if (strbuf_reserve(out, INFLATE_BYTES) < 0) {
			err = -ENOMEM;
			break;
		}
		z.next_out = (unsigned char *)out->buf + out->len;
		z.avail_out = INFLATE_BYTES;
		result = inflate(&z, Z_NO_FLUSH);
		out->len += INFLATE_BYTES - z.avail_out;
		if (out->len > REPORT_MAX_BYTES)
			err = -EFBIG;
	}
	if (!err && (result != Z_STREAM_END || z.avail_in))
		err = -EBADMSG;
	inflateEnd(&z);
	return err;
}

static bool is_gzip(const void *bytes, size_t size)
{
	return size >= 2 && !memcmp(bytes, "\x1f\x8b", 2);
}

int report_read_json(const void *bytes, size_t size, struct report **ret_report,
		     struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf plain = STRBUF_INIT;
	int result;

	if (size > REPORT_MAX_BYTES)
		result = -EFBIG;
	else if (!is_gzip(bytes, size))
		result = read_plain(bytes, size, ret_report, err);
	else if ((result = gunzip(bytes, size, &plain)) == 0)
		result = read_plain(plain.buf, plain.len, ret_report, err);
	else if (result == -EBADMSG)
		return damaged(err, "the compressed data is cut off or damaged");
	if (result == -EFBIG)
		damaged(err, "it is longer than 1 GiB");
	if (result == -ENOMEM)
		error_set_errno(err, HF_E_INTERNAL, ENOMEM, "not enough memory for this report");
	return result;
}

int report_load(const char *path, struct report **ret_report, struct hf_error *err)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int result = file_read(path, REPORT_MAX_BYTES, &data, &size);

	if (result == -EFBIG)
		return damaged(err, "it is longer than 1 GiB");
	if (result < 0) {
		error_set_errno(err, HF_E_NOFILE, -result, "cannot read %s", path);
		return error_why(err, "%s", strerror(-result));
	}
	return report_read_json(data, size, ret_report, err);
}

bool report_looks_like_json(const void *bytes, size_t size)
{
	const char *text = bytes;

	for (size_t i = 0; i < size; i++)
		if (!strchr(" \t\r\n", text[i]) || !text[i])
			return text[i] == '{' || is_gzip(bytes, size);
	return false;
}
