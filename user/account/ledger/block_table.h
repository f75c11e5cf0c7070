/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live blocks of one ledger: (address, class family) -> size, time, site. Internal to the ledger.
 *
 * A slot is 24 bytes and holds no address but a key: the address under a bijection that a secret seed
 * chooses, so that nobody outside can make addresses that crowd together. Slots stand in the order of
 * their keys, each at or after the place its key's leading bits point to (linear probing, ordered: Amble
 * and Knuth, "Ordered hash tables", 1974): a search ends at the first greater key, found or not.
 *
 * The table is cut into pages by leading key bits (extendible hashing: Fagin et al. 1979). A page that is
 * full grows by a fifth, a large one splits in two: so growth costs no call more than copying one page, and
 * slack is bounded: slots are between 0.67 and 0.81 full while the table grows.
 */
#ifndef HOLDFAST_BLOCK_TABLE_H
#define HOLDFAST_BLOCK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/ledger/memory_bound.h"
#include "base/hashmap.h"

struct block_slot {
	uint64_t key; /* 0: free */
	uint64_t time_ns;
	uint32_t site;
	uint32_t size; /* BLOCK_SIZE_LARGE: in block_table.large */
};

struct block_page;

struct block_table {
	struct block_page **directory;   /* 1 << depth pointers, by leading key bits */
	uint64_t multiply[2], divide[2]; /* odd, and their inverses modulo 2^64 */
	uint64_t count;
	struct map64 large; /* key -> size of blocks of 4 GiB and more */
	struct memory_bound *memory;
	unsigned int depth;
};

struct block {
	uint64_t key, size_bytes, time_ns;
	uint32_t site;
};

int block_table_init(struct block_table *table, struct memory_bound *memory, uint64_t seed);
void block_table_done(struct block_table *table);

/* @tagged: the address with its family in the bits no address has. Only 0 has the key 0. */
static inline uint64_t block_key(const struct block_table *table, uint64_t tagged)
{
	uint64_t key = tagged * table->multiply[0];

	return (key ^ key >> 32) * table->multiply[1];
}

static inline uint64_t block_tagged(const struct block_table *table, uint64_t key)
{
	key *= table->divide[1];
	return (key ^ key >> 32) * table->divide[0];
}

/* Puts @block in, in place of one with its key: 1 and *ret_old, else 0. -ENOSPC, -ENOMEM: nothing changed. */
int block_table_put(struct block_table *table, const struct block *block, struct block *ret_old);
bool block_table_remove(struct block_table *table, uint64_t key, struct block *ret_old);
bool block_table_find(const struct block_table *table, uint64_t key, struct block *ret);
/* By ascending key until @visit returns non-zero, which is returned. */
int block_table_for_each(const struct block_table *table,
			 int (*visit)(const struct block *, void *user), void *user);
/* Order, places and counts hold: 0 or -EUCLEAN. */
int block_table_verify(const struct block_table *table);

#endif
