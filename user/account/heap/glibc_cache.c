// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocks in the threads' caches (struct tcache_perthread_struct): freed, but marked as in use.
 *
 * A thread's cache is a block of its heap that a variable in the C library's thread-local storage points to. Where in
 * that storage is not known, so every word before the thread's control block that points into a heap is tried; a cache
 * is recognised by its size and by all its lists holding.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/glibc_internal.h"
#include "account/heap/memory_stream.h"
#include "base/cleanup.h"

#define CACHE_BINS        64
#define CACHE_WIDE_BYTES  0x280 /* 2.30 and later: uint16_t counts */
#define CACHE_SMALL_BYTES 0x240 /* before: char counts */
#define CACHE_DEEP        65535 /* the tunable's highest value */
/* Static storage of all libraries together; more is possible and then not searched. */
#define STORAGE_MAX_BYTES (64u << 10)

struct cache {
	uint64_t heads[CACHE_BINS];
	uint16_t counts[CACHE_BINS];
};

static bool read_cache(const struct glibc_heap *heap, uint64_t at, struct cache *ret)
{
	uint64_t size;
	uint8_t counts[CACHE_BINS];
	uint64_t wide = at + sizeof(ret->counts), narrow = at + sizeof(counts);

	if (!memory_read(heap->pid, at - 8, &size, sizeof(size)))
		return false;
	size &= ~CHUNK_FLAGS;
	if (size == CACHE_WIDE_BYTES + CHUNK_HEADER)
		return memory_read(heap->pid, at, ret->counts, sizeof(ret->counts)) &&
		       memory_read(heap->pid, wide, ret->heads, sizeof(ret->heads));
	if (size != CACHE_SMALL_BYTES + CHUNK_HEADER ||
	    !memory_read(heap->pid, at, counts, sizeof(counts)) ||
	    !memory_read(heap->pid, narrow, ret->heads, sizeof(ret->heads)))
		return false;
	for (unsigned int i = 0; i < CACHE_BINS; i++)
		ret->counts[i] = counts[i];
	return true;
}

static bool is_block(const struct glibc_heap *heap, const struct block_map *map, uint64_t at,
		     unsigned int bin)
{
	uint64_t size;

	return at % CHUNK_HEADER == 0 && block_map_segment(map, at) &&
	       memory_read(heap->pid, at - 8, &size, sizeof(size)) &&
	       (size & ~CHUNK_FLAGS) == CHUNK_MIN + 16ULL * bin;
}

uint64_t glibc_next_link(const struct glibc_heap *heap, const struct block_map *map, uint64_t block,
			 uint64_t word)
{
	uint64_t plain = word ^ block >> 12;

	if (!plain || (plain % 16 == 0 && block_map_segment(map, plain)))
		return plain;
	if (heap->mangled)
		return GLIBC_BAD_LINK;
	return word % 16 == 0 && (!word || block_map_segment(map, word)) ? word : GLIBC_BAD_LINK;
}

/* Follows one list. False: it does not hold. */
static bool take_list(struct glibc_heap *heap, const struct block_map *map,
		      const struct cache *cache, unsigned int bin)
{
	uint64_t at = cache->heads[bin];

	for (unsigned int i = 0; i < cache->counts[bin]; i++) {
		uint64_t word;

		if (!is_block(heap, map, at, bin) ||
		    !memory_read(heap->pid, at, &word, sizeof(word)) ||
		    vec_push(&heap->idle, at) < 0)
			return false;
		heap->mangled |= word == at >> 12;
		at = glibc_next_link(heap, map, at, word);
	}
	return true;
}

/* 1: it is a cache, its blocks are taken; 0: it is none; -EAGAIN: it seems to be one, but a list does not hold. */
static int try_cache(struct glibc_heap *heap, const struct block_map *map, uint64_t at)
{
	size_t before = heap->idle.count;
	struct cache cache;

	if (at % CHUNK_HEADER || !block_map_segment(map, at) || !read_cache(heap, at, &cache))
		return 0;
	for (unsigned int i = 0; i < CACHE_BINS; i++)
		if (cache.counts[i] && !is_block(heap, map, cache.heads[i], i))
			return 0;
	for (unsigned int i = 0; i < CACHE_BINS; i++) {
		if (!take_list(heap, map, &cache, i)) {
			heap->idle.count = before;
			return -EAGAIN;
		}
	}
	return 1;
}

static int take_thread(struct glibc_heap *heap, const struct maps *maps, uint64_t thread_pointer,
		       const struct block_map *map)
{
	const struct mapping *m = maps_find(maps, thread_pointer - 1);
	uint64_t start, count;
	_cleanup_free_ uint64_t *words = NULL;

	if (!m || thread_pointer % 8)
		return 0;
	start = thread_pointer - m->start > STORAGE_MAX_BYTES ? thread_pointer - STORAGE_MAX_BYTES
							      : m->start;
	count = (thread_pointer - start) / 8;
	words = malloc(count * 8);
	if (!words)
		return -ENOMEM;
	/* A stack's far end is not present: what lies next to the control block is. */
	while (count && !memory_read(heap->pid, start, words, count * 8)) {
		start += count / 2 * 8;
		count -= count / 2;
		if (count == 1)
			count = 0;
	}
	for (uint64_t i = count; i--;) {
		int got = block_map_may_hold(map, words[i]) ? try_cache(heap, map, words[i]) : 0;

		if (got)
			return got < 0 ? got : 0;
	}
	return 0;
}

/*
 * Control blocks (struct pthread) of a process that runs on: the two words that point to the block itself tell it. One
 * lies at the top of each thread's stack, the first thread's in a mapping of its own or, statically linked, before the
 * first chunk.
 */
static int take_threads_in(struct glibc_heap *heap, const struct maps *maps, uint64_t start,
			   uint64_t end, const struct block_map *map)
{
	uint64_t count = (end - start) / 8;
	_cleanup_free_ uint64_t *words = malloc(count * 8 + 8);
	int err = 0;

	if (!words)
		return -ENOMEM;
	if (!memory_read(heap->pid, start, words, count * 8))
		return 0;
	for (uint64_t i = 0; !err && i + 2 < count; i++)
		if (words[i] == start + i * 8 && words[i + 2] == words[i] && !(words[i] % 64))
			err = take_thread(heap, maps, words[i], map);
	return err;
}

static int take_running(struct glibc_heap *heap, const struct maps *maps,
			const struct block_map *map)
{
	uint64_t start = 0, end = 0;
	int err = 0;

	if (glibc_main_heap(maps, &start, &end))
		err = take_threads_in(heap, maps, start, heap->first_chunk, map);
	for (size_t i = 0; !err && i < maps->count; i++) {
		const struct mapping *m = &maps->items[i];

		if (m->prot != (PROT_READ | PROT_WRITE) || m->inode || m->start == start)
			continue;
		err = take_threads_in(
			heap, maps,
			m->end - m->start > STORAGE_MAX_BYTES ? m->end - 2 * PAGE_BYTES : m->start,
			m->end, map);
	}
	return err;
}

int glibc_take_caches(struct glibc_heap *heap, const struct maps *maps,
		      const struct stopped_process *stopped, const struct block_map *map)
{
	int err = 0;

	if (!stopped)
		return take_running(heap, maps, map);
	for (size_t i = 0; !err && i < stopped->threads.count; i++)
		if (stopped->threads.items[i].thread_pointer)
			err = take_thread(heap, maps, stopped->threads.items[i].thread_pointer,
					  map);
	return err;
}
