/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heap of glibc's malloc (2.26 to 2.41), found and walked from outside, without symbols: static and stripped
 * programs too.
 *
 * Source: malloc/malloc.c and malloc/arena.c of glibc. main_arena is found by its bins, the empty ones of which
 * refer to themselves; the other arenas by malloc_state.next, their heaps by heap_info (64 MiB aligned, .prev); chunks
 * from the heap's first one by their sizes; free ones by the next chunk's PREV_INUSE, by the fast bins and the threads'
 * caches, whose links are mangled since 2.32; mmapped chunks by their header at a page's start.
 *
 *	glibc_find()		while the process runs: its arenas
 *	glibc_segments()	stopped: the segments of this moment, into a block map
 *	glibc_take()		for every page of it, in ascending order: chunks
 *	glibc_settle()		what is in fast bins and caches is idle; do the numbers add up?
 *
 * Everything read is hostile: chains end by count, addresses must lie in the heap, or the segment is dropped.
 */
#ifndef HOLDFAST_HEAP_GLIBC_H
#define HOLDFAST_HEAP_GLIBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/block_map.h"
#include "account/heap/memory_stream.h"
#include "account/heap/stop.h"
#include "base/vec.h"
#include "process/proc/maps.h"

/* One heap of an arena while its chunks are walked; segment i of the map belongs to walk i. */
struct glibc_walk {
	uint64_t start;    /* of its segment: walks are looked up by it */
	uint64_t next;     /* header of the next chunk */
	uint64_t end;      /* of the heap, or the top chunk's header */
	uint64_t top;      /* 0: the arena's top lies elsewhere */
	uint64_t previous; /* granule of the chunk before, + 1; 0: none */
	uint64_t pending_link; /* the first word of a small chunk, in a page that is still to come; 0: none */
	bool done, broken;
};

/* A chunk that may be in a fast bin: its first word is a link. */
struct glibc_link {
	uint64_t block, next;
};

struct glibc_heap {
	int pid;
	struct memory_stream *stream; /* borrowed */
	uint64_t main_arena;
	uint64_t first_chunk; /* of the main heap */
	uint64_t mapped_sum;  /* where the bytes of all mmapped chunks are counted; 0: not known */
	unsigned int mapped_doubts; /* looks at which that did not fit */
	bool standing;              /* the process is stopped: locks and caches tell the truth */
	bool mangled;               /* links are xor-ed with their place; false: not known yet */
	uint32_t shift;             /* 8 before 2.27: malloc_state has a word less */
	struct address_range text;  /* of malloc's functions, if known */
	VEC(uint64_t) arenas;
	VEC(struct glibc_walk) walks;
	VEC(uint64_t) mapped;           /* headers of mmapped chunks */
	struct address_ranges searched; /* mappings, for mmapped chunks; ascending */
	VEC(struct glibc_link) links;
	VEC(uint64_t) idle; /* user addresses in the threads' caches */
	VEC(uint64_t) fast; /* heads of the fast bins: user addresses */
	size_t walk;        /* under way */
};

/* @stream: of the process, must outlive the result. -ENOENT: no such allocator there. */
int glibc_find(struct memory_stream *stream, const struct maps *maps, struct glibc_heap *ret);
void glibc_done(struct glibc_heap *heap);

/* @threads: NULL if they aren't known. -EAGAIN: a thread is at work in there, look again in a moment; -EUCLEAN: it is not what it seemed; -ENOMEM. */
int glibc_segments(struct glibc_heap *heap, const struct maps *maps,
		   struct stopped_process *threads, struct block_map *map);
/* Its own books: what they point to is not held by that. -ENOMEM. */
int glibc_add_books(const struct glibc_heap *heap, struct address_ranges *books);
/* What of neighbouring pages belongs to the walks. -ENOMEM. */
int glibc_take(struct glibc_heap *heap, struct block_map *map, uint64_t address,
	       const uint64_t *words, size_t page_count);
/* -EUCLEAN: chains that don't hold; what was walked to its end may still be trusted where this returns 0. */
int glibc_settle(struct glibc_heap *heap, struct block_map *map);

#endif
