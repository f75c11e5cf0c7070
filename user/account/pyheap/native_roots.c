// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/native_roots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/pyheap/pools.h"
#include "account/pyheap/visit.h"

#define CHUNK_HEAD        16
#define CHUNK_MIN         32
#define CHUNK_SIZE_MASK   (~(uint64_t)7)
#define CHUNK_BEFORE_USED 1u

struct native {
	struct py_heap *heap;
	struct py_blocks owned; /* ascending */
	size_t next;            /* the first that does not end before what is looked at */
	int (*root)(void *user, uint64_t object, uint32_t region);
	void *user;
};

static int by_start(const void *a, const void *b)
{
	const struct py_block *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* An object that lies in no pool. Those of modules that were never met are not known to be held by anything: they are roots
 * themselves. */
static int add_object(struct native *n, uint32_t object)
{
	struct py_heap *heap = n->heap;
	const struct py_object *o = &heap->objects.items[object];
	uint64_t head = o->tracked ? py_head_bytes(py_type_of(heap, object)) : 0;
	struct py_block block = {o->address - head, o->address + py_object_extent(heap, object)};

	if (py_is_in_pool(heap, o->address) || (!o->seen && !o->tracked))
		return 0;
	return vec_push(&n->owned, block);
}

/*
 * Free chunks of glibc's first heap hold what was there before. They are known by the chunk behind each, if all of them fit together
 * up to the end (struct malloc_chunk in malloc/malloc.c); else nothing is left out.
 */
static int add_free_chunks(struct native *n, const struct py_region *region)
{
	size_t before = n->owned.count;
	uint64_t at = region->start;
	int err = 0;

	while (!err && at < region->end && py_heap_step(n->heap, 1)) {
		uint64_t size = py_memory_word(&n->heap->memory, at + 8) & CHUNK_SIZE_MASK;
		uint64_t next = at + size;
		struct py_block free_chunk = {at + CHUNK_HEAD, next};

		if (size < CHUNK_MIN || size % CHUNK_HEAD || next > region->end) {
			n->owned.count = before;
			return 0;
		}
		if (next == region->end ||
		    !(py_memory_word(&n->heap->memory, next + 8) & CHUNK_BEFORE_USED))
			err = vec_push(&n->owned, free_chunk);
		at = next;
	}
	return err ? err : n->heap->error;
}

static int find_free_chunks(struct native *n)
{
	for (size_t i = 0; i < n->heap->memory.region_count; i++) {
		const struct py_region *r = &n->heap->memory.regions[i];
		const struct mapping *m = maps_find(&n->heap->memory.maps, r->start);

		if (r->slots && m && !strcmp(m->path, "[heap]"))
			return add_free_chunks(n, r);
	}
	return 0;
}

static int find_owned(struct native *n)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < n->heap->objects.count; i++) {
		if (!py_heap_step(n->heap, 1))
			return n->heap->error;
		err = add_object(n, i);
		if (!err)
			err = py_object_blocks(n->heap, i, &n->owned);
	}
	if (!err)
		err = find_free_chunks(n);
	if (n->owned.count)
		qsort(n->owned.items, n->owned.count, sizeof(*n->owned.items), by_start);
	return err;
}

static int look_at(struct native *n, const uint64_t *words, uint64_t count, uint32_t region)
{
	for (uint64_t i = 0; i < count; i++) {
		int err;

		if (words[i] < n->heap->lowest || words[i] > n->heap->highest || words[i] % 8 ||
		    py_object_find(n->heap, words[i]) == PY_NO_OBJECT)
			continue;
		err = n->root(n->user, words[i], region);
		if (err)
			return err;
	}
	return 0;
}

/* [start, end), all on one page, but for what is owned. */
static int look_between(struct native *n, uint64_t start, uint64_t end, uint32_t region)
{
	while (start < end) {
		const struct py_block *block = NULL;
		uint64_t until = end, got;
		const uint64_t *words;
		int err;

		while (n->next < n->owned.count && n->owned.items[n->next].end <= start)
			n->next++;
		if (n->next < n->owned.count)
			block = &n->owned.items[n->next];
		if (block && block->start <= start) {
			start = (block->end + 7) & ~7ULL;
			continue;
		}
		if (block && block->start < until)
			until = block->start;
		words = py_memory_words(&n->heap->memory, start, (until - start + 7) / 8, &got);
		if (!got)
			return 0;
		err = look_at(n, words, got, region);
		if (err)
			return err;
		start += got * 8;
	}
	return 0;
}

/* Does one of its buffers begin in this block? What stands before a buffer is the object's, too. */
static bool is_owned(struct native *n, uint64_t start, uint64_t end)
{
	while (n->next < n->owned.count && n->owned.items[n->next].start < start)
		n->next++;
	return n->next < n->owned.count && n->owned.items[n->next].start < end;
}

static bool has_object(struct py_heap *heap, uint64_t block, uint64_t bytes)
{
	for (uint64_t head = 0; head <= PYTHON_PRE_HEADER + PY_DEBUG_HEAD && head < bytes;
	     head += 16)
		if (py_object_find(heap, block + head) != PY_NO_OBJECT)
			return true;
	return false;
}

/* Blocks in use that are neither objects nor buffers of such: what extensions asked for. */
static int look_at_pool(struct native *n, uint64_t address, uint32_t region)
{
	struct py_pool pool;
	int err = 0;

	if (py_pool_read(n->heap, address, &pool))
		return 0;
	for (uint64_t i = 0; !err && i < pool.carved; i++) {
		uint64_t block = address + PYTHON_POOL_HEAD + i * pool.block_bytes;
		uint64_t end = block + pool.block_bytes;

		if (py_pool_is_free(&pool, i) || has_object(n->heap, block, pool.block_bytes) ||
		    is_owned(n, block, end))
			continue;
		for (uint64_t at = block, got; !err && at < end; at += 8 * got) {
			const uint64_t *words =
				py_memory_words(&n->heap->memory, at, (end - at) / 8, &got);

			if (!got)
				break;
			err = look_at(n, words, got, region);
		}
	}
	return err;
}

static int look_at_region(struct native *n, uint32_t index)
{
	uint64_t at = n->heap->memory.regions[index].start;
	int err = 0;

	while (!err && at < n->heap->memory.regions[index].end) {
		uint64_t end = (at + PAGE_BYTES) & ~(uint64_t)(PAGE_BYTES - 1);

		if (py_is_in_pool(n->heap, at)) {
			end = (at + PYTHON_POOL_BYTES) & ~(uint64_t)(PYTHON_POOL_BYTES - 1);
			err = look_at_pool(n, at & ~(uint64_t)(PYTHON_POOL_BYTES - 1), index);
		} else {
			err = look_between(n, at, end, index);
		}
		at = end;
	}
	return err;
}

int py_native_roots(struct py_heap *heap, int (*root)(void *user, uint64_t object, uint32_t region),
		    void *user)
{
	struct native n = {.heap = heap, .root = root, .user = user};
	int err = find_owned(&n);

	for (uint32_t i = 0; !err && i < heap->memory.region_count; i++)
		if (heap->memory.regions[i].written && heap->memory.regions[i].slots)
			err = look_at_region(&n, i);
	vec_done(&n.owned);
	return err;
}
