/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of a process's memory that point into its heap, and where they stand: all that is kept of a snapshot.
 *
 * 8 bytes a pointer: its value (47 bits) and its place in its page (9 bits). Pages stand in ascending order. The bound
 * is the caller's; past it the store is `full`, and nothing may be called lost. One owner, one thread.
 */
#ifndef HOLDFAST_HEAP_EDGES_H
#define HOLDFAST_HEAP_EDGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/block_map.h"

struct edge_page {
	uint64_t address;
	uint64_t first; /* of its edges; they end where the next page's begin */
};

struct edge_store {
	uint64_t *edges;
	uint64_t count, capacity;
	struct edge_page *pages;
	uint64_t page_count, page_capacity;
	bool full;
};

/* Room for @edge_max edges; memory is taken as it is touched. -ENOMEM. */
int edge_store_init(struct edge_store *store, uint64_t edge_max, uint64_t page_max);
void edge_store_done(struct edge_store *store);
void edge_store_clear(struct edge_store *store);
/* Touches the memory for so many, so that taking them costs no page faults. */
void edge_store_prefault(struct edge_store *store, uint64_t edge_count, uint64_t page_count);

/* Takes what points into @map out of neighbouring pages. Addresses of later calls must be higher. */
void edge_store_take(struct edge_store *store, const struct block_map *map, uint64_t address,
		     const uint64_t *words, size_t page_count);

/* After the last take: finds the pages of the map's segments at once. -ENOMEM. */
int edge_store_index(const struct edge_store *store, struct block_map *map);

/* The edges of one block, in ascending order; valid for a map that was indexed. */
struct edge_walk {
	const struct edge_store *store;
	uint64_t page, edge, page_end; /* end: of the edges of this page */
	uint64_t start, end;           /* of the block */
};

void edge_walk_begin(struct edge_walk *walk, const struct edge_store *store,
		     const struct block_ref *block);
/* False: no more. */
bool edge_walk_next(struct edge_walk *walk, uint64_t *ret_source, uint64_t *ret_target);

static inline uint64_t edge_target(uint64_t edge)
{
	return edge >> 9;
}

static inline uint64_t edge_source(const struct edge_page *page, uint64_t edge)
{
	return page->address + (edge & 511) * 8;
}

static inline uint64_t edge_page_end(const struct edge_store *store, uint64_t page)
{
	return page + 1 < store->page_count ? store->pages[page + 1].first : store->count;
}

#endif
