// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocks that threads keep for themselves: their slab counts them as in use.
 *
 * A thread's stacks of free blocks lie side by side in one piece of memory, and each bin's record in its storage tells
 * where its stack ends: 36 bins in a row whose stacks follow each other are unmistakable. They lie at the same distance
 * from every thread's control block. Caches that belong to no thread (mallctl tcache.create) hang in the same ring.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "account/heap/jemalloc_internal.h"
#include "account/heap/thread_blocks.h"
#include "base/cleanup.h"
#include "process/proc/proc_text.h"

#define BIN_WORDS       (CACHE_BIN_BYTES / 8)
#define BINS_MAX        85 /* 5.3.1; fewer before */
#define STACK_MAX_BYTES (64u << 10)
#define CACHES_MAX      65536
/* All words that may be read of one cache: the gap of 5.1 and 5.2 included. */
#define CACHE_WORDS ((BINS_MAX * CACHE_BIN_BYTES + 120) / 8)

/* 5.3: struct tcache_slow_s; the word before the bins points to it. */
#define SLOW_NEXT  0
#define SLOW_BINS  32
#define SLOW_ARENA 40
#define SLOW_READ  48
/* 5.1, 5.2: struct tcache_s begins 16 bytes before the bins for small classes, its link follows them. */
#define OLD_BINS 16

/* A stack of free blocks: [head, top) hold pointers, it grows down from top. */
struct stack {
	uint64_t head, top;
	uint64_t room; /* bytes; 0: not told */
	uint64_t count;
};

static bool parse_stack(const struct jemalloc_layout *layout, const uint64_t *bin,
			struct stack *ret)
{
	if (layout->depth_in_head) {
		uint16_t full = (uint16_t)(bin[2] >> 16), empty = (uint16_t)(bin[2] >> 32);
		uint16_t used = (uint16_t)(empty - bin[0]);

		*ret = (struct stack){.head = bin[0],
				      .top = bin[0] + used,
				      .room = (uint16_t)(empty - full),
				      .count = used / 8};
		return jemalloc_is_pointer(bin[0], 8) && used % 8 == 0 && ret->room % 8 == 0 &&
		       used <= ret->room;
	}
	*ret = (struct stack){.top = bin[2], .count = bin[0] >> 32};
	ret->head = ret->top - ret->count * 8;
	return jemalloc_is_pointer(bin[2], 8) && ret->count <= STACK_MAX_BYTES / 8 &&
	       (int32_t)bin[0] >= -1 && (int32_t)bin[0] <= (int32_t)ret->count;
}

/* Does it lie right above the one before? */
static bool follows(const struct stack *stack, const struct stack *before)
{
	uint64_t distance = stack->top - before->top;

	if (stack->room)
		return distance == stack->room;
	return distance && distance <= STACK_MAX_BYTES && distance >= stack->count * 8;
}

/* A bin that is switched off has no stack of its own. */
static bool is_off(const struct jemalloc_layout *layout, const struct stack *stack)
{
	return layout->depth_in_head && !stack->room;
}

/* The stacks of the small classes; false: these words are no cache. */
static bool parse_small(const struct jemalloc_layout *layout, const uint64_t *words,
			struct stack *ret)
{
	struct stack before = {0};

	for (unsigned int i = 0; i < SMALL_COUNT; i++) {
		if (!parse_stack(layout, words + i * BIN_WORDS, &ret[i]))
			return false;
		if (is_off(layout, &ret[i]))
			continue;
		if (before.top && !follows(&ret[i], &before))
			return false;
		before = ret[i];
	}
	return before.top;
}

/* Appends the stacks of the large classes; returns how many there are then. */
static unsigned int parse_large(const struct jemalloc_layout *layout, const uint64_t *words,
				uint16_t gap, struct stack *ret)
{
	struct stack before = ret[SMALL_COUNT - 1];
	unsigned int i;

	for (i = SMALL_COUNT; i < BINS_MAX; i++) {
		if (!parse_stack(layout, words + gap / 8 + i * BIN_WORDS, &ret[i]))
			break;
		if (is_off(layout, &ret[i]))
			continue;
		if (!follows(&ret[i], &before))
			break;
		before = ret[i];
	}
	return i;
}

static unsigned int parse_cache(const struct jemalloc_layout *layout, const uint64_t *words,
				struct stack *ret)
{
	unsigned int count;

	if (!parse_small(layout, words, ret))
		return 0;
	count = parse_large(layout, words, layout->large_gaps[0], ret);
	if (count == SMALL_COUNT && layout->large_gaps[1])
		count = parse_large(layout, words, layout->large_gaps[1], ret);
	return count;
}

/* The distance of a cache from the control block: in one thread's storage, from its far end on. */
static int find_distance(struct jemalloc_heap *heap, const struct thread_search *search,
			 uint64_t block)
{
	_cleanup_free_ uint64_t *words = NULL;
	struct stack stacks[SMALL_COUNT];
	uint64_t start, count;
	int err = thread_storage_read(search, block, &words, &start, &count);

	for (uint64_t i = 0; !err && i + SMALL_COUNT * BIN_WORDS <= count; i++)
		if (parse_small(heap->layout, words + i, stacks)) {
			heap->cache_distance = block - (start + i * 8);
			break;
		}
	return err;
}

/* The words of a cache, zero where they can't be read. False: not even those of the small classes. */
static bool read_words(const struct jemalloc_heap *heap, uint64_t bins, uint64_t *ret)
{
	uint64_t size = CACHE_WORDS * 8;

	memset(ret, 0, size);
	if (memory_read(heap->pid, bins, ret, size))
		return true;
	memset(ret, 0, size);
	return memory_read(heap->pid, bins, ret, SMALL_COUNT * CACHE_BIN_BYTES);
}

/* Reads the stacks' contents. */
static int take_stacks(struct jemalloc_heap *heap, const struct stack *stacks, unsigned int count)
{
	struct memory_piece pieces[BINS_MAX];
	_cleanup_free_ uint64_t *words = NULL;
	uint64_t total = 0, done = 0;

	for (unsigned int i = 0; i < count; i++)
		total += stacks[i].count;
	words = malloc(total * 8 + 8);
	if (!words)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		pieces[i] = (struct memory_piece){stacks[i].head, words + done, stacks[i].count * 8,
						  false};
		done += stacks[i].count;
	}
	memory_read_pieces(heap->pid, pieces, count);
	for (unsigned int i = 0; i < count; i++) {
		const uint64_t *blocks = pieces[i].bytes;

		if (!pieces[i].ok)
			return -EAGAIN;
		for (uint64_t k = 0; k < stacks[i].count; k++)
			if (vec_push(&heap->cached, (struct jemalloc_cached){blocks[k], i}) < 0)
				return -ENOMEM;
	}
	return 0;
}

/* Who is next in the ring of the cache's arena: *ret_bins, 0 if that can't be told. */
static int look_around(struct jemalloc_heap *heap, uint64_t bins, uint64_t *ret_bins)
{
	uint64_t slow, words[SLOW_READ / 8], next;

	*ret_bins = 0;
	if (!heap->layout->depth_in_head) {
		if (memory_read(heap->pid, bins + SMALL_COUNT * CACHE_BIN_BYTES, &next, 8) &&
		    jemalloc_is_pointer(next, 8))
			*ret_bins = next + OLD_BINS;
		return 0;
	}
	if (!memory_read(heap->pid, bins - 8, &slow, 8) || !jemalloc_is_pointer(slow, 8) ||
	    !memory_read(heap->pid, slow, words, sizeof(words)))
		return -EUCLEAN;
	if (jemalloc_is_pointer(words[SLOW_ARENA / 8], 8) &&
	    vec_push(&heap->arenas, words[SLOW_ARENA / 8]) < 0)
		return -ENOMEM;
	next = words[SLOW_NEXT / 8];
	if (jemalloc_is_pointer(next, 8) && memory_read(heap->pid, next + SLOW_BINS, &next, 8) &&
	    jemalloc_is_pointer(next, 8))
		*ret_bins = next;
	return 0;
}

/* A thread that never allocated has none yet: its bins are zero. */
static int take_cache(struct jemalloc_heap *heap, uint64_t bins, uint64_t *ret_next)
{
	uint64_t words[CACHE_WORDS];
	struct stack stacks[BINS_MAX];
	unsigned int count;
	int err;

	*ret_next = 0;
	if (!read_words(heap, bins, words))
		return -EAGAIN;
	if (!words[0] && !words[2])
		return 0;
	count = parse_cache(heap->layout, words, stacks);
	if (!count)
		return -EAGAIN;
	err = take_stacks(heap, stacks, count);
	for (unsigned int i = 0; !err && i < count; i++)
		if (!is_off(heap->layout, &stacks[i])) {
			err = vec_push(&heap->stacks, stacks[i].top - 8);
			break;
		}
	return err ? err : look_around(heap, bins, ret_next);
}

/* The caches, and what hangs in their rings. */
static int take_all(struct jemalloc_heap *heap)
{
	struct map64 seen;
	int err = 0;

	map64_init(&seen, hash_seed_random());
	for (size_t i = 0; !err && i < heap->caches.count; i++)
		err = map64_put(&seen, heap->caches.items[i], 1);
	for (size_t i = 0; !err && i < heap->caches.count; i++) {
		uint64_t next;

		err = take_cache(heap, heap->caches.items[i], &next);
		/* What looked like a control block is none. */
		if (err == -EAGAIN && !heap->standing)
			err = 0;
		if (err || !next || map64_get(&seen, next, NULL))
			continue;
		err = heap->caches.count < CACHES_MAX ? map64_put(&seen, next, 1) : -EUCLEAN;
		if (!err)
			err = vec_push(&heap->caches, next);
	}
	map64_done(&seen);
	return err;
}

static uint64_t count_threads(int pid)
{
	_cleanup_free_ char *path = proc_path(pid, "task");
	struct stat st;

	return path && !stat(path, &st) && st.st_nlink > 2 ? st.st_nlink - 2 : 1;
}

int jemalloc_read_caches(struct jemalloc_heap *heap, const struct heap_place *place)
{
	struct thread_search search = {place->stream, &place->maps, place->stopped, 0};
	struct thread_blocks blocks = VEC_INIT;
	int err = thread_blocks_find(&search, &blocks);

	vec_clear(&heap->cached);
	vec_clear(&heap->caches);
	vec_clear(&heap->stacks);
	vec_clear(&heap->arenas);
	for (size_t i = 0; !err && !heap->cache_distance && i < blocks.count; i++)
		err = find_distance(heap, &search, blocks.items[i]);
	if (!err &&
	    (!heap->cache_distance || (!place->stopped && blocks.count < count_threads(heap->pid))))
		err = -EUCLEAN;
	for (size_t i = 0; !err && i < blocks.count; i++)
		if (blocks.items[i] > heap->cache_distance)
			err = vec_push(&heap->caches, blocks.items[i] - heap->cache_distance);
	vec_done(&blocks);
	return err ? err : take_all(heap);
}
