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
#include "account/heap/stacks.h"
#include "account/heap/thread_blocks.h"
#include "base/cleanup.h"

#define CACHE_BINS        64
#define CACHE_WIDE_BYTES  0x280 /* 2.30 and later: uint16_t counts */
#define CACHE_SMALL_BYTES 0x240 /* before: char counts */
/* Static storage of all libraries together; more is possible and then not searched. */
#define STORAGE_MAX_BYTES (64ULL << 20)
#define STORAGE_WINDOW    (64u << 10)

struct cache {
	uint64_t heads[CACHE_BINS];
	uint16_t counts[CACHE_BINS];
};

/* A free chunk that is larger by less than a chunk's minimum is handed out whole. */
static bool is_cache_size(uint64_t size, uint64_t bytes)
{
	return size == bytes + CHUNK_HEADER || size == bytes + CHUNK_HEADER + CHUNK_MIN / 2;
}

static bool read_cache(const struct glibc_heap *heap, uint64_t at, struct cache *ret)
{
	uint64_t size;
	uint8_t counts[CACHE_BINS];
	uint64_t wide = at + sizeof(ret->counts), narrow = at + sizeof(counts);

	if (!memory_read(heap->pid, at - 8, &size, sizeof(size)))
		return false;
	size &= ~CHUNK_FLAGS;
	if (is_cache_size(size, CACHE_WIDE_BYTES))
		return memory_read(heap->pid, at, ret->counts, sizeof(ret->counts)) &&
		       memory_read(heap->pid, wide, ret->heads, sizeof(ret->heads));
	if (!is_cache_size(size, CACHE_SMALL_BYTES) ||
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

/* @ahead: a link is so far before the block it means. */
static bool is_link(const struct block_map *map, uint64_t word, uint64_t ahead)
{
	return !word || (word % 16 == 0 && block_map_segment(map, word + ahead));
}

static uint64_t next_link(const struct glibc_heap *heap, const struct block_map *map,
			  struct glibc_link link, uint64_t ahead)
{
	uint64_t plain = link.next ^ link.block >> 12;

	if (is_link(map, plain, ahead))
		return plain;
	return !heap->mangled && is_link(map, link.next, ahead) ? link.next : GLIBC_BAD_LINK;
}

uint64_t glibc_next_link(const struct glibc_heap *heap, const struct block_map *map, uint64_t block,
			 uint64_t word)
{
	/* Fast bins hold chunks, not what users get: that of a segment's first block lies before the segment. */
	return next_link(heap, map, (struct glibc_link){block, word}, CHUNK_HEADER);
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
		at = next_link(heap, map, (struct glibc_link){at, word}, 0);
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

/* Of one thread's storage. */
struct storage {
	uint64_t start, end; /* what may be part of it */
	bool ended;          /* nobody will use its cache any more */
	bool filled;         /* a cache with blocks in it was found */
	uint64_t last;       /* the cache taken last */
};

static int try_word(struct glibc_heap *heap, const struct block_map *map, struct storage *storage,
		    uint64_t at)
{
	size_t before = heap->idle.count;
	int got;

	if (at == storage->last || !block_map_may_hold(map, at))
		return 0;
	got = try_cache(heap, map, at);
	if (got <= 0)
		return storage->ended ? 0 : got;
	storage->last = at;
	storage->filled |= heap->idle.count > before;
	return storage->ended ? vec_push(&heap->idle, at) : 0;
}

/* One window of the storage: its present pages. */
static int try_window(struct glibc_heap *heap, const struct block_map *map, struct storage *storage,
		      uint64_t start, uint64_t end)
{
	static const size_t most = STORAGE_WINDOW / PAGE_BYTES;
	uint64_t words[STORAGE_WINDOW / 8], at = start;
	size_t pages;

	while ((pages = memory_stream_run(heap->stream, &at, end, most))) {
		size_t count = pages * PAGE_WORDS;

		if (!memory_read(heap->pid, at, words, count * 8))
			count = 0;
		for (size_t i = 0; i < count; i++) {
			int err = try_word(heap, map, storage, words[i]);

			if (err)
				return err;
		}
		at += pages * PAGE_BYTES;
	}
	return 0;
}

/*
 * Several may look like one: a block of that size without content is an empty cache. So all that do are taken, further
 * and further from the control block, until there was one with blocks in it.
 */
static int take_storage(struct glibc_heap *heap, const struct block_map *map,
			struct storage *storage)
{
	uint64_t end = storage->end;

	while (end > storage->start && !storage->filled) {
		uint64_t start = end - storage->start > STORAGE_WINDOW ? end - STORAGE_WINDOW
								       : storage->start;
		int err = try_window(heap, map, storage, start, end);

		if (err)
			return err;
		end = start;
	}
	return 0;
}

/* Storage lies between the stack pointer, if that is known and in the same mapping, and the control block. */
static int take_thread(struct glibc_heap *heap, const struct maps *maps,
		       const struct stopped_thread *thread, bool ended, const struct block_map *map)
{
	uint64_t control = thread->thread_pointer;
	const struct mapping *m = maps_find(maps, control - 1);
	struct storage storage = {.ended = ended};

	if (!m || control % 8)
		return 0;
	storage.end = (control + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	storage.start = m->start;
	if (thread->stack_pointer > m->start && thread->stack_pointer < control)
		storage.start = thread->stack_pointer & ~(PAGE_BYTES - 1);
	if (storage.end - storage.start > STORAGE_MAX_BYTES)
		storage.start = storage.end - STORAGE_MAX_BYTES;
	return take_storage(heap, map, &storage);
}

static int take_running(struct glibc_heap *heap, const struct maps *maps,
			const struct block_map *map)
{
	struct thread_search search = {
		.stream = heap->stream, .maps = maps, .heap_end = heap->first_chunk};
	struct thread_blocks blocks = VEC_INIT;
	int err = thread_blocks_find(&search, &blocks);

	for (size_t i = 0; !err && i < blocks.count; i++) {
		struct stopped_thread thread = {.thread_pointer = blocks.items[i]};

		err = take_thread(heap, maps, &thread, false, map);
	}
	vec_done(&blocks);
	return err;
}

/* Of a process that was forked off: what the threads that did not come along had in their caches is free, for good. */
static int take_ended(struct glibc_heap *heap, const struct maps *maps,
		      const struct stopped_process *stopped, const struct block_map *map)
{
	_cleanup_free_ bool *alive = calloc(maps->count ? maps->count : 1, sizeof(*alive));
	int err = alive ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < stopped->threads.count; i++) {
		const struct mapping *m = maps_find(maps, stopped->threads.items[i].thread_pointer);

		if (m)
			alive[m - maps->items] = true;
	}
	for (size_t i = 0; !err && i < maps->count; i++) {
		struct stopped_thread thread = {.tid = 0};

		if (alive[i] || !stack_is_guarded(maps, i))
			continue;
		thread.thread_pointer = stack_control_block(heap->pid, &maps->items[i]);
		if (thread.thread_pointer)
			err = take_thread(heap, maps, &thread, true, map);
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
			err = take_thread(heap, maps, &stopped->threads.items[i], false, map);
	return err ? err : take_ended(heap, maps, stopped, map);
}
