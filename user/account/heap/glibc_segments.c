// SPDX-License-Identifier: GPL-2.0-or-later
/* The segments of glibc's heap at this moment: main heap, arenas' heaps, mmapped chunks. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/code_range.h"
#include "account/heap/glibc_internal.h"
#include "account/heap/memory_stream.h"

bool glibc_main_heap(const struct maps *maps, uint64_t *ret_start, uint64_t *ret_end)
{
	bool found = false;

	for (size_t i = 0; i < maps->count; i++) {
		const struct mapping *m = &maps->items[i];

		if (strcmp(m->path, "[heap]") || (found && m->start != *ret_end))
			continue;
		if (!found)
			*ret_start = m->start;
		*ret_end = m->end;
		found = true;
	}
	return found;
}

static bool may_hold_mapped(const struct mapping *m)
{
	return !m->inode && !m->shared && m->prot == (PROT_READ | PROT_WRITE) &&
	       m->end - m->start >= PAGE_BYTES && (!*m->path || !strncmp(m->path, "[anon:", 6));
}

static int add_walk(struct glibc_heap *heap, struct block_map *map, struct glibc_walk walk,
		    uint64_t end)
{
	walk.start = walk.next + CHUNK_HEADER;
	if (vec_push(&heap->walks, walk) < 0)
		return -ENOMEM;
	return block_map_add(map, walk.start, end, BLOCK_GRANULE_SHIFT);
}

static int add_main_heap(struct glibc_heap *heap, const uint64_t *arena, const struct maps *maps,
			 struct block_map *map)
{
	struct glibc_walk walk = {.next = heap->first_chunk,
				  .top = arena_word(heap, arena, ARENA_TOP)};
	uint64_t start, end;

	if (!glibc_main_heap(maps, &start, &end) || heap->first_chunk < start ||
	    heap->first_chunk + CHUNK_HEADER >= end)
		return -EUCLEAN;
	walk.end = walk.top >= start && walk.top < end ? walk.top : end;
	return add_walk(heap, map, walk, end);
}

/* The heaps of an arena, from the one with its top back to the first, in which the arena itself lies. */
static int add_arena_heaps(struct glibc_heap *heap, uint64_t address, const uint64_t *arena,
			   struct block_map *map)
{
	uint64_t top = arena_word(heap, arena, ARENA_TOP);
	uint64_t at = top & ~(HEAP_ALIGN - 1), own = address & ~(HEAP_ALIGN - 1);
	uint64_t info[HEAP_INFO_READ / 8];

	while (heap->walks.count < HEAPS_MAX && at) {
		uint64_t first = at == own ? (address + ARENA_BYTES - heap->shift + 15) & ~15ULL
					   : at + (address - own);
		struct glibc_walk walk = {.next = first};
		int err;

		if (!memory_read(heap->pid, at, info, sizeof(info)) ||
		    info[HEAP_ARENA / 8] != address || info[HEAP_SIZE / 8] > HEAP_ALIGN ||
		    at + info[HEAP_SIZE / 8] <= first + CHUNK_HEADER)
			return -EUCLEAN;
		walk.end = at + info[HEAP_SIZE / 8];
		if (top >= at && top < walk.end)
			walk.end = walk.top = top;
		err = add_walk(heap, map, walk, at + info[HEAP_SIZE / 8]);
		if (err)
			return err;
		if (at == own)
			return 0;
		at = info[HEAP_PREVIOUS / 8];
		if (at % HEAP_ALIGN)
			return -EUCLEAN;
	}
	return -EUCLEAN;
}

static int take_fast_bins(struct glibc_heap *heap, const uint64_t *arena)
{
	for (unsigned int i = 0; i < FASTBIN_COUNT; i++) {
		uint64_t head = arena_word(heap, arena, ARENA_FASTBINS + i * 8);

		if (head && vec_push(&heap->fast, head + CHUNK_HEADER) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_arenas(struct glibc_heap *heap, const struct maps *maps, struct block_map *map)
{
	uint64_t address = heap->main_arena, arena[ARENA_WORDS];

	for (unsigned int i = 0; i < ARENAS_MAX; i++) {
		int err;

		if (!memory_read(heap->pid, address, arena, ARENA_BYTES - heap->shift))
			return -EUCLEAN;
		if (heap->standing && (uint32_t)arena[ARENA_MUTEX / 8])
			return -EAGAIN;
		err = i ? add_arena_heaps(heap, address, arena, map)
			: add_main_heap(heap, arena, maps, map);
		if (!err)
			err = take_fast_bins(heap, arena);
		if (!err && vec_push(&heap->arenas, address) < 0)
			err = -ENOMEM;
		if (err)
			return err;
		address = arena_word(heap, arena, ARENA_NEXT);
		if (address == heap->main_arena)
			return 0;
	}
	return -EUCLEAN;
}

/* 0: no mmapped chunk begins there. */
static uint64_t mapped_chunk_bytes(const uint64_t *header, uint64_t room)
{
	uint64_t size = header[1] & ~CHUNK_FLAGS;

	return !header[0] && (header[1] & CHUNK_FLAGS) == CHUNK_MAPPED && size >= PAGE_BYTES &&
			       size % PAGE_BYTES == 0 && size <= room
		       ? size
		       : 0;
}

#define HEADER_BATCH 512

/*
 * Chunks that were mapped one by one may lie in one mapping: each page may begin one. Pages that are not present begin
 * none: their header would have been written.
 */
static int search(struct glibc_heap *heap, uint64_t start, uint64_t end)
{
	uint64_t headers[HEADER_BATCH][2], at = start;
	struct memory_piece pieces[HEADER_BATCH];
	size_t count;

	while ((count = memory_stream_run(heap->stream, &at, end, HEADER_BATCH))) {
		uint64_t first = at;

		for (size_t i = 0; i < count; i++)
			pieces[i] = (struct memory_piece){at + i * PAGE_BYTES, headers[i],
							  sizeof(headers[i]), false};
		memory_read_pieces(heap->pid, pieces, count);
		while (at < first + count * PAGE_BYTES) {
			size_t i = (at - first) / PAGE_BYTES;
			uint64_t size = pieces[i].ok ? mapped_chunk_bytes(headers[i], end - at) : 0;

			if (size && vec_push(&heap->mapped, at) < 0)
				return -ENOMEM;
			at += size ? size : PAGE_BYTES;
		}
	}
	return 0;
}

/* What of [@start, @end) was not searched before. */
static int search_new(struct glibc_heap *heap, uint64_t start, uint64_t end, size_t *known)
{
	const struct address_ranges *old = &heap->searched;

	while (*known < old->count && old->items[*known].end <= start)
		++*known;
	for (size_t i = *known; start < end; i++) {
		uint64_t until = i < old->count && old->items[i].start < end ? old->items[i].start
									     : end;
		int err = until > start ? search(heap, start, until) : 0;

		if (err || until == end)
			return err;
		start = old->items[i].end;
	}
	return 0;
}

int glibc_find_mapped(struct glibc_heap *heap, const struct maps *maps)
{
	size_t known = 0;
	struct address_ranges ranges = VEC_INIT;
	int err = 0;

	for (size_t i = 0; !err && i < maps->count; i++) {
		const struct mapping *m = &maps->items[i];
		struct address_range range = {m->start, m->end};

		if (!may_hold_mapped(m))
			continue;
		err = search_new(heap, m->start, m->end, &known);
		if (!err && vec_push(&ranges, range) < 0)
			err = -ENOMEM;
	}
	vec_done(&heap->searched);
	heap->searched = ranges;
	return err;
}

/* Those found that are (still) there. */
static int add_mapped(struct glibc_heap *heap, struct block_map *map)
{
	uint64_t headers[HEADER_BATCH][2];
	struct memory_piece pieces[HEADER_BATCH];

	for (size_t done = 0; done < heap->mapped.count; done += HEADER_BATCH) {
		size_t left = heap->mapped.count - done;
		size_t count = left < HEADER_BATCH ? left : HEADER_BATCH;

		for (size_t i = 0; i < count; i++)
			pieces[i] = (struct memory_piece){heap->mapped.items[done + i], headers[i],
							  sizeof(headers[i]), false};
		memory_read_pieces(heap->pid, pieces, count);
		for (size_t i = 0; i < count; i++) {
			uint64_t at = heap->mapped.items[done + i];
			uint64_t size = pieces[i].ok ? mapped_chunk_bytes(headers[i], 1ULL << 46)
						     : 0;
			int err;

			if (!size)
				continue;
			err = block_map_add(map, at + CHUNK_HEADER, at + size, BLOCK_WHOLE_SEGMENT);
			if (err)
				return err;
			block_segment_begin(&map->items[map->count - 1], 0);
		}
	}
	return 0;
}

#define DOUBTS_MAX 4 /* a thread may be about to count what it just mapped */

/*
 * A program's own memory may look like a mmapped chunk. If those found are more than malloc has counted, some are none;
 * which ones can't be told, so that none of them is taken for a block.
 */
static int check_mapped(struct glibc_heap *heap, struct block_map *map)
{
	uint64_t counted, found = 0;

	if (!heap->mapped_sum ||
	    !memory_read(heap->pid, heap->mapped_sum, &counted, sizeof(counted)))
		return 0;
	for (size_t i = 0; i < map->count; i++)
		if (map->items[i].shift == BLOCK_WHOLE_SEGMENT)
			found += map->items[i].end - map->items[i].start + CHUNK_HEADER;
	if (found <= counted)
		return 0;
	if (heap->standing && heap->mapped_doubts++ < DOUBTS_MAX)
		return -EAGAIN;
	block_map_remove_whole(map);
	return 0;
}

static int by_walk_start(const void *a, const void *b)
{
	const struct glibc_walk *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

int glibc_segments(struct glibc_heap *heap, const struct maps *maps,
		   struct stopped_process *threads, struct block_map *map)
{
	int err;

	vec_clear(&heap->arenas);
	vec_clear(&heap->walks);
	vec_clear(&heap->links);
	vec_clear(&heap->idle);
	vec_clear(&heap->fast);
	heap->walk = 0;
	/* A thread at work in malloc's own code holds the heap in two states; one that waits in the kernel does not. */
	err = heap->standing ? code_range_leave(&heap->text, threads) : 0;
	if (err)
		return err;
	err = add_arenas(heap, maps, map);
	if (err)
		return err;
	err = glibc_find_mapped(heap, maps);
	if (!err)
		err = add_mapped(heap, map);
	if (err)
		return err;
	block_map_seal(map);
	err = check_mapped(heap, map);
	if (err)
		return err;
	qsort(heap->walks.items, heap->walks.count, sizeof(*heap->walks.items), by_walk_start);
	return glibc_take_caches(heap, maps, threads, map);
}

int glibc_add_books(const struct glibc_heap *heap, struct address_ranges *books)
{
	int err = 0;

	/* A bin points to a free chunk's header, which begins within the block before it. */
	for (size_t i = 0; !err && i < heap->arenas.count; i++) {
		uint64_t at = heap->arenas.items[i];
		struct address_range arena = {at, at + ARENA_BYTES - heap->shift};

		err = vec_push(books, arena);
	}
	return err;
}
