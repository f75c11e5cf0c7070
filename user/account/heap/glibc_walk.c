// SPDX-License-Identifier: GPL-2.0-or-later
/* Chunk after chunk, as the pages come by. */
#include <errno.h>
#include <stdlib.h>

#include "account/heap/glibc_internal.h"
#include "account/heap/memory_stream.h"

/* Neighbouring pages, as they were read. */
struct run {
	uint64_t address, end;
	const uint64_t *words;
};

static uint64_t word_at(const struct run *run, uint64_t address)
{
	return run->words[(address - run->address) / 8];
}

static int keep_link(struct glibc_heap *heap, const struct block_map *map, uint64_t block,
		     uint64_t word)
{
	uint64_t next = glibc_next_link(heap, map, block, word);

	/* Many live blocks begin with 0; a list that ends so is recognised by what is missing here. */
	if (next == GLIBC_BAD_LINK || !word)
		return 0;
	return vec_push(&heap->links, (struct glibc_link){block, next});
}

/* The end was reached: @at is the top chunk's header, or what closes a heap. */
static void finish(struct glibc_walk *walk, struct block_segment *s, uint64_t at)
{
	uint64_t user = at + CHUNK_HEADER;

	walk->done = true;
	if (at == walk->end && walk->top) {
		if (user < s->end) {
			block_segment_begin(s, block_index(s, user));
			bit_set(s->idle, block_index(s, user));
		}
	} else if (user > s->start && user < s->end) {
		/* Behind it is nobody knows what (memory that another caller of brk got): it may hold pointers. */
		s->end = user;
	}
}

/* What is no ordinary chunk: the end, or damage. */
static void take_odd(struct glibc_walk *walk, struct block_segment *s, uint64_t header)
{
	if (!(header & CHUNK_PREV_INUSE) && walk->previous)
		bit_set(s->idle, walk->previous - 1);
	/* A fence of two headers without content closes a heap. */
	if (walk->next == walk->end || (header & ~CHUNK_FLAGS) <= CHUNK_HEADER)
		finish(walk, s, walk->next);
	else
		walk->broken = true;
}

/* Most first words are no links: that is told without a call. */
static inline bool may_be_link(const struct block_map *map, bool mangled, uint64_t user,
			       uint64_t word)
{
	uint64_t plain = word ^ user >> 12;

	return !plain || !mangled ||
	       (plain % 16 == 0 && plain + CHUNK_HEADER - map->low < map->high - map->low);
}

/*
 * The target stands still meanwhile: the one loop here whose instructions count. Ends before a chunk that is odd, or
 * whose header is not in the run; its place is in the walk.
 */
static int take_chunks(struct glibc_heap *heap, struct glibc_walk *walk, struct block_segment *s,
		       const struct block_map *map, const struct run *run)
{
	const uint64_t limit = walk->end < run->end ? walk->end : run->end;
	uint64_t at = walk->next, index = (at + CHUNK_HEADER - s->start) / 16, word = UINT64_MAX;
	int err = 0;

	while (!err && at < limit) {
		const uint64_t *chunk = run->words + (at - run->address) / 8;
		uint64_t header = chunk[1], size = header & ~CHUNK_FLAGS, user = at + CHUNK_HEADER;

		if (size < CHUNK_MIN || size > walk->end - at || header & (CHUNK_MAPPED | 8))
			break;
		if (!(header & CHUNK_PREV_INUSE) && walk->previous)
			bit_set(s->idle, walk->previous - 1);
		bit_set(s->begins, index);
		if (word != index / 64) {
			word = index / 64;
			bit_set(s->some, word);
		}
		walk->previous = index + 1;
		index += size / 16;
		at += size;
		if (size > CHUNK_FAST_MAX)
			continue;
		if (user >= run->end)
			walk->pending_link = user;
		else if (may_be_link(map, heap->mangled, user, chunk[2]))
			err = keep_link(heap, map, user, chunk[2]);
	}
	walk->next = at;
	return err;
}

static int walk_run(struct glibc_heap *heap, struct glibc_walk *walk, struct block_segment *s,
		    const struct block_map *map, const struct run *run)
{
	int err = 0;

	if (walk->pending_link >= run->address && walk->pending_link < run->end) {
		err = keep_link(heap, map, walk->pending_link, word_at(run, walk->pending_link));
		walk->pending_link = 0;
	}
	if (err || walk->done || walk->broken || walk->next >= run->end)
		return err;
	if (walk->next < run->address) {
		walk->broken = true; /* its page was not there */
		return 0;
	}
	err = take_chunks(heap, walk, s, map, run);
	if (!err && walk->next < run->end)
		take_odd(walk, s, word_at(run, walk->next + 8));
	else if (walk->next == walk->end && !walk->top)
		walk->done = true;
	return err;
}

int glibc_take(struct glibc_heap *heap, struct block_map *map, uint64_t address,
	       const uint64_t *words, size_t page_count)
{
	struct run run = {address, address + page_count * PAGE_BYTES, words};

	for (; heap->walk < heap->walks.count; heap->walk++) {
		struct glibc_walk *walk = &heap->walks.items[heap->walk];
		struct block_segment *s;
		int err;

		if (walk->start - CHUNK_HEADER >= run.end)
			return 0;
		s = block_map_segment(map, walk->start);
		if (s && s->start == walk->start) {
			err = walk_run(heap, walk, s, map, &run);
			if (err)
				return err;
		}
		if (s && s->end > run.end)
			return 0;
	}
	return 0;
}

static int by_block(const void *a, const void *b)
{
	const struct glibc_link *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

static bool set_idle(struct block_map *map, uint64_t user)
{
	struct block_segment *s = block_map_segment(map, user);

	if (!s || s->dropped || user & ((1ULL << BLOCK_GRANULE_SHIFT) - 1) ||
	    !bit_get(s->begins, block_index(s, user)))
		return false;
	bit_set(s->idle, block_index(s, user));
	return true;
}

/* A fast bin's list holds blocks that are marked as in use. */
static bool settle_fast_bin(struct glibc_heap *heap, struct block_map *map, uint64_t head)
{
	struct glibc_link key = {.block = head};

	for (size_t i = 0; i <= heap->links.count; i++) {
		const struct glibc_link *link;

		if (!set_idle(map, key.block))
			return false;
		link = heap->links.count ? bsearch(&key, heap->links.items, heap->links.count,
						   sizeof(key), by_block)
					 : NULL;
		if (!link)
			return !heap->mangled;
		if (!link->next)
			return true;
		key.block = link->next + CHUNK_HEADER;
	}
	return false;
}

int glibc_settle(struct glibc_heap *heap, struct block_map *map)
{
	int err = 0;

	for (size_t i = 0; i < heap->walks.count; i++) {
		const struct glibc_walk *walk = &heap->walks.items[i];
		struct block_segment *s = block_map_segment(map, walk->start);

		if (walk->done && !walk->broken)
			continue;
		if (s)
			s->dropped = true;
		err = -EUCLEAN;
	}
	for (size_t i = 0; i < heap->idle.count; i++)
		if (!set_idle(map, heap->idle.items[i]))
			err = -EUCLEAN;
	for (size_t i = 0; i < heap->fast.count; i++)
		if (!settle_fast_bin(heap, map, heap->fast.items[i]))
			err = -EUCLEAN;
	return err;
}
