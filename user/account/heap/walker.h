/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the live blocks of one allocator are listed from outside: one line in heap_walkers[] and one file each.
 *
 *	find()		while the process runs: is this allocator there, where does it keep its books?
 *	segments()	at the moment of the look (the process stands still, if it is stopped at all): segments into the
 *			map, sealed; what is known of blocks then
 *	take()		each page of writable memory, in ascending order; NULL: not needed
 *	settle()	afterwards, the process runs again: the last word on what is idle
 *
 * Everything read is hostile. A walker that finds its books contradicting themselves says so (-EUCLEAN), and marks the
 * segments concerned as dropped: it never guesses.
 */
#ifndef HOLDFAST_HEAP_WALKER_H
#define HOLDFAST_HEAP_WALKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/block_map.h"
#include "account/heap/heap.h"
#include "account/heap/memory_stream.h"
#include "account/heap/stop.h"
#include "process/proc/maps.h"

struct heap_place {
	int pid;
	const struct heap_scan_options *options;
	struct memory_stream *stream;
	struct maps maps;                /* of the moment */
	struct stopped_process *stopped; /* NULL: it runs */
	struct stopped_process *threads; /* as they were when last stopped; NULL: not known */
	struct block_map map;
	struct address_ranges books; /* the allocator's own memory outside the map: holds no roots */
	uint64_t found_at; /* find(): where the look before found them, to be proved; then where they are; 0: not known */
};

struct heap_walker {
	enum heap_live_set set;
	/* 0 and the walker's state; -ENOENT: not this allocator; other errors end the scan. */
	int (*find)(struct heap_place *place, void **ret_state);
	/* -EAGAIN: not at this moment, look again; -EUCLEAN; -ENOMEM. */
	int (*segments)(void *state, struct heap_place *place);
	int (*take)(void *state, struct heap_place *place, uint64_t address, const uint64_t *words,
		    size_t page_count);
	int (*settle)(void *state, struct heap_place *place);
	void (*done)(void *state);
};

/* What the program may use of a block that begins and ends so. */
static inline uint64_t heap_usable_bytes(enum heap_live_set set, const struct block_ref *block)
{
	uint64_t size = block->end - block->start;

	/* glibc: the block's last word is the next chunk's first, its header's second word is not; an mmapped one has
	 * no chunk behind it (malloc_usable_size()). */
	if (set == HEAP_GLIBC && block->segment->shift != BLOCK_WHOLE_SEGMENT)
		return size > 8 ? size - 8 : size;
	/* jemalloc: blocks end where their size class does. musl: the size that was asked for. */
	return block->segment->tails ? size - block->segment->tails[block->index] : size;
}

/* May that be the block that a request for @asked bytes got? */
bool heap_fits_request(enum heap_live_set set, const struct block_ref *block, uint64_t asked);

extern const struct heap_walker glibc_walker, jemalloc_walker, musl_walker, traced_walker;

#endif
