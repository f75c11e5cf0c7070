// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/edges.h"

#include <errno.h>
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/memory_stream.h"

static void *take_memory(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

int edge_store_init(struct edge_store *store, uint64_t edge_max, uint64_t page_max)
{
	*store = (struct edge_store){.capacity = edge_max, .page_capacity = page_max};
	store->edges = take_memory(edge_max * sizeof(*store->edges));
	store->pages = take_memory(page_max * sizeof(*store->pages));
	if (store->edges && store->pages)
		return 0;
	edge_store_done(store);
	return -ENOMEM;
}

void edge_store_done(struct edge_store *store)
{
	if (store->edges)
		munmap(store->edges, store->capacity * sizeof(*store->edges));
	if (store->pages)
		munmap(store->pages, store->page_capacity * sizeof(*store->pages));
	memset(store, 0, sizeof(*store));
}

void edge_store_clear(struct edge_store *store)
{
	store->count = store->page_count = 0;
	store->full = false;
}

static void prefault(void *memory, uint64_t bytes)
{
	/* Where the kernel has no MADV_POPULATE_WRITE (before 5.14), they are faulted in later. */
	(void)madvise(memory, (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1), MADV_POPULATE_WRITE);
}

void edge_store_prefault(struct edge_store *store, uint64_t edge_count, uint64_t page_count)
{
	edge_count = edge_count < store->capacity ? edge_count : store->capacity;
	page_count = page_count < store->page_capacity ? page_count : store->page_capacity;
	prefault(store->edges, edge_count * sizeof(*store->edges));
	prefault(store->pages, page_count * sizeof(*store->pages));
}

/* The words of a group that lie between the first segment and the last; @bits: which. */
static inline uint64_t *take_words(const struct block_map *map, const uint64_t *words,
				   unsigned int first, unsigned int bits, uint64_t *out)
{
	for (; bits; bits &= bits - 1) {
		unsigned int i = first + (unsigned int)__builtin_ctz(bits);
		uint64_t piece = words[i] >> BLOCK_MAP_FILTER_SHIFT;

		/* No branch on the filter: the next word overwrites what it refuses. */
		*out = words[i] << 9 | i;
		out += map->filter[piece % BLOCK_MAP_FILTER_BITS / 64] >> piece % 64 & 1;
	}
	return out;
}

/* One page of words; returns the end of the edges. @out has room for all of them and one more. */
static uint64_t *take_page(const struct block_map *map, const uint64_t *words, uint64_t *out)
{
	const uint64_t low = map->low, span = map->high - map->low;

	for (unsigned int i = 0; i < PAGE_WORDS; i += 4) {
		unsigned int bits = 0;

		for (unsigned int k = 0; k < 4; k++)
			bits |= (unsigned int)(words[i + k] - low < span) << k;
		out = take_words(map, words, i, bits, out);
	}
	return out;
}

/* The same, four words at a time: most groups hold no pointer. */
__attribute__((target("avx2"))) static uint64_t *
take_page_avx2(const struct block_map *map, const uint64_t *words, uint64_t *out)
{
	/* There is no unsigned comparison: both sides are moved by 2^63. */
	const __m256i low = _mm256_set1_epi64x((long long)(map->low + (1ULL << 63)));
	const __m256i span = _mm256_set1_epi64x((long long)(map->high - map->low + (1ULL << 63)));

	for (unsigned int i = 0; i < PAGE_WORDS; i += 8) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(words + i));
		__m256i b = _mm256_loadu_si256((const __m256i *)(words + i + 4));
		__m256i in_a = _mm256_cmpgt_epi64(span, _mm256_sub_epi64(a, low));
		__m256i in_b = _mm256_cmpgt_epi64(span, _mm256_sub_epi64(b, low));
		unsigned int bits = (unsigned int)_mm256_movemask_pd(_mm256_castsi256_pd(in_a)) |
				    (unsigned int)_mm256_movemask_pd(_mm256_castsi256_pd(in_b))
					    << 4;

		if (bits)
			out = take_words(map, words, i, bits, out);
	}
	return out;
}

void edge_store_take(struct edge_store *store, const struct block_map *map, uint64_t address,
		     const uint64_t *words, size_t page_count)
{
	for (size_t i = 0; i < page_count; i++) {
		uint64_t *from = store->edges + store->count, *to;
		const uint64_t *page = words + i * PAGE_WORDS;

		if (store->count + PAGE_WORDS + 1 > store->capacity ||
		    store->page_count == store->page_capacity) {
			store->full = true;
			return;
		}
		to = __builtin_cpu_supports("avx2") ? take_page_avx2(map, page, from)
						    : take_page(map, page, from);
		if (to == from)
			continue;
		store->pages[store->page_count++] =
			(struct edge_page){address + i * PAGE_BYTES, store->count};
		store->count = (uint64_t)(to - store->edges);
	}
}

int edge_store_index(const struct edge_store *store, struct block_map *map)
{
	uint64_t page = 0;

	if (store->page_count >= UINT32_MAX)
		return -ENOMEM;
	for (size_t i = 0; i < map->count; i++) {
		struct block_segment *s = &map->items[i];
		uint64_t first = s->start / PAGE_BYTES;
		uint64_t count = (s->end - 1) / PAGE_BYTES - first + 1;

		free(s->pages);
		s->pages = malloc(count * sizeof(*s->pages));
		if (!s->pages)
			return -ENOMEM;
		for (uint64_t k = 0; k < count; k++) {
			while (page < store->page_count &&
			       store->pages[page].address / PAGE_BYTES < first + k)
				page++;
			s->pages[k] = (uint32_t)page;
		}
	}
	return 0;
}

/* The first edge of the page at word @word or later. */
static uint64_t first_at(const struct edge_store *store, uint64_t page, unsigned int word)
{
	uint64_t low = store->pages[page].first, high = edge_page_end(store, page);

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if ((store->edges[middle] & 511) < word)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void edge_walk_begin(struct edge_walk *walk, const struct edge_store *store,
		     const struct block_ref *block)
{
	const struct block_segment *s = block->segment;

	*walk = (struct edge_walk){.store = store, .start = block->start, .end = block->end};
	walk->page = s->pages[block->start / PAGE_BYTES - s->start / PAGE_BYTES];
	if (walk->page >= store->page_count)
		return;
	walk->page_end = edge_page_end(store, walk->page);
	walk->edge = store->pages[walk->page].address <= block->start
			     ? first_at(store, walk->page, block->start % PAGE_BYTES / 8)
			     : store->pages[walk->page].first;
}

bool edge_walk_next(struct edge_walk *walk, uint64_t *ret_source, uint64_t *ret_target)
{
	const struct edge_store *store = walk->store;
	uint64_t source;

	while (walk->page < store->page_count && walk->edge == walk->page_end) {
		if (++walk->page == store->page_count)
			return false;
		walk->page_end = edge_page_end(store, walk->page);
	}
	if (walk->page >= store->page_count)
		return false;
	source = edge_source(&store->pages[walk->page], store->edges[walk->edge]);
	if (source >= walk->end)
		return false;
	*ret_source = source;
	*ret_target = edge_target(store->edges[walk->edge++]);
	return true;
}
