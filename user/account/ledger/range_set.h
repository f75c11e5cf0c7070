/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disjoint address ranges in order. Internal to the ledger. Sorted chunks of at most 128 ranges under one
 * sorted array of chunks: a change moves at most one chunk's ranges, and that array once in 64 insertions.
 */
#ifndef HOLDFAST_RANGE_SET_H
#define HOLDFAST_RANGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/ledger/memory_bound.h"

struct range {
	uint64_t start, end; /* end exclusive, > start */
	uint64_t time_ns;
	uint32_t site;
	uint32_t labels; /* a row of them, or LABEL_NO_ROW: the ledger's business */
};

struct range_chunk;

struct range_set {
	struct range_chunk **chunks;
	size_t chunk_count, chunk_capacity;
	uint64_t count, bytes;
	struct memory_bound *memory;
};

struct range_position {
	size_t chunk;
	uint32_t item;
};

void range_set_init(struct range_set *set, struct memory_bound *memory);
void range_set_done(struct range_set *set);

/* The first range that ends after @address; range_set_at() is NULL there if none does. */
struct range_position range_set_seek(const struct range_set *set, uint64_t address);
const struct range *range_set_at(const struct range_set *set, struct range_position position);
struct range_position range_set_next(const struct range_set *set, struct range_position position);

/* @range overlaps none that is there. -ENOSPC, -ENOMEM. Positions from before do not hold any more. */
int range_set_insert(struct range_set *set, const struct range *range);
/* Afterwards @position is that of the next range. */
void range_set_erase(struct range_set *set, struct range_position *position);
/* New bounds, still between the neighbours'. */
void range_set_resize(struct range_set *set, struct range_position position, uint64_t start,
		      uint64_t end);
/* 0 or -EUCLEAN. */
int range_set_verify(const struct range_set *set);

#endif
