/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file for speedscope: one sampled profile per metric over the same stacks. */
#include "base/cleanup.h"
#include "report/export/frame_name.h"
#include "report/export/json_out.h"
#include "report/export/writers.h"

#define SCHEMA_URL "https://www.speedscope.app/file-format-schema.json"

enum metric {
	HELD_BYTES,
	HELD_BLOCKS,
	GROWTH,
	ALLOCATED_BYTES,
	ALLOCATIONS,
	TEMPORARY,
	METRIC_COUNT
};

static const struct {
	const char *name, *unit;
} metrics[METRIC_COUNT] = {
	[HELD_BYTES] = {"bytes held", "bytes"},
	[HELD_BLOCKS] = {"blocks held", "none"},
	[GROWTH] = {"growth, bytes per second", "bytes"},
	[ALLOCATED_BYTES] = {"bytes allocated", "bytes"},
	[ALLOCATIONS] = {"allocations", "none"},
	[TEMPORARY] = {"temporary allocations", "none"},
};

static double weight_of(const struct report_site *s, enum metric metric)
{
	switch (metric) {
	case HELD_BYTES:
		return (double)s->outstanding_bytes;
	case HELD_BLOCKS:
		return (double)s->outstanding_count;
	case GROWTH:
		return s->growth_bytes_per_second > 0 ? s->growth_bytes_per_second : 0;
	case ALLOCATED_BYTES:
		return (double)s->alloc_bytes;
	case ALLOCATIONS:
		return (double)s->allocs;
	case TEMPORARY:
		return (double)s->temporary_count;
	case METRIC_COUNT:
		break;
	}
	return 0;
}

static void put_profile(struct json_out *j, const struct report *r, enum metric metric)
{
	double total = 0;

	for (size_t i = 0; i < r->site_count; i++)
		total += weight_of(&r->sites[i], metric);
	json_out_begin_object(j, NULL);
	json_out_string(j, "type", "sampled");
	json_out_string(j, "name", metrics[metric].name);
	json_out_string(j, "unit", metrics[metric].unit);
	json_out_u64(j, "startValue", 0);
	json_out_double(j, "endValue", total);
	json_out_begin_array(j, "samples");
	for (size_t i = 0; i < r->site_count; i++) {
		const struct report_site *s = &r->sites[i];

		if (weight_of(s, metric) <= 0)
			continue;
		json_out_begin_array(j, NULL);
		for (uint32_t f = s->stack.depth; f--;)
			json_out_u64(j, NULL, s->stack.frames[f]);
		if (!s->stack.depth)
			json_out_u64(j, NULL, r->frame_count);
		json_out_end_array(j);
	}
	json_out_end_array(j);
	json_out_begin_array(j, "weights");
	for (size_t i = 0; i < r->site_count; i++)
		if (weight_of(&r->sites[i], metric) > 0)
			json_out_double(j, NULL, weight_of(&r->sites[i], metric));
	json_out_end_array(j);
	json_out_end_object(j);
}

static int put_frames(struct json_out *j, const struct report *r)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;

	json_out_begin_array(j, "frames");
	for (size_t i = 0; i < r->frame_count; i++) {
		const struct report_frame *f = &r->frames[i];

		strbuf_reset(&name);
		frame_name(&name, f);
		json_out_begin_object(j, NULL);
		json_out_string(j, "name", name.buf);
		if (*f->file)
			json_out_string(j, "file", f->file);
		if (f->line)
			json_out_u64(j, "line", f->line);
		json_out_end_object(j);
	}
	json_out_begin_object(j, NULL); /* number frame_count: for sites without a stack */
	json_out_string(j, "name", "[no stack]");
	json_out_end_object(j);
	json_out_end_array(j);
	return name.failed ? -ENOMEM : 0;
}

int write_speedscope(const struct report *r, const struct export_options *options,
		     struct sink *sink)
{
	struct json_out j;
	int err;

	(void)options;
	json_out_init(&j, sink, 2);
	json_out_begin_object(&j, NULL);
	json_out_string(&j, "$schema", SCHEMA_URL);
	json_out_string(&j, "name", *r->target.comm ? r->target.comm : "holdfast");
	json_out_string(&j, "exporter", "holdfast");
	json_out_u64(&j, "activeProfileIndex", HELD_BYTES);
	json_out_begin_object(&j, "shared");
	err = put_frames(&j, r);
	json_out_end_object(&j);
	json_out_begin_array(&j, "profiles");
	for (int metric = 0; metric < METRIC_COUNT; metric++)
		put_profile(&j, r, (enum metric)metric);
	json_out_end_array(&j);
	json_out_end_object(&j);
	sink_putc(sink, '\n');
	return err ? err : sink->error;
}
