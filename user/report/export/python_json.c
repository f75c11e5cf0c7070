// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/export/python_json.h"

#include <stddef.h>
#include <string.h>

/* The members that are uint64_t: one line for both ways. */
struct number {
	const char *name;
	size_t offset;
};

#define NUMBER(type, field)                          \
	{                                            \
#field, offsetof(struct type, field) \
	}

static const struct number python_numbers[] = {
	NUMBER(report_python, objects),
	NUMBER(report_python, bytes),
	NUMBER(report_python, tracked),
	NUMBER(report_python, garbage),
	NUMBER(report_python, unreachable_count),
	NUMBER(report_python, unreachable_bytes),
	NUMBER(report_python, overcounted_count),
	NUMBER(report_python, overcounted_bytes),
	NUMBER(report_python, arenas),
	NUMBER(report_python, pools),
	NUMBER(report_python, pool_used_bytes),
	NUMBER(report_python, pool_free_bytes),
	NUMBER(report_python, pools_damaged),
	{NULL, 0},
};

static const struct number type_numbers[] = {
	NUMBER(report_python_type, count),
	NUMBER(report_python_type, bytes),
	NUMBER(report_python_type, tracked),
	NUMBER(report_python_type, unreachable_count),
	NUMBER(report_python_type, unreachable_bytes),
	NUMBER(report_python_type, overcounted_count),
	NUMBER(report_python_type, overcounted_bytes),
	{NULL, 0},
};

static void put_numbers(struct json_out *j, const struct number *numbers, const void *from)
{
	for (; numbers->name; numbers++) {
		uint64_t value;

		memcpy(&value, (const char *)from + numbers->offset, sizeof(value));
		json_out_u64(j, numbers->name, value);
	}
}

static void read_numbers(struct json_in *in, const json_t *o, const struct number *numbers,
			 void *ret)
{
	for (; numbers->name; numbers++) {
		uint64_t value = json_in_u64(in, o, numbers->name);

		memcpy((char *)ret + numbers->offset, &value, sizeof(value));
	}
}

static void put_collector(struct json_out *j, const struct report_python *p)
{
	json_out_begin_object(j, "collector");
	json_out_bool(j, "enabled", p->collector_enabled);
	json_out_begin_array(j, "generations");
	for (size_t i = 0; i < REPORT_PYTHON_GENERATIONS; i++) {
		const struct report_python_generation *g = &p->generations[i];

		json_out_begin_object(j, NULL);
		json_out_u64(j, "threshold", g->threshold);
		json_out_u64(j, "count", g->count);
		json_out_u64(j, "collections", g->collections);
		json_out_u64(j, "collected", g->collected);
		json_out_u64(j, "uncollectable", g->uncollectable);
		json_out_end_object(j);
	}
	json_out_end_array(j);
	if (p->timed_s > 0) {
		json_out_begin_object(j, "pauses");
		json_out_double(j, "timed_s", p->timed_s);
		json_out_u64(j, "count", p->pauses);
		json_out_double(j, "total_ms", p->pause_ms);
		json_out_double(j, "longest_ms", p->longest_pause_ms);
		json_out_end_object(j);
	}
	json_out_end_object(j);
}

static void put_type(struct json_out *j, const struct report_python_type *t)
{
	json_out_begin_object(j, NULL);
	json_out_string(j, "type", t->type);
	put_numbers(j, type_numbers, t);
	json_out_string(j, "held_by", t->held_by);
	json_out_double(j, "held_share", t->held_share);
	if (t->growth_known) {
		json_out_double(j, "grown_count", t->grown_count);
		json_out_double(j, "growth_bytes_per_second", t->growth_bytes_per_second);
	}
	json_out_end_object(j);
}

static void put_python(struct json_out *j, const struct report_python *p)
{
	json_out_begin_object(j, NULL);
	json_out_int(j, "pid", p->pid);
	json_out_string(j, "version", p->version);
	json_out_string(j, "reason", p->reason);
	if (p->collector_known)
		put_collector(j, p);
	json_out_bool(j, "objects_known", p->objects_known);
	json_out_bool(j, "complete", p->complete);
	json_out_double(j, "stop_ms", p->stop_ms);
	put_numbers(j, python_numbers, p);
	json_out_begin_array(j, "types");
	for (size_t i = 0; i < p->type_count; i++)
		put_type(j, &p->types[i]);
	json_out_end_array(j);
	json_out_end_object(j);
}

void json_put_pythons(struct json_out *j, const struct report *report)
{
	json_out_begin_array(j, "python");
	for (size_t i = 0; i < report->python_count; i++)
		put_python(j, &report->pythons[i]);
	json_out_end_array(j);
}

static void read_collector(struct json_in *in, const json_t *o, struct report_python *p)
{
	const json_t *array = json_in_array(in, o, "generations");

	p->collector_known = true;
	p->collector_enabled = json_in_bool(in, o, "enabled");
	for (size_t i = 0; i < REPORT_PYTHON_GENERATIONS && i < json_array_size(array); i++) {
		const json_t *g = json_array_get(array, i);

		p->generations[i] = (struct report_python_generation){
			.threshold = (uint32_t)json_in_u64(in, g, "threshold"),
			.count = (uint32_t)json_in_u64(in, g, "count"),
			.collections = json_in_u64(in, g, "collections"),
			.collected = json_in_u64(in, g, "collected"),
			.uncollectable = json_in_u64(in, g, "uncollectable"),
		};
	}
	if (!json_object_get(o, "pauses"))
		return;
	o = json_in_object(in, o, "pauses");
	p->timed_s = json_in_double(in, o, "timed_s");
	p->pauses = json_in_u64(in, o, "count");
	p->pause_ms = json_in_double(in, o, "total_ms");
	p->longest_pause_ms = json_in_double(in, o, "longest_ms");
}

static void read_type(struct json_in *in, const json_t *o, struct report_python_type *t)
{
	t->type = json_in_text(in, o, "type");
	read_numbers(in, o, type_numbers, t);
	t->held_by = json_in_text(in, o, "held_by");
	t->held_share = json_in_double(in, o, "held_share");
	t->growth_known = json_object_get(o, "growth_bytes_per_second") != NULL;
	t->grown_count = json_in_double(in, o, "grown_count");
	t->growth_bytes_per_second = json_in_double(in, o, "growth_bytes_per_second");
}

static void read_python(struct json_in *in, const json_t *o, struct report_python *p)
{
	const json_t *array = json_in_array(in, o, "types");
	struct report_python_type *types = json_in_room(in, array, sizeof(*types));

	p->pid = json_in_pid(in, o, "pid");
	p->version = json_in_text(in, o, "version");
	p->reason = json_in_text(in, o, "reason");
	if (json_object_get(o, "collector"))
		read_collector(in, json_in_object(in, o, "collector"), p);
	p->objects_known = json_in_bool(in, o, "objects_known");
	p->complete = json_in_bool(in, o, "complete");
	p->stop_ms = json_in_double(in, o, "stop_ms");
	read_numbers(in, o, python_numbers, p);
	for (size_t i = 0; i < json_array_size(array) && !json_in_failed(in); i++)
		read_type(in, json_array_get(array, i), &types[i]);
	p->types = types;
	p->type_count = json_array_size(array);
}

void json_read_pythons(struct json_in *in, const json_t *root, struct report *report)
{
	const json_t *array = json_in_array(in, root, "python");
	struct report_python *pythons = json_in_room(in, array, sizeof(*pythons));

	report->pythons = pythons;
	report->python_count = json_array_size(array);
	for (size_t i = 0; i < report->python_count && !json_in_failed(in); i++)
		read_python(in, json_array_get(array, i), &pythons[i]);
}
