// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/objects.h"

#include <errno.h>
#include <stdlib.h>

#include "process/python/text.h"

#define INDEX_MIN       (1u << 12)
#define STEPS_PER_WORD  32
#define STEPS_MIN_PAGES 4096

void py_heap_init(struct py_heap *heap, const struct python_runtime *runtime, uint64_t bound_bytes)
{
	*heap = (struct py_heap){
		.runtime = runtime,
		.layout = runtime->layout,
		.seed = hash_seed_random(),
		.lowest = UINT64_MAX,
		/* The table and its index, both of which double. */
		.bound_objects = bound_bytes / (2 * sizeof(struct py_object) + 16),
	};
	map64_init(&heap->type_by_address, heap->seed);
	map64_init(&heap->pools, heap->seed);
	if (heap->bound_objects > UINT32_MAX / 4)
		heap->bound_objects = UINT32_MAX / 4;
}

void py_heap_done(struct py_heap *heap)
{
	py_memory_close(&heap->memory);
	for (size_t i = 0; i < heap->types.count; i++)
		free(heap->types.items[i].name);
	vec_done(&heap->types);
	vec_done(&heap->objects);
	map64_done(&heap->type_by_address);
	map64_done(&heap->pools);
	free(heap->index);
	heap->index = NULL;
}

bool py_heap_step(struct py_heap *heap, uint64_t words)
{
	heap->steps += words;
	if (heap->steps > STEPS_PER_WORD * (heap->memory.page_count + STEPS_MIN_PAGES) * PAGE_WORDS)
		heap->error = -EUCLEAN;
	return !heap->error;
}

static uint64_t place_of(const struct py_heap *heap, uint64_t address)
{
	uint64_t place = hash_u64(address, heap->seed) & heap->index_mask;

	while (heap->index[place] && heap->objects.items[heap->index[place] - 1].address != address)
		place = (place + 1) & heap->index_mask;
	return place;
}

uint32_t py_object_find(const struct py_heap *heap, uint64_t address)
{
	if (address < heap->lowest || address > heap->highest)
		return PY_NO_OBJECT;
	return heap->index[place_of(heap, address)] - 1; /* 0: PY_NO_OBJECT */
}

/* At most half full. */
static int make_room(struct py_heap *heap)
{
	uint64_t size = heap->index ? 2 * (heap->index_mask + 1) : INDEX_MIN;

	if (heap->index && 2 * (heap->objects.count + 1) <= heap->index_mask)
		return 0;
	free(heap->index);
	heap->index = calloc(size, sizeof(*heap->index));
	if (!heap->index)
		return -ENOMEM;
	heap->index_mask = size - 1;
	for (size_t i = 0; i < heap->objects.count; i++)
		heap->index[place_of(heap, heap->objects.items[i].address)] = (uint32_t)i + 1;
	return 0;
}

uint32_t py_object_add(struct py_heap *heap, uint64_t address, uint32_t type)
{
	struct py_object object = {
		.address = address, .type = type, .parent = PY_NO_OBJECT, .label = PY_NO_OBJECT};
	uint32_t known = py_object_find(heap, address);
	int err = 0;

	if (known != PY_NO_OBJECT)
		return known;
	if (heap->objects.count >= heap->bound_objects)
		err = -ENOSPC;
	if (!err)
		err = make_room(heap);
	if (!err && vec_push(&heap->objects, object))
		err = -ENOMEM;
	if (err) {
		heap->error = err;
		return PY_NO_OBJECT;
	}
	heap->index[place_of(heap, address)] = (uint32_t)heap->objects.count;
	heap->lowest = address < heap->lowest ? address : heap->lowest;
	heap->highest = address > heap->highest ? address : heap->highest;
	return (uint32_t)heap->objects.count - 1;
}

uint32_t py_object_meet(struct py_heap *heap, uint64_t address)
{
	uint32_t object = py_object_find(heap, address), type;
	uint64_t head[2];

	if (object != PY_NO_OBJECT)
		return object;
	/* All that lie in pools are known. */
	if (!address || address % 8 || py_is_in_pool(heap, address) ||
	    !py_memory_copy(&heap->memory, address, head, sizeof(head)) ||
	    !py_references_alive(head[0]))
		return PY_NO_OBJECT;
	type = py_type_at(heap, head[1]);
	return type == PY_NO_TYPE ? PY_NO_OBJECT : py_object_add(heap, address, type);
}

static int read_copy(void *user, uint64_t address, void *ret, size_t size)
{
	return py_memory_copy(user, address, ret, size) ? 0 : -EFAULT;
}

char *py_object_text(struct py_heap *heap, uint64_t address)
{
	const struct python_reader reader = {read_copy, &heap->memory};
	uint64_t head[2];
	uint32_t type;
	char *text;

	if (!address || !py_memory_copy(&heap->memory, address, head, sizeof(head)))
		return NULL;
	type = py_type_at(heap, head[1]);
	if (type == PY_NO_TYPE || heap->types.items[type].kind != PY_STR ||
	    python_text_read(&reader, heap->layout, address, &text))
		return NULL;
	return text;
}
