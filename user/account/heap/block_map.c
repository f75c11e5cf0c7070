// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/block_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void block_map_init(struct block_map *map)
{
	memset(map, 0, sizeof(*map));
	map->low = UINT64_MAX;
}

static size_t bitmap_bytes(const struct block_segment *s)
{
	uint64_t summary = (s->words + 63) / 64;

	return (size_t)(3 * s->words + summary) * 8;
}

/* A mapping each would be a page each, and there may be tens of thousands that are one block. */
static bool is_small(const struct block_segment *s)
{
	return s->shift == BLOCK_WHOLE_SEGMENT;
}

static void segment_done(struct block_segment *s)
{
	if (is_small(s))
		free(s->begins);
	else if (s->begins)
		munmap(s->begins, bitmap_bytes(s));
	if (s->tails)
		munmap(s->tails, s->words * 64);
	free(s->ordinals);
	free(s->pages);
}

void block_map_done(struct block_map *map)
{
	for (size_t i = 0; i < map->count; i++)
		segment_done(&map->items[i]);
	free(map->items);
	block_map_init(map);
}

int block_map_add(struct block_map *map, uint64_t start, uint64_t end, unsigned int shift)
{
	struct block_segment s = {.start = start, .end = end, .shift = (uint8_t)shift};

	if (end <= start || end >> 47)
		return -EINVAL;
	if (map->count == map->capacity) {
		size_t capacity = map->capacity ? 2 * map->capacity : 64;
		struct block_segment *items = realloc(map->items, capacity * sizeof(*items));

		if (!items)
			return -ENOMEM;
		map->items = items;
		map->capacity = capacity;
	}
	s.words = (((end - start - 1) >> shift) + 64) / 64;
	s.begins = is_small(&s) ? calloc(1, bitmap_bytes(&s))
				: mmap(NULL, bitmap_bytes(&s), PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!s.begins || s.begins == MAP_FAILED)
		return -ENOMEM;
	s.idle = s.begins + s.words;
	s.reached = s.idle + s.words;
	s.some = s.reached + s.words;
	map->items[map->count++] = s;
	return 0;
}

int block_map_add_tails(struct block_map *map)
{
	struct block_segment *s = &map->items[map->count - 1];
	void *tails = mmap(NULL, s->words * 64, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (tails == MAP_FAILED)
		return -ENOMEM;
	s->tails = tails;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct block_segment *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void block_map_seal(struct block_map *map)
{
	size_t kept = 0;

	memset(map->filter, 0, sizeof(map->filter));
	if (map->count)
		qsort(map->items, map->count, sizeof(*map->items), by_start);
	for (size_t i = 0; i < map->count; i++) {
		struct block_segment *s = &map->items[i];

		if (kept && s->start < map->items[kept - 1].end) {
			segment_done(s);
			continue;
		}
		map->items[kept++] = *s;
	}
	map->count = kept;
	for (size_t i = 0; i < kept; i++) {
		uint64_t piece = map->items[i].start >> BLOCK_MAP_FILTER_SHIFT;
		uint64_t last = (map->items[i].end - 1) >> BLOCK_MAP_FILTER_SHIFT;

		if (last - piece >= BLOCK_MAP_FILTER_BITS)
			last = piece + BLOCK_MAP_FILTER_BITS - 1;
		for (; piece <= last; piece++)
			bit_set(map->filter, piece % BLOCK_MAP_FILTER_BITS);
	}
	map->low = kept ? map->items[0].start : UINT64_MAX;
	map->high = kept ? map->items[kept - 1].end : UINT64_MAX;
}

void block_map_remove_whole(struct block_map *map)
{
	size_t kept = 0;

	for (size_t i = 0; i < map->count; i++) {
		if (map->items[i].shift == BLOCK_WHOLE_SEGMENT)
			segment_done(&map->items[i]);
		else
			map->items[kept++] = map->items[i];
	}
	map->count = kept;
	block_map_seal(map);
}

/* Of the first segment that ends after @address. */
static size_t segment_after(const struct block_map *map, uint64_t address)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address >= map->items[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct block_segment *block_map_segment(const struct block_map *map, uint64_t address)
{
	size_t at;

	if (!block_map_may_hold(map, address))
		return NULL;
	at = segment_after(map, address);
	return at < map->count && address >= map->items[at].start ? &map->items[at] : NULL;
}

uint64_t block_map_next(const struct block_map *map, uint64_t address)
{
	size_t at = segment_after(map, address);

	if (at == map->count)
		return UINT64_MAX;
	return address > map->items[at].start ? address : map->items[at].start;
}

/* The last word before @word that is not zero, by the summary. False: none. */
static bool previous_word(const struct block_segment *s, uint64_t word, uint64_t *ret)
{
	uint64_t at = word / 64;
	uint64_t bits = s->some[at] & ((1ULL << word % 64) - 1);

	while (!bits) {
		if (!at)
			return false;
		bits = s->some[--at];
	}
	*ret = at * 64 + 63 - (uint64_t)__builtin_clzll(bits);
	return true;
}

static bool next_word(const struct block_segment *s, uint64_t word, uint64_t *ret)
{
	uint64_t at = word / 64, summary = (s->words + 63) / 64;
	uint64_t bits;

	if (word >= s->words)
		return false;
	bits = s->some[at] & ~0ULL << word % 64;
	while (!bits) {
		if (++at == summary)
			return false;
		bits = s->some[at];
	}
	*ret = at * 64 + (uint64_t)__builtin_ctzll(bits);
	return true;
}

/* The first begin at @index or later. */
static bool begin_from(const struct block_segment *s, uint64_t index, uint64_t *ret)
{
	uint64_t word = index / 64, bits;

	if (word >= s->words)
		return false;
	bits = s->begins[word] & ~0ULL << index % 64;
	if (!bits) {
		if (!next_word(s, word + 1, &word))
			return false;
		bits = s->begins[word];
	}
	*ret = word * 64 + (uint64_t)__builtin_ctzll(bits);
	return true;
}

static bool begin_up_to(const struct block_segment *s, uint64_t index, uint64_t *ret)
{
	uint64_t word = index / 64;
	uint64_t bits = s->begins[word] & ~0ULL >> (63 - index % 64);

	if (!bits) {
		if (!previous_word(s, word, &word))
			return false;
		bits = s->begins[word];
	}
	*ret = word * 64 + 63 - (uint64_t)__builtin_clzll(bits);
	return true;
}

bool block_begin_of(const struct block_segment *s, uint64_t address, uint64_t *ret_index)
{
	return !s->dropped && begin_up_to(s, block_index(s, address), ret_index);
}

struct block_ref block_at(struct block_segment *s, uint64_t index)
{
	uint64_t next;

	return (struct block_ref){
		.segment = s,
		.index = index,
		.start = s->start + (index << s->shift),
		.end = begin_from(s, index + 1, &next) ? s->start + (next << s->shift) : s->end,
	};
}

bool block_find(const struct block_map *map, uint64_t address, struct block_ref *ret)
{
	struct block_segment *s = block_map_segment(map, address);
	uint64_t index;

	if (!s || !block_begin_of(s, address, &index) || bit_get(s->idle, index))
		return false;
	*ret = block_at(s, index);
	return true;
}

bool block_next(struct block_segment *s, uint64_t index, struct block_ref *ret)
{
	uint64_t at;

	if (s->dropped || !begin_from(s, index, &at))
		return false;
	*ret = block_at(s, at);
	return true;
}

int block_map_number(struct block_map *map, uint32_t *ret_count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < map->count; i++) {
		struct block_segment *s = &map->items[i];
		uint32_t before = 0;

		if (!s->ordinals)
			s->ordinals = malloc(s->words * sizeof(*s->ordinals));
		if (!s->ordinals)
			return -ENOMEM;
		s->first_ordinal = (uint32_t)total;
		for (uint64_t w = 0; w < s->words; w++) {
			s->ordinals[w] = before;
			before += (uint32_t)__builtin_popcountll(s->begins[w]);
		}
		total += before;
		if (total >= UINT32_MAX)
			return -ENOMEM;
	}
	*ret_count = (uint32_t)total;
	return 0;
}

/* The word of @s in which the begin with that number lies. */
static uint64_t word_of(const struct block_segment *s, uint32_t number)
{
	uint64_t low = 0, high = s->words;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (s->ordinals[middle] <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

bool block_by_ordinal(const struct block_map *map, uint32_t ordinal, struct block_ref *ret)
{
	size_t low = 0, high = map->count;
	struct block_segment *s;
	uint64_t word, bits;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (map->items[middle].first_ordinal <= ordinal)
			low = middle;
		else
			high = middle;
	}
	if (!map->count || ordinal < map->items[low].first_ordinal)
		return false;
	s = &map->items[low];
	word = word_of(s, ordinal - s->first_ordinal);
	bits = s->begins[word];
	for (uint32_t n = ordinal - s->first_ordinal - s->ordinals[word]; n && bits; n--)
		bits &= bits - 1;
	if (!bits)
		return false;
	*ret = block_at(s, word * 64 + (uint64_t)__builtin_ctzll(bits));
	return true;
}
