// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/pyheap/pools.h"

#include <errno.h>
#include <stdlib.h>

#include "account/pyheap/visit.h"

#define GRANULE    16
#define ARENAS_MAX (1u << 24)

/* The head of a pool. */
struct head {
	uint32_t used, padding;
	uint64_t free, next, previous;
	uint32_t arena, class, carve, last;
};

static bool looks_right(const struct head *head)
{
	uint64_t size = (head->class + 1ULL) * GRANULE;

	return head->used && head->class < PYTHON_POOL_CLASSES && head->arena < ARENAS_MAX &&
	       head->last == PYTHON_POOL_BYTES - size && head->carve >= PYTHON_POOL_HEAD &&
	       head->carve <= head->last + size && (head->carve - PYTHON_POOL_HEAD) % size == 0 &&
	       head->used <= (head->carve - PYTHON_POOL_HEAD) / size;
}

/* False: the list of free blocks leads elsewhere, or is not as long as it must be. */
static bool walk_free(struct py_heap *heap, const struct head *head, struct py_pool *pool)
{
	uint64_t want = pool->carved - head->used, at = head->free;

	for (uint64_t i = 0; i < want; i++) {
		uint64_t offset = at - pool->address - PYTHON_POOL_HEAD;
		uint64_t block = offset / pool->block_bytes;

		if (at < pool->address + PYTHON_POOL_HEAD || offset % pool->block_bytes ||
		    block >= pool->carved || py_pool_is_free(pool, block))
			return false;
		pool->free[block / 64] |= 1ULL << block % 64;
		at = py_memory_word(&heap->memory, at);
	}
	return !at;
}

int py_pool_read(struct py_heap *heap, uint64_t address, struct py_pool *ret)
{
	struct head head;

	if (!py_memory_copy(&heap->memory, address, &head, sizeof(head)) || !looks_right(&head))
		return -ENOENT;
	*ret = (struct py_pool){.address = address, .block_bytes = (head.class + 1ULL) * GRANULE};
	ret->carved = (head.carve - PYTHON_POOL_HEAD) / ret->block_bytes;
	return walk_free(heap, &head, ret) ? 0 : -EUCLEAN;
}

/* A pointer to a static object of a program at a low address may pass for a count of references. */
static bool is_pointer(struct py_heap *heap, uint64_t references)
{
	return references % 8 == 0 && py_memory_is_mapped(&heap->memory, references);
}

#define HEADS 3 /* an object begins its block, or what stands before it does: of 16 or 32 bytes */

/* What stands at @words is an object of a type that has so much before it; PY_NO_TYPE: it is none. */
static uint32_t type_in(struct py_heap *heap, const uint64_t *words, uint64_t head)
{
	uint32_t type;

	if (!py_references_alive(words[0]) || !words[1] || words[1] % 8)
		return PY_NO_TYPE;
	type = py_type_at(heap, words[1]);
	return type != PY_NO_TYPE && py_head_bytes(&heap->types.items[type]) == head &&
			       !is_pointer(heap, words[0])
		       ? type
		       : PY_NO_TYPE;
}

/* In debug mode a block begins with its size and a letter, then 0xfd (_PyMem_DebugRawAlloc() in Objects/obmalloc.c). */
static bool is_debug_block(struct py_heap *heap, uint64_t block)
{
	uint64_t mark;

	return py_memory_copy(&heap->memory, block + 8, &mark, sizeof(mark)) &&
	       mark >> 8 == 0xfdfdfdfdfdfdfdULL;
}

static uint32_t object_in(struct py_heap *heap, uint64_t block, uint64_t block_bytes)
{
	uint64_t words[2 * HEADS] = {0};

	if (is_debug_block(heap, block) && block_bytes > PY_DEBUG_HEAD) {
		block += PY_DEBUG_HEAD;
		block_bytes -= PY_DEBUG_HEAD;
	}
	(void)py_memory_copy(&heap->memory, block, words,
			     block_bytes < sizeof(words) ? block_bytes : sizeof(words));
	for (uint64_t i = 0; i < HEADS && 16 * i + 16 <= block_bytes; i++) {
		uint32_t type = type_in(heap, words + 2 * i, 16 * i);

		/* Those of the lists are known already, and found again. */
		if (type != PY_NO_TYPE &&
		    16 * i + py_body_bytes(heap, block + 16 * i, type) <= block_bytes)
			return py_object_add(heap, block + 16 * i, type);
	}
	return PY_NO_OBJECT;
}

static void count_pool(struct py_heap *heap, const struct py_pool *pool, struct pyheap_pools *ret)
{
	uint64_t capacity = (PYTHON_POOL_BYTES - PYTHON_POOL_HEAD) / pool->block_bytes, used = 0;

	for (uint64_t i = 0; i < pool->carved && !heap->error; i++) {
		uint64_t block = pool->address + PYTHON_POOL_HEAD + i * pool->block_bytes;

		if (py_pool_is_free(pool, i))
			continue;
		used++;
		ret->object_blocks += object_in(heap, block, pool->block_bytes) != PY_NO_OBJECT;
	}
	ret->pools++;
	ret->used_blocks += used;
	ret->used_bytes += used * pool->block_bytes;
	ret->free_bytes += (capacity - used) * pool->block_bytes;
}

struct candidate {
	uint64_t address;
	uint32_t arena;
};

VEC_STRUCT(candidates, struct candidate);

static int by_arena(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->arena != y->arena)
		return x->arena < y->arena ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

static int find_candidates(struct py_heap *heap, const struct py_region *region,
			   struct candidates *ret)
{
	uint64_t at = (region->start + PYTHON_POOL_BYTES - 1) & ~(uint64_t)(PYTHON_POOL_BYTES - 1);
	struct head head;

	for (; at + PYTHON_POOL_BYTES <= region->end; at += PYTHON_POOL_BYTES) {
		struct candidate candidate = {.address = at};

		if (!py_memory_copy(&heap->memory, at, &head, sizeof(head)) || !looks_right(&head))
			continue;
		candidate.arena = head.arena;
		if (vec_push(ret, candidate))
			return -ENOMEM;
	}
	return 0;
}

/* How many from @first on are of the same arena, and lie within its size. */
static size_t run_length(const struct candidates *c, size_t first)
{
	size_t end = first + 1;

	while (end < c->count && c->items[end].arena == c->items[first].arena &&
	       c->items[end].address - c->items[first].address < PYTHON_ARENA_BYTES)
		end++;
	return end - first;
}

static int take_run(struct py_heap *heap, const struct candidate *run, size_t count,
		    struct pyheap_pools *ret)
{
	uint64_t before = ret->pools;

	for (size_t i = 0; i < count; i++) {
		struct py_pool pool;

		if (py_pool_read(heap, run[i].address, &pool)) {
			ret->damaged++;
			continue;
		}
		if (map64_put(&heap->pools, pool.address, pool.block_bytes) < 0)
			return -ENOMEM;
		count_pool(heap, &pool, ret);
		if (heap->error)
			return heap->error;
	}
	ret->arenas += ret->pools > before;
	return 0;
}

/* Pools of one arena lie together. Memory elsewhere that has its number only looks like a pool. */
static int take_arena(struct py_heap *heap, const struct candidates *c, size_t first, size_t end,
		      struct pyheap_pools *ret)
{
	size_t best = first, best_length = 0;

	for (size_t i = first; i < end; i++) {
		size_t length = run_length(c, i);

		if (length > best_length) {
			best = i;
			best_length = length;
		}
	}
	ret->damaged += end - first - best_length;
	return take_run(heap, &c->items[best], best_length, ret);
}

static int take_all(struct py_heap *heap, const struct candidates *c, bool one_allocator,
		    struct pyheap_pools *ret)
{
	int err = 0;

	for (size_t first = 0, end; !err && first < c->count; first = end) {
		end = first + run_length(c, first);
		while (one_allocator && end < c->count &&
		       c->items[end].arena == c->items[first].arena)
			end++;
		err = take_arena(heap, c, first, end, ret);
	}
	return err;
}

int py_pools_take(struct py_heap *heap, bool one_allocator, struct pyheap_pools *ret)
{
	struct candidates candidates = VEC_INIT;
	int err = 0;

	for (size_t i = 0; !err && i < heap->memory.region_count; i++) {
		const struct py_region *r = &heap->memory.regions[i];

		if (r->written && r->anonymous && r->slots)
			err = find_candidates(heap, r, &candidates);
	}
	if (candidates.count)
		qsort(candidates.items, candidates.count, sizeof(*candidates.items), by_arena);
	if (!err)
		err = take_all(heap, &candidates, one_allocator, ret);
	vec_done(&candidates);
	return err;
}
