// SPDX-License-Identifier: GPL-2.0-or-later
/* The walkers that are thin: glibc's, whose parts have files of their own, and the one that knows only traced blocks. */
#include <errno.h>
#include <stdlib.h>

#include "account/heap/glibc.h"
#include "account/heap/walker.h"

/* glibc: chunks are multiples of 16, and what is too small for one of its own stays with its neighbour. */
#define CHUNK_MIN     32
#define CHUNK_ALIGN   16
#define SMALLEST_MORE 24 /* of a request for next to nothing */

static uint64_t most_usable(enum heap_live_set set, const struct block_ref *block, uint64_t asked)
{
	uint64_t aligned = block->start & -block->start;

	switch (set) {
	case HEAP_GLIBC:
		if (block->segment->shift == BLOCK_WHOLE_SEGMENT)
			return asked + PAGE_BYTES + CHUNK_MIN;
		/* An aligned one keeps a whole least chunk (_int_memalign()). */
		return (asked > SMALLEST_MORE ? asked : SMALLEST_MORE) + CHUNK_ALIGN - 1 +
		       CHUNK_MIN;
	case HEAP_JEMALLOC:
		/* Four classes between two powers of two; one that is aligned gets that of its alignment. */
		asked += asked / 4 + CHUNK_ALIGN;
		return asked > aligned ? asked : aligned;
	default:
		return asked;
	}
}

bool heap_fits_request(enum heap_live_set set, const struct block_ref *block, uint64_t asked)
{
	uint64_t usable = heap_usable_bytes(set, block);

	return usable >= asked && usable <= most_usable(set, block, asked);
}

static int glibc_walker_find(struct heap_place *place, void **ret_state)
{
	struct glibc_heap *heap = malloc(sizeof(*heap));
	int err;

	if (!heap)
		return -ENOMEM;
	err = glibc_find(place->stream, &place->maps, heap);
	if (err) {
		free(heap);
		return err;
	}
	*ret_state = heap;
	return 0;
}

static int glibc_walker_segments(void *state, struct heap_place *place)
{
	struct glibc_heap *heap = state;
	int err;

	heap->standing = place->stopped;
	err = glibc_segments(heap, &place->maps, place->threads, &place->map);

	return err ? err : glibc_add_books(state, &place->books);
}

static int glibc_walker_take(void *state, struct heap_place *place, uint64_t address,
			     const uint64_t *words, size_t page_count)
{
	return glibc_take(state, &place->map, address, words, page_count);
}

static int glibc_walker_settle(void *state, struct heap_place *place)
{
	return glibc_settle(state, &place->map);
}

static void glibc_walker_done(void *state)
{
	glibc_done(state);
	free(state);
}

const struct heap_walker glibc_walker = {
	.set = HEAP_GLIBC,
	.find = glibc_walker_find,
	.segments = glibc_walker_segments,
	.take = glibc_walker_take,
	.settle = glibc_walker_settle,
	.done = glibc_walker_done,
};

static int traced_find(struct heap_place *place, void **ret_state)
{
	*ret_state = NULL;
	return place->options->known_count ? 0 : -ENOENT;
}

/* A mapping is a segment if a known block lies in it; whatever lies in none may hold pointers that count. */
static int traced_segments(void *state, struct heap_place *place)
{
	const struct heap_known *known = place->options->known;
	size_t count = place->options->known_count, k = 0;

	(void)state;
	for (size_t i = 0; i < place->maps.count; i++) {
		const struct mapping *m = &place->maps.items[i];
		int err;

		while (k < count && known[k].address < m->start)
			k++;
		if (k == count || known[k].address >= m->end)
			continue;
		/* Allocators for small blocks give out multiples of 8. */
		err = block_map_add(&place->map, m->start, m->end, 3);
		if (err)
			return err;
		place->map.items[place->map.count - 1].outside_is_root = true;
	}
	block_map_seal(&place->map);
	for (k = 0; k < count; k++) {
		uint64_t start = known[k].address & ~7ULL;
		uint64_t end = (known[k].address + known[k].size_bytes + 7) & ~7ULL;
		struct block_segment *s = block_map_segment(&place->map, start);

		if (!s || end < start)
			continue;
		block_segment_begin(s, block_index(s, start));
		bit_clear(s->idle, block_index(s, start));
		if (end < s->end && !bit_get(s->begins, block_index(s, end))) {
			block_segment_begin(s, block_index(s, end));
			bit_set(s->idle, block_index(s, end));
		}
	}
	return 0;
}

static int traced_settle(void *state, struct heap_place *place)
{
	(void)state;
	(void)place;
	return 0;
}

static void traced_done(void *state)
{
	(void)state;
}

const struct heap_walker traced_walker = {
	.set = HEAP_TRACED_ONLY,
	.find = traced_find,
	.segments = traced_segments,
	.settle = traced_settle,
	.done = traced_done,
};
