/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process can still get at: everything that something outside the heap refers to, and what that refers to.
 *
 * Roots are the words of registers and red zones, and every word outside live blocks: globals, thread storage, stacks from
 * the stack pointer on, any other writable memory. A word refers to a block if it
 * points anywhere into it, or one past its end. What is left is lost: nothing in the process holds its address.
 *
 * Breadth first, so the way back over `parents` is a shortest one: from memory that is no stack if there is one, else from
 * a stack, else from a register. What a function left behind on its stack or in a register may point into the middle of
 * what a variable holds. One owner, one thread; linear in the edges.
 */
#ifndef HOLDFAST_HEAP_REACH_H
#define HOLDFAST_HEAP_REACH_H

#include <stddef.h>
#include <stdint.h>

#include "account/heap/block_map.h"
#include "account/heap/edges.h"
#include "base/vec.h"

struct reach_roots {
	const uint64_t *words; /* registers, red zones */
	size_t word_count;
	const struct address_range *dead; /* hold no roots; ascending, apart from each other */
	size_t dead_count;
	const struct address_range *stacks; /* mappings of stacks, likewise */
	size_t stack_count;
};

/* parents[ordinal of a block]: 0: nothing; REACH_ROOT + n: the n-th root source; else the holder's ordinal + 1. */
#define REACH_ROOT     0x80000000U
#define REACH_REGISTER UINT64_MAX /* as a root's source */

struct reach_paths {
	uint32_t *parents;     /* one per begin */
	VEC(uint64_t) sources; /* addresses of root words that were first to refer to a block */
};

/* Sets `reached` of the map's live blocks. @paths: NULL, or its parents zeroed. -ENOMEM. */
int reach_mark(struct block_map *map, const struct edge_store *store,
	       const struct reach_roots *roots, struct reach_paths *paths);

/* A reference that is no edge: from the block that begins at @from. */
struct reach_link {
	uint64_t from, to;
};

VEC_STRUCT(reach_links, struct reach_link);

struct reach_more {
	const uint64_t *targets;
	size_t count;
	struct reach_link *links; /* are sorted */
	size_t link_count;
};

/* Marks these blocks too, and what they reach over edges and links. -ENOMEM. */
int reach_mark_more(struct block_map *map, const struct edge_store *store,
		    const struct reach_more *more);

/* A block that nothing reaches. */
struct reach_lost {
	uint64_t start, size_bytes;
	bool indirect; /* a lost block refers to it, and it is not the first of its circle */
};

VEC_STRUCT(reach_lost_vec, struct reach_lost);

/* All of them, ascending. -ENOMEM. */
int reach_collect_lost(struct block_map *map, struct reach_lost_vec *ret);
/*
 * Tells the direct losses from those that only follow from another: of each circle of lost blocks that no other lost
 * block refers to, one is direct (Kosaraju's order). @lost: ascending.
 */
int reach_order_lost(struct block_map *map, const struct edge_store *store,
		     struct reach_lost_vec *lost);

#endif
