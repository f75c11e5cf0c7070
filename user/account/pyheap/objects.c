// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/objects.h"

#include <errno.h>
#include <stdlib.h>

#include "process/python/text.h"

#define STEPS_PER_WORD  32
#define STEPS_MIN_PAGES 4096

void py_heap_init(struct py_heap *heap, const struct python_runtime *runtime, uint64_t bound_bytes)
{
	*heap = (struct py_heap){
		.runtime = runtime,
		.layout = runtime->layout,
		.lowest = UINT64_MAX,
		/* The list doubles; with the tables, a quarter of the pages that they are of. */
		.bound_objects = bound_bytes / (2 * sizeof(struct py_object) + 16),
		.bound_tables = bound_bytes / PAGE_BYTES,
	};
	map64_init(&heap->type_by_address, hash_seed_random());
	map64_init(&heap->pools, heap->type_by_address.seed);
	map64_init(&heap->table_by_page, heap->type_by_address.seed);
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
	map64_done(&heap->table_by_page);
	for (size_t i = 0; i < heap->tables.count; i++)
		free(heap->tables.items[i]);
	vec_done(&heap->tables);
}

bool py_heap_step(struct py_heap *heap, uint64_t words)
{
	heap->steps += words;
	if (heap->steps > STEPS_PER_WORD * (heap->memory.page_count + STEPS_MIN_PAGES) * PAGE_WORDS)
		heap->error = -EUCLEAN;
	return !heap->error;
}

static uint32_t *table_of(struct py_heap *heap, uint64_t address)
{
	uint64_t page = address / PAGE_BYTES, at;
	struct py_recent_table *recent = &heap->recent_tables[page % PY_RECENT_TABLES];

	if (recent->page != page) {
		bool known = map64_get(&heap->table_by_page, page, &at);

		*recent = (struct py_recent_table){page, known ? heap->tables.items[at] : NULL};
	}
	return recent->table;
}

static uint32_t *table_add(struct py_heap *heap, uint64_t address)
{
	uint32_t *table = table_of(heap, address);
	uint64_t page = address / PAGE_BYTES;

	if (table)
		return table;
	if (heap->tables.count >= heap->bound_tables) {
		heap->error = -ENOSPC;
		return NULL;
	}
	table = calloc(PY_TABLE_ENTRIES, sizeof(*table));
	if (!table || vec_push(&heap->tables, table)) {
		free(table);
		heap->error = -ENOMEM;
		return NULL;
	}
	if (map64_put(&heap->table_by_page, page, heap->tables.count - 1) < 0) {
		heap->error = -ENOMEM;
		return NULL;
	}
	heap->recent_tables[page % PY_RECENT_TABLES].table = table;
	return table;
}

static unsigned int place_in_table(uint64_t address)
{
	return (address >> 4) % PY_TABLE_ENTRIES;
}

uint32_t py_object_find(struct py_heap *heap, uint64_t address)
{
	const uint32_t *table;
	uint32_t entry;

	if (address < heap->lowest || address > heap->highest || address % 8)
		return PY_NO_OBJECT;
	table = table_of(heap, address);
	entry = table ? table[place_in_table(address)] : 0;
	return entry && (entry & 1) == (address >> 3 & 1) ? (entry >> 1) - 1 : PY_NO_OBJECT;
}

uint32_t py_object_add(struct py_heap *heap, uint64_t address, uint32_t type)
{
	struct py_object object = {
		.address = address, .type = type, .parent = PY_NO_OBJECT, .label = PY_NO_OBJECT};
	uint32_t known = py_object_find(heap, address), *table;
	int err = 0;

	if (known != PY_NO_OBJECT)
		return known;
	table = table_add(heap, address);
	if (!table)
		return PY_NO_OBJECT;
	if (table[place_in_table(address)] || address % 8)
		return PY_NO_OBJECT;
	if (heap->objects.count >= heap->bound_objects)
		err = -ENOSPC;
	else if (vec_push(&heap->objects, object))
		err = -ENOMEM;
	if (err) {
		heap->error = err;
		return PY_NO_OBJECT;
	}
	table[place_in_table(address)] = (uint32_t)heap->objects.count << 1 |
					 (uint32_t)(address >> 3 & 1);
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
