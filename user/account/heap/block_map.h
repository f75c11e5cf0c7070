/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the blocks of a heap are: one bit per granule (16 bytes) says that a block begins there. It is what every
 * allocator's walker fills in and all that the rest of this folder knows of allocators.
 *
 * A segment is a range that one allocator owns. A begin that is idle is no live block: freed, or the allocator's own.
 * A block ends where the next begin is (idle or not), or with the segment. Blocks never overlap.
 *
 *	block_map_add() for each segment, block_map_seal(), then block_segment_begin() and block_find() in any order
 *
 * Cost: 3 bits per granule, 1/42 of the heap, taken from the kernel as it is touched. One owner, one thread.
 */
#ifndef HOLDFAST_HEAP_BLOCK_MAP_H
#define HOLDFAST_HEAP_BLOCK_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

#define BLOCK_GRANULE_SHIFT 4
/* The shift of a segment that is one block. */
#define BLOCK_WHOLE_SEGMENT 63

struct address_range {
	uint64_t start, end; /* [start, end) */
};

VEC_STRUCT(address_ranges, struct address_range);

struct block_segment {
	uint64_t start, end; /* [start, end) */
	uint64_t words;      /* of each bitmap */
	uint64_t *begins;    /* a block, or an idle piece, begins */
	uint64_t *idle;      /* of these: no live block */
	uint64_t *reached;   /* of these: something refers to it */
	uint64_t *some;      /* bit per word of begins: not zero */
	uint32_t *pages; /* of each page, its place in an edge store; NULL: see edge_store_index() */
	uint8_t *tails; /* by granule of a begin: bytes at the block's end that no program may use; NULL: none */
	uint32_t *ordinals; /* begins before each word; NULL until block_map_number() */
	uint32_t first_ordinal;
	uint8_t shift;        /* of a granule */
	bool mapping;         /* one that the program made itself, no allocator's */
	bool outside_is_root; /* what lies in no live block may hold pointers that count */
	bool dropped; /* its walker gave up: it has no blocks, all of it may hold pointers */
};

#define BLOCK_MAP_FILTER_SHIFT 21
#define BLOCK_MAP_FILTER_BITS  65536

struct block_map {
	struct block_segment *items; /* by start once sealed */
	size_t count, capacity;
	uint64_t low, high; /* all segments lie in [low, high) */
	/* Which 2-MiB pieces of the address space (modulo the table's size) hold a part of a segment. */
	uint64_t filter[BLOCK_MAP_FILTER_BITS / 64];
};

/* A live block. */
struct block_ref {
	struct block_segment *segment;
	uint64_t index;      /* of its granule */
	uint64_t start, end; /* [start, end) */
};

void block_map_init(struct block_map *map);
void block_map_done(struct block_map *map);
/* @shift: BLOCK_GRANULE_SHIFT, less for allocators with smaller classes, or BLOCK_WHOLE_SEGMENT. 0, -EINVAL, -ENOMEM. */
int block_map_add(struct block_map *map, uint64_t start, uint64_t end, unsigned int shift);
/* Makes room for the tails of the segment added last. -ENOMEM. */
int block_map_add_tails(struct block_map *map);
/* Sorts. Of segments that overlap, the later one is left out. */
void block_map_seal(struct block_map *map);
/* Takes the segments that are one block out again; of a sealed map. */
void block_map_remove_whole(struct block_map *map);
/* Numbers all begins: 0, or -ENOMEM. *ret_count: of them. */
int block_map_number(struct block_map *map, uint32_t *ret_count);

static inline bool block_map_may_hold(const struct block_map *map, uint64_t address)
{
	uint64_t piece = address >> BLOCK_MAP_FILTER_SHIFT;

	return map->filter[piece % BLOCK_MAP_FILTER_BITS / 64] >> (piece % 64) & 1 &&
	       address - map->low < map->high - map->low;
}

/* NULL: in none. */
struct block_segment *block_map_segment(const struct block_map *map, uint64_t address);
/* The first address at @address or later that lies in a segment; UINT64_MAX: none. */
uint64_t block_map_next(const struct block_map *map, uint64_t address);
/* The live block that covers @address: its first byte or any other. False: none. */
bool block_find(const struct block_map *map, uint64_t address, struct block_ref *ret);
/* The begin at or before @address, live or not. False: none. */
bool block_begin_of(const struct block_segment *segment, uint64_t address, uint64_t *ret_index);
/* A live block by the granule at which it begins. */
struct block_ref block_at(struct block_segment *segment, uint64_t index);
/* The next begin of @segment from granule @index on, live or not. False: none. */
bool block_next(struct block_segment *segment, uint64_t index, struct block_ref *ret);

static inline uint64_t block_index(const struct block_segment *segment, uint64_t address)
{
	return (address - segment->start) >> segment->shift;
}

static inline bool bit_get(const uint64_t *bits, uint64_t index)
{
	return bits[index / 64] >> index % 64 & 1;
}

static inline void bit_set(uint64_t *bits, uint64_t index)
{
	bits[index / 64] |= 1ULL << index % 64;
}

static inline void bit_clear(uint64_t *bits, uint64_t index)
{
	bits[index / 64] &= ~(1ULL << index % 64);
}

static inline void block_segment_begin(struct block_segment *segment, uint64_t index)
{
	bit_set(segment->begins, index);
	bit_set(segment->some, index / 64);
}

/* Its number among all begins of the map; after block_map_number(). */
static inline uint32_t block_ordinal(const struct block_segment *segment, uint64_t index)
{
	uint64_t below = segment->begins[index / 64] & ((1ULL << index % 64) - 1);

	return segment->first_ordinal + segment->ordinals[index / 64] +
	       (uint32_t)__builtin_popcountll(below);
}

/* The opposite. */
bool block_by_ordinal(const struct block_map *map, uint32_t ordinal, struct block_ref *ret);

#endif
