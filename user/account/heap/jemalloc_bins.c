// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The arenas' bins: locks that tell of a thread at work, and a count of regions in use that must be what the slabs say.
 * A thread that fills its cache takes regions before it says so; where it waits for memory meanwhile, only that count
 * tells.
 *
 * Only 5.3's are understood, and only without bin shards, which is the default: the other versions keep their bins
 * elsewhere. There, and where an arena's bins can't be found, this check is left out.
 */
#include <errno.h>
#include <stdlib.h>

#include "account/heap/jemalloc_internal.h"

/* struct bin_s, with the profile data that its mutex begins with. */
#define BIN_BYTES    224
#define BIN_LOCK     64
#define BIN_REGIONS  136
#define BIN_CURRENT  192 /* slab */
#define BINS_BYTES   (SMALL_COUNT * BIN_BYTES)
#define ARENA_SEARCH (256u << 10)
#define CURRENT_MIN  3  /* slabs in use that tell where the bins are */
#define FAILED_MAX   10 /* as often what seemed to be bins may not hold */

/* The arena that bins say they belong to. False: these words are no bins. */
static bool parse_bins(const struct jemalloc_heap *heap, const uint64_t *words, uint32_t *ret_arena)
{
	unsigned int current = 0;

	for (uint32_t i = 0; i < SMALL_COUNT; i++) {
		const uint64_t *bin = words + i * BIN_BYTES / 8;
		uint64_t record = bin[BIN_CURRENT / 8], bits;

		if ((uint32_t)bin[BIN_LOCK / 8] > 2 || bin[BIN_REGIONS / 8] >> 40)
			return false;
		if (!record)
			continue;
		/* A slab that was made just now may not be among the records that were read. */
		if (!jemalloc_record_word(heap, record, &bits) || !(bits & RECORD_SLAB) ||
		    jemalloc_class_of(heap->layout, bits) != i ||
		    (current && (bits & ARENA_MASK) != *ret_arena))
			return false;
		*ret_arena = bits & ARENA_MASK;
		current++;
	}
	return current >= CURRENT_MIN;
}

static int find_offset(struct jemalloc_heap *heap, uint64_t arena)
{
	uint64_t *words = calloc(1, ARENA_SEARCH);
	uint64_t size = ARENA_SEARCH;
	uint32_t index;

	if (!words)
		return -ENOMEM;
	while (size > BINS_BYTES && !memory_read(heap->pid, arena, words, size))
		size /= 2;
	for (uint64_t at = 0; at + BINS_BYTES <= size && !heap->bins_offset; at += 8)
		if (parse_bins(heap, words + at / 8, &index))
			heap->bins_offset = at;
	free(words);
	return 0;
}

static int take_arena(struct jemalloc_heap *heap, uint64_t arena)
{
	uint64_t words[BINS_BYTES / 8];
	uint32_t index;

	if (!memory_read(heap->pid, arena + heap->bins_offset, words, sizeof(words)))
		return 0;
	for (unsigned int i = 0; i < SMALL_COUNT; i++)
		if ((uint32_t)words[(i * BIN_BYTES + BIN_LOCK) / 8])
			return -EAGAIN;
	if (!parse_bins(heap, words, &index))
		return 0;
	for (uint32_t i = 0; i < SMALL_COUNT; i++) {
		struct jemalloc_bin bin = {index, i, words[(i * BIN_BYTES + BIN_REGIONS) / 8]};

		if (vec_push(&heap->bins, bin) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int jemalloc_read_bins(struct jemalloc_heap *heap)
{
	int err = 0;

	vec_clear(&heap->bins);
	if (!heap->standing || !heap->layout->depth_in_head || heap->bins_failed >= FAILED_MAX)
		return 0;
	if (heap->arenas.count)
		qsort(heap->arenas.items, heap->arenas.count, sizeof(*heap->arenas.items),
		      by_address);
	for (size_t i = 0; !err && !heap->bins_offset && i < heap->arenas.count; i++)
		err = find_offset(heap, heap->arenas.items[i]);
	for (size_t i = 0; !err && heap->bins_offset && i < heap->arenas.count; i++)
		if (!i || heap->arenas.items[i] != heap->arenas.items[i - 1])
			err = take_arena(heap, heap->arenas.items[i]);
	return err;
}

int jemalloc_check_bins(struct jemalloc_heap *heap)
{
	uint64_t(*regions)[SMALL_COUNT];
	int err = 0;

	if (!heap->bins.count)
		return 0;
	regions = calloc(ARENA_MASK + 1, sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	for (size_t i = 0; i < heap->extents.count; i++) {
		const struct jemalloc_extent *e = &heap->extents.items[i];
		uint32_t class = jemalloc_class_of(heap->layout, e->bits);

		if (!(e->bits & RECORD_SLAB) || !jemalloc_is_active(heap->layout, e->bits) ||
		    class >= SMALL_COUNT)
			continue;
		regions[e->bits & ARENA_MASK][class] +=
			(e->end - e->base) / jemalloc_class_bytes(class) -
			(e->bits >> heap->layout->free_shift & NFREE_MASK);
	}
	for (size_t i = 0; i < heap->bins.count; i++)
		if (regions[heap->bins.items[i].arena][heap->bins.items[i].class] !=
		    heap->bins.items[i].regions)
			err = -EAGAIN;
	free(regions);
	/* With more bins than one for a class they never do. */
	heap->bins_sure |= !err;
	heap->bins_failed += err && !heap->bins_sure;
	if (!heap->bins_sure)
		heap->bins_offset = 0;
	return heap->bins_failed >= FAILED_MAX ? 0 : err;
}
