/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ledger remembers of each thread: its last allocation and the releases that may still be undone.
 * Internal to the ledger. At most LEDGER_MAX_THREADS; beyond, the one known longest is forgotten.
 */
#ifndef HOLDFAST_THREAD_TABLE_H
#define HOLDFAST_THREAD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/ledger/block_table.h"
#include "account/ledger/range_set.h"
#include "account/ledger/site_table.h"

struct pending_free {
	uint64_t address;
	struct block block; /* site 0: nothing was known at the address */
	struct site_mark mark;
	uint32_t label_row;
	uint8_t family;
};

/* A piece that an unmap took, or the part it cut off one. */
struct pending_piece {
	struct range range;
	struct site_mark mark;
};

struct thread_state {
	uint64_t last_key, last_time_ns; /* last allocation; key 0: none */
	struct pending_free *frees;      /* oldest first */
	struct pending_piece *pieces;    /* of the unmap under way, in the order of their removal */
	uint64_t unmap_address;
	size_t free_capacity, piece_count, piece_capacity;
	uint32_t tid;
	uint8_t free_count;
	bool used, unmap_pending;
};

struct thread_table {
	struct map64 by_tid; /* tid -> index into states */
	struct thread_state *states;
	uint32_t *unused; /* indexes given up; room for all states */
	size_t count, capacity, unused_count, hand, newest;
	uint64_t forgotten;
	struct memory_bound *memory;
};

void thread_table_init(struct thread_table *table, struct memory_bound *memory, uint64_t seed);
void thread_table_done(struct thread_table *table);

/* NULL if unknown. Valid until the next thread_table_get(). */
struct thread_state *thread_table_find(struct thread_table *table, uint32_t tid);
/* Made if unknown; NULL without memory. */
struct thread_state *thread_table_get(struct thread_table *table, uint32_t tid);
void thread_table_forget(struct thread_table *table, uint32_t tid);

/* False: no memory, the release is final. */
bool thread_push_free(struct thread_table *table, struct thread_state *thread,
		      const struct pending_free *pending);
bool thread_push_piece(struct thread_table *table, struct thread_state *thread,
		       const struct pending_piece *piece);
/* The newest free of @address, taken out. */
bool thread_take_free(struct thread_state *thread, uint64_t address, struct pending_free *ret);
/* The newest free of the family is final. */
void thread_confirm_free(struct thread_state *thread, uint8_t family);
/* So is the unmap. */
void thread_confirm_unmap(struct thread_table *table, struct thread_state *thread);

#endif
