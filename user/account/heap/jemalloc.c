// SPDX-License-Identifier: GPL-2.0-or-later
/* jemalloc's blocks: segments while the process stands still, the bits of each block when it runs again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/code_range.h"
#include "account/heap/jemalloc_internal.h"

/* An extent of that size is a segment of its own, or none: searching a bitmap for its bounds would take long. */
#define ALONE_BYTES   (4ULL << 20)
#define GRANULE_SHIFT 3
#define MISSED_MAX    5

/* The mapping of a file that the root lies in or right behind. */
static const struct mapping *module_of(const struct maps *maps, uint64_t address)
{
	const struct mapping *m = maps_find(maps, address);

	while (m && !m->inode && m > maps->items && m[-1].end == m->start)
		m--;
	return m && m->inode ? m : NULL;
}

/* All of a library of its own; in a program, its functions as far as they have names. */
static void find_text(struct jemalloc_heap *heap, const struct maps *maps)
{
	static const char *const names[] = {"malloc",
					    "free",
					    "calloc",
					    "realloc",
					    "malloc_usable_size",
					    "je_malloc",
					    "je_free",
					    "je_arena_cache_bin_fill_small",
					    "je_arena_dalloc_small",
					    "je_arena_palloc",
					    "je_tcache_alloc_small_hard",
					    "je_tcache_bin_flush_small",
					    "je_tcache_event_hard",
					    "je_tsd_fetch_slow",
					    "je_large_malloc",
					    NULL};
	const struct mapping *data = module_of(maps, heap->root);
	struct code_module module;

	if (!data)
		return;
	for (size_t i = 0; strstr(data->path, "libjemalloc") && i < maps->count; i++) {
		const struct mapping *m = &maps->items[i];

		if (!(m->prot & PROT_EXEC) || !mapping_same_file(m, data))
			continue;
		if (!heap->text.end)
			heap->text.start = m->start;
		heap->text.end = m->end;
	}
	if (heap->text.end || !code_module_open(heap->pid, maps, data, &module))
		return;
	code_range_widen(&module, names, 0, &heap->text);
	code_module_close(&module);
}

static void jemalloc_done(void *state)
{
	struct jemalloc_heap *heap = state;

	vec_done(&heap->leaves);
	map64_done(&heap->pages);
	vec_done(&heap->page_addresses);
	free(heap->copies);
	vec_done(&heap->extents);
	vec_done(&heap->cached);
	vec_done(&heap->caches);
	vec_done(&heap->stacks);
	vec_done(&heap->arenas);
	vec_done(&heap->bins);
	free(heap);
}

static int jemalloc_find(struct heap_place *place, void **ret_state)
{
	struct jemalloc_heap *heap = calloc(1, sizeof(*heap));
	int err;

	if (!heap)
		return -ENOMEM;
	heap->pid = place->pid;
	heap->stream = place->stream;
	map64_init(&heap->pages, hash_seed_random());
	err = jemalloc_find_root(heap, &place->maps, &place->found_at);
	if (!err) {
		find_text(heap, &place->maps);
		/* Makes room for what will be read when the process stands still. */
		err = jemalloc_read_extents(heap) == -ENOMEM ? -ENOMEM : 0;
	}
	if (err) {
		jemalloc_done(heap);
		return err;
	}
	*ret_state = heap;
	return 0;
}

/*
 * The bytes of a large block: its class's; 5.3.1 gives whole pages instead, all but one of the extent's. 0: its record
 * does not hold.
 */
static uint64_t large_bytes(const struct jemalloc_heap *heap, const struct jemalloc_extent *e)
{
	uint32_t class = jemalloc_class_of(heap->layout, e->bits);
	uint64_t size = jemalloc_class_bytes(class), pages = e->end - e->base - PAGE_BYTES;

	if (!size || size <= e->end - e->start)
		return size;
	return pages && pages < size && pages > jemalloc_class_bytes(class - 1) ? pages : 0;
}

static int add_book(struct heap_place *place, uint64_t start, uint64_t end)
{
	struct address_range range = {start, end};

	return start < end ? vec_push(&place->books, range) : 0;
}

/* Free memory holds no roots; nor does what surrounds a large block in its extent. */
static int add_alone(struct jemalloc_heap *heap, struct heap_place *place,
		     const struct jemalloc_extent *e, bool live)
{
	uint64_t size = live ? large_bytes(heap, e) : 0;
	int err;

	if (!live)
		return add_book(place, e->base, e->end);
	if (!size)
		return -EAGAIN;
	err = block_map_add(&place->map, e->start, e->start + size, BLOCK_WHOLE_SEGMENT);
	if (!err)
		err = add_book(place, e->base, e->start);
	return err ? err : add_book(place, e->start + size, e->end);
}

static int end_run(struct heap_place *place, struct address_range *run)
{
	int err = run->end > run->start
			  ? block_map_add(&place->map, run->start, run->end, GRANULE_SHIFT)
			  : 0;

	run->start = run->end = 0;
	return err;
}

/* Extents that follow each other are one segment. */
static int add_segments(struct jemalloc_heap *heap, struct heap_place *place)
{
	struct address_range run = {0, 0};
	int err = 0;

	for (size_t i = 0; !err && i < heap->extents.count; i++) {
		const struct jemalloc_extent *e = &heap->extents.items[i];
		bool live = jemalloc_is_active(heap->layout, e->bits);

		if (live && !maps_private_writable(&place->maps, e->base, e->end))
			return -EUCLEAN;
		if (e->base != run.end || e->end - e->base >= ALONE_BYTES)
			err = end_run(place, &run);
		if (err)
			break;
		if (e->end - e->base >= ALONE_BYTES) {
			err = add_alone(heap, place, e, live);
			continue;
		}
		if (!run.end)
			run.start = e->base;
		run.end = e->end;
	}
	return err ? err : end_run(place, &run);
}

/* Where they stay unknown, nothing may be called lost; the blocks and their types are told all the same. */
static int read_caches(struct jemalloc_heap *heap, const struct heap_place *place)
{
	int err = jemalloc_read_caches(heap, place);

	heap->caches_unknown = err == -EUCLEAN;
	if (heap->caches_unknown && ++heap->caches_missed >= MISSED_MAX)
		return 0;
	return err;
}

static int jemalloc_segments(void *state, struct heap_place *place)
{
	struct jemalloc_heap *heap = state;
	int err;

	heap->standing = place->stopped;
	err = place->stopped ? code_range_leave(&heap->text, place->stopped) : 0;
	if (!err)
		err = jemalloc_read_extents(heap);
	if (!err)
		err = read_caches(heap, place);
	if (!err)
		err = jemalloc_read_bins(heap);
	if (!err)
		err = add_segments(heap, place);
	if (err)
		return err;
	block_map_seal(&place->map);
	return jemalloc_add_base(heap, &place->maps, &place->books);
}

static void begin(struct block_segment *s, uint64_t address, bool idle)
{
	uint64_t index = block_index(s, address);

	block_segment_begin(s, index);
	if (idle)
		bit_set(s->idle, index);
}

static int settle_slab(const struct jemalloc_heap *heap, const struct jemalloc_extent *e,
		       struct block_segment *s)
{
	uint32_t class = jemalloc_class_of(heap->layout, e->bits);
	uint64_t size = class < SMALL_COUNT ? jemalloc_class_bytes(class) : 0;
	uint64_t count = size ? (e->end - e->base) / size : 0, word = 0, free_count = 0;

	if (!count || count > REGIONS_MAX || count * size != e->end - e->base)
		return -EAGAIN;
	for (uint64_t i = 0; i < count; i++) {
		/* A bit that is set says that the region is free. */
		if (i % 64 == 0 &&
		    !jemalloc_record_word(heap, e->record + RECORD_BITMAP + i / 8, &word))
			return -EUCLEAN;
		free_count += word >> i % 64 & 1;
		begin(s, e->base + i * size, word >> i % 64 & 1);
	}
	return free_count == (e->bits >> heap->layout->free_shift & NFREE_MASK) ? 0 : -EAGAIN;
}

static int settle_extent(const struct jemalloc_heap *heap, const struct jemalloc_extent *e,
			 struct block_segment *s)
{
	uint64_t size;

	if (s->shift == BLOCK_WHOLE_SEGMENT) {
		block_segment_begin(s, 0);
		return 0;
	}
	if (!jemalloc_is_active(heap->layout, e->bits)) {
		begin(s, e->base, true);
		return 0;
	}
	if (e->bits & RECORD_SLAB)
		return settle_slab(heap, e, s);
	size = large_bytes(heap, e);
	if (!size || e->start % 8) {
		begin(s, e->base, true);
		return -EAGAIN;
	}
	/* It begins somewhere in the first page, so that not all large blocks fall into the same cache lines. */
	if (e->start != e->base)
		begin(s, e->base, true);
	begin(s, e->start, false);
	if (e->start + size < e->end)
		begin(s, e->start + size, true);
	return 0;
}

/* A block in a cache must be one that its extent counts as in use: else it is on its way back. */
static bool settle_cached(const struct jemalloc_heap *heap, struct block_map *map,
			  const struct jemalloc_cached *cached)
{
	const struct jemalloc_extent *e = jemalloc_extent_of(heap, cached->block);
	struct block_ref block;

	if (!e || jemalloc_class_of(heap->layout, e->bits) != cached->class ||
	    !block_find(map, cached->block, &block) || block.start != cached->block)
		return false;
	bit_set(block.segment->idle, block.index);
	return true;
}

static int settle_extents(const struct jemalloc_heap *heap, struct block_map *map)
{
	struct block_segment *s = NULL;
	int result = 0;

	for (size_t i = 0; i < heap->extents.count; i++) {
		const struct jemalloc_extent *e = &heap->extents.items[i];
		uint64_t at = e->end - e->base >= ALONE_BYTES ? e->start : e->base;
		int err;

		if (!s || at < s->start || at >= s->end)
			s = block_map_segment(map, at);
		if (!s)
			continue; /* free memory */
		err = settle_extent(heap, e, s);
		if (err == -EUCLEAN || (err && heap->standing))
			result = err;
	}
	return result;
}

static int jemalloc_settle(void *state, struct heap_place *place)
{
	struct jemalloc_heap *heap = state;
	int err = settle_extents(heap, &place->map);

	for (size_t i = 0; !err && i < heap->cached.count; i++)
		if (!settle_cached(heap, &place->map, &heap->cached.items[i]) && heap->standing)
			err = -EAGAIN;
	/* The memory of the stacks themselves is a block too, full of pointers to freed ones. */
	for (size_t i = 0; !err && i < heap->stacks.count; i++) {
		struct block_ref block;

		if (block_find(&place->map, heap->stacks.items[i], &block))
			bit_set(block.segment->idle, block.index);
	}
	if (!err && heap->caches_unknown)
		err = -EUCLEAN;
	return err ? err : jemalloc_check_bins(heap);
}

const struct heap_walker jemalloc_walker = {
	.set = HEAP_JEMALLOC,
	.find = jemalloc_find,
	.segments = jemalloc_segments,
	.settle = jemalloc_settle,
	.done = jemalloc_done,
};
