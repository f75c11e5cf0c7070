/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * range_table.h - address -> value, from ranges that may nest, overlap and lie.
 *
 * Built once from any list of ranges; where several cover an address, the one with the highest
 * priority answers. A look-up is one binary search, whatever the input looked like.
 * Building: O(n log n) time, at most 2n result ranges of 24 bytes. One thread.
 */
#ifndef HOLDFAST_SYMBOL_RANGE_TABLE_H
#define HOLDFAST_SYMBOL_RANGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

/* [start, end) -> value. Empty or reversed ranges are ignored. */
struct range_entry {
	uint64_t start, end;
	uint64_t value;
	uint32_t priority; /* distinct entries may share it: then the one with the later start wins */
};

VEC_STRUCT(range_entry_vec, struct range_entry);

/* Answers from `start` up to the next range's start. */
struct range {
	uint64_t start;
	uint64_t value;
	uint64_t origin; /* where the entry it comes from starts; UINT64_MAX: a gap */
};

struct range_table {
	struct range *ranges;
	size_t count;
};

/* Caller's storage for both. Reorders @entries; the caller keeps and frees them. 0 or -ENOMEM. */
int range_table_init(struct range_table *ret, struct range_entry *entries, size_t count);
void range_table_done(struct range_table *table);

/* False (nothing written) if no range covers @address. @ret_origin may be NULL. */
bool range_table_find(const struct range_table *table, uint64_t address, uint64_t *ret_value,
		      uint64_t *ret_origin);

#endif
