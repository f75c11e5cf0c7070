// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/pyheap/path.h"
#include "account/pyheap/spot.h"
#include "account/pyheap/visit.h"

#define TYPES_TOLD 4096
#define TYPES_HELD 256 /* of so many types it is told what holds them */
#define SAMPLES    64  /* objects of each that are looked at for it */

/* A type, its objects' numbers, and where samples of these are. */
struct row {
	struct pyheap_type type;
	uint64_t drawn;
	uint32_t samples[SAMPLES];
};

static bool is_unreachable(const struct py_heap *heap, const struct py_object *object, bool judge)
{
	/* One that lies in no list and no pool was met on the way, so it is held by something. */
	return judge && !object->seen &&
	       !py_references_immortal(
		       py_memory_word(&((struct py_heap *)heap)->memory, object->address));
}

static void count_object(struct py_heap *heap, uint32_t index, bool judge, struct row *row,
			 struct pyheap_snapshot *snapshot)
{
	uint64_t pool_bytes, bytes = py_object_bytes(heap, index, &pool_bytes);
	struct py_object *object = &heap->objects.items[index];

	object->bytes = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
	row->type.count++;
	row->type.bytes += bytes;
	row->type.pool_bytes += pool_bytes;
	row->type.tracked += object->tracked;
	snapshot->objects++;
	snapshot->bytes += bytes;
	snapshot->tracked += object->tracked;
	if (!is_unreachable(heap, object, judge))
		return;
	row->type.unreachable_count++;
	row->type.unreachable_bytes += bytes;
	snapshot->unreachable_count++;
	snapshot->unreachable_bytes += bytes;
	if (!object->overcounted)
		return;
	row->type.overcounted_count++;
	row->type.overcounted_bytes += bytes;
	row->type.overcounted_itself += object->overcounted_itself;
	snapshot->overcounted_count++;
	snapshot->overcounted_bytes += bytes;
}

static int by_bytes(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;

	if (x->type.bytes != y->type.bytes)
		return x->type.bytes < y->type.bytes ? 1 : -1;
	return x->type.address < y->type.address ? -1 : x->type.address > y->type.address;
}

/* Different ways to the samples. */
struct ways {
	char *paths[SAMPLES];
	unsigned int counts[SAMPLES];
	uint32_t first[SAMPLES]; /* a sample of each */
	unsigned int kinds, total;
};

static int add_way(struct py_heap *heap, struct ways *w, uint32_t sample)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	unsigned int k = 0;
	int err = py_path_write(heap, sample, &path);

	if (err || !path.len)
		return err;
	while (k < w->kinds && strcmp(w->paths[k], path.buf) != 0)
		k++;
	if (k == w->kinds) {
		w->paths[k] = strbuf_detach(&path, NULL);
		if (!w->paths[k])
			return -ENOMEM;
		w->first[k] = sample;
		w->kinds++;
	}
	w->counts[k]++;
	w->total++;
	return 0;
}

/* The commonest that was not taken yet. */
static void take_way(struct py_heap *heap, struct ways *w, const struct row *row,
		     struct pyheap_way *ret)
{
	unsigned int best = 0;

	for (unsigned int k = 1; k < w->kinds; k++)
		best = w->counts[k] > w->counts[best] ? k : best;
	if (!w->kinds || !w->counts[best])
		return;
	ret->path = w->paths[best];
	ret->buffer = py_holder_buffer(heap, w->first[best]);
	/* Of all, those that nothing holds included. */
	ret->share =
		(double)w->counts[best] / w->total * (double)row->drawn / (double)row->type.count;
	w->paths[best] = NULL;
	w->counts[best] = 0;
}

static int find_holders(struct py_heap *heap, struct row *row)
{
	struct ways w = {.kinds = 0};
	uint64_t have = row->drawn < SAMPLES ? row->drawn : SAMPLES;
	int err = 0;

	for (uint64_t i = 0; !err && i < have; i++)
		err = add_way(heap, &w, row->samples[i]);
	for (unsigned int i = 0; !err && i < PYHEAP_WAYS; i++)
		take_way(heap, &w, row, &row->type.ways[i]);
	for (unsigned int k = 0; k < w.kinds; k++)
		free(w.paths[k]);
	return err;
}

/* The commonest line that the samples belong to. */
static int find_spot(struct py_heap *heap, struct row *row)
{
	struct py_spot spots[SAMPLES] = {0};
	unsigned int counts[SAMPLES] = {0}, best = 0, kinds = 0;
	uint64_t have = row->drawn < SAMPLES ? row->drawn : SAMPLES;
	int err = 0;

	for (uint64_t i = 0; err != -ENOMEM && i < have; i++) {
		struct py_spot spot;
		unsigned int k = 0;

		err = py_spot_read(heap, row->samples[i], &spot);
		if (err)
			continue;
		while (k < kinds &&
		       (spots[k].line != spot.line || strcmp(spots[k].file, spot.file) ||
			strcmp(spots[k].function, spot.function) != 0))
			k++;
		if (k == kinds)
			spots[kinds++] = spot;
		else
			py_spot_done(&spot);
		counts[k]++;
		best = counts[k] > counts[best] ? k : best;
	}
	if (err != -ENOMEM && kinds) {
		row->type.function = spots[best].function;
		row->type.file = spots[best].file;
		row->type.line = spots[best].line;
		row->type.line_share = (double)counts[best] / (double)have;
		spots[best] = (struct py_spot){0};
	}
	for (unsigned int k = 0; k < kinds; k++)
		py_spot_done(&spots[k]);
	return err == -ENOMEM ? err : 0;
}

/* Evenly, of those that are held. */
static void draw_samples(struct py_heap *heap, struct row *rows)
{
	uint64_t random = heap->type_by_address.seed | 1;

	for (uint32_t i = 0; i < heap->objects.count; i++) {
		struct row *row = &rows[heap->objects.items[i].type];
		uint64_t place;

		if (!heap->objects.items[i].seen)
			continue;
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		place = row->drawn < SAMPLES ? row->drawn : random % (row->drawn + 1);
		row->drawn++;
		if (place < SAMPLES)
			row->samples[place] = i;
	}
}

static int tell_types(struct py_heap *heap, struct row **order, size_t count, bool holders,
		      struct pyheap_snapshot *snapshot)
{
	struct pyheap_type *types = calloc(count + 1, sizeof(*types));
	int err = types ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count && i < TYPES_TOLD; i++) {
		struct row *row = order[i];
		uint32_t index = py_type_at(heap, row->type.address);

		err = py_type_name_fully(heap, index);
		if (!err && holders && i < TYPES_HELD)
			err = find_holders(heap, row);
		if (!err && holders && py_has_spot(heap, index))
			err = find_spot(heap, row);
		types[i] = row->type;
		types[i].name = heap->types.items[index].name;
		snapshot->type_count++;
	}
	snapshot->types_left_out = count - snapshot->type_count;
	snapshot->types = types;
	return err;
}

static int take_rows(struct py_heap *heap, bool judge, bool holders, struct row *rows,
		     struct pyheap_snapshot *snapshot)
{
	_cleanup_free_ struct row **order = calloc(heap->types.count + 1, sizeof(*order));
	size_t count = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < heap->types.count; i++)
		rows[i].type.address = heap->types.items[i].address;
	for (uint32_t i = 0; i < heap->objects.count && !heap->error; i++)
		count_object(heap, i, judge, &rows[heap->objects.items[i].type], snapshot);
	if (heap->error)
		return heap->error;
	if (holders)
		draw_samples(heap, rows);
	for (size_t i = 0; i < heap->types.count; i++)
		if (rows[i].type.count)
			order[count++] = &rows[i];
	qsort(order, count, sizeof(struct row *), by_bytes);
	return tell_types(heap, order, count, holders, snapshot);
}

int py_census_take(struct py_heap *heap, bool judge, bool holders, struct pyheap_snapshot *snapshot)
{
	struct row *rows = calloc(heap->types.count + 1, sizeof(*rows));
	int err = rows ? take_rows(heap, judge, holders, rows, snapshot) : -ENOMEM;

	free(rows);
	return err;
}

void py_census_done(struct pyheap_snapshot *snapshot)
{
	struct pyheap_type *types = (struct pyheap_type *)(uintptr_t)snapshot->types;

	for (size_t i = 0; i < snapshot->type_count; i++) {
		for (size_t k = 0; k < PYHEAP_WAYS; k++)
			free((char *)(uintptr_t)types[i].ways[k].path);
		free((char *)(uintptr_t)types[i].function);
		free((char *)(uintptr_t)types[i].file);
	}
	free(types);
	snapshot->types = NULL;
	snapshot->type_count = 0;
}
