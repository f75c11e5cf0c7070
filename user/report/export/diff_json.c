/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A diff as JSON: "holdfast.diff/1". */
#include "report/export/diff_json.h"

#include "report/export/export.h"
#include "report/export/frame_json.h"

static void put_report(struct json_out *j, const char *name, const struct report *r)
{
	json_out_begin_object(j, name);
	json_out_int(j, "pid", r->target.pid);
	json_out_string(j, "comm", r->target.comm);
	json_out_string(j, "build_id", r->target.build_id);
	json_out_string(j, "started_at", r->capture.started_at);
	json_out_double(j, "duration_s", r->capture.duration_s);
	json_out_string(j, "state", verdict_state_name(r->verdict.state));
	json_out_end_object(j);
}

void diff_json_amounts(struct json_out *j, const struct diff_side *side)
{
	json_out_u64(j, "outstanding_bytes", side->outstanding_bytes);
	json_out_u64(j, "outstanding_count", side->outstanding_count);
	json_out_u64(j, "allocs", side->allocs);
}

static void put_side(struct json_out *j, const char *name, const struct diff_side *side)
{
	json_out_begin_object(j, name);
	diff_json_amounts(j, side);
	json_out_double(j, "bytes_per_second", side->bytes_per_second);
	json_out_end_object(j);
}

static void put_entry(struct json_out *j, const struct diff_entry *e)
{
	json_out_begin_object(j, NULL);
	json_out_string(j, "kind", diff_kind_name(e->kind));
	json_out_string(j, "allocator", e->allocator);
	json_out_double(j, "change_bytes_per_second", e->change_bytes_per_second);
	json_out_double(j, "change_mb_per_min", e->change_bytes_per_second * 60 / REPORT_MIB);
	put_side(j, "a", &e->a);
	put_side(j, "b", &e->b);
	if (e->stack.depth)
		json_out_u64(j, "own_frame", report_first_own_frame(e->of, e->stack));
	json_out_begin_array(j, "stack");
	for (uint32_t i = 0; i < e->stack.depth; i++)
		json_frame(j, &e->of->frames[e->stack.frames[i]]);
	json_out_end_array(j);
	json_out_end_object(j);
}

static void put_type_side(struct json_out *j, const char *name, const struct diff_type_side *side)
{
	json_out_begin_object(j, name);
	json_out_u64(j, "count", side->count);
	json_out_u64(j, "bytes", side->bytes);
	json_out_end_object(j);
}

static void put_type(struct json_out *j, const struct diff_type *t)
{
	json_out_begin_object(j, NULL);
	json_out_string(j, "kind", diff_kind_name(t->kind));
	json_out_string(j, "language", t->python ? "python" : "native");
	json_out_string(j, "type", t->type);
	json_out_u64(j, "size", t->size);
	json_out_double(j, "change_bytes", t->change_bytes);
	put_type_side(j, "a", &t->a);
	put_type_side(j, "b", &t->b);
	json_out_end_object(j);
}

void diff_json_types(struct json_out *j, const struct report_diff *d, size_t most)
{
	size_t first = 0, left = d->type_count;

	json_out_begin_array(j, "types");
	for (size_t i = 0; i < most && left; i++, left--) {
		const struct diff_type *rise = &d->types[first], *fall = &rise[left - 1];
		bool is_rise = rise->change_bytes >= -fall->change_bytes;

		put_type(j, is_rise ? rise : fall);
		first += is_rise;
	}
	json_out_end_array(j);
}

void diff_json_begin(struct json_out *j, const char *schema, const struct report_diff *d)
{
	json_out_begin_object(j, NULL);
	json_out_string(j, "schema", schema);
	put_report(j, "a", d->a);
	put_report(j, "b", d->b);
	json_out_double(j, "total_change_bytes_per_second", d->total_change_bytes_per_second);
	json_out_double(j, "rise_bytes_per_second", d->rise_bytes_per_second);
	json_out_double(j, "worst_rise_bytes_per_second", d->worst_rise_bytes_per_second);
	/* what counts as the same, for sums that a page makes */
	json_out_double(j, "same_share", DIFF_TOLERANCE);
	json_out_double(j, "same_bytes_per_second", DIFF_MIN_BYTES_PER_SECOND);
	json_out_begin_object(j, "counts");
	for (int kind = 0; kind < DIFF_KIND_COUNT; kind++)
		json_out_u64(j, diff_kind_name((enum diff_kind)kind), d->count_by_kind[kind]);
	json_out_end_object(j);
}

int diff_write_json(const struct report_diff *d, struct sink *sink)
{
	struct json_out j;

	json_out_init(&j, sink, 2);
	diff_json_begin(&j, "holdfast.diff/1", d);
	diff_json_types(&j, d, d->type_count);
	json_out_begin_array(&j, "entries");
	for (size_t i = 0; i < d->entry_count; i++)
		put_entry(&j, &d->entries[i]);
	json_out_end_array(&j);
	json_out_end_object(&j);
	sink_putc(sink, '\n');
	return sink_finish(sink);
}
