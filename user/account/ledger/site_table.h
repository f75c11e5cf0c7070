/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The call sites of one ledger: (stack, class) -> totals, histograms, window minimum, and the list of those
 * that changed in this window. Internal to the ledger. Sites never move and are never removed.
 */
#ifndef HOLDFAST_SITE_TABLE_H
#define HOLDFAST_SITE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/ledger/ledger.h"
#include "account/ledger/memory_bound.h"

/* The tag spares most looks at sites that are not meant. */
struct site_slot {
	uint32_t tag;
	site_id id; /* 0: free */
};

struct site_table {
	struct call_site **chunks;
	struct site_slot *index; /* open addressing */
	site_id *changed;        /* room for every site */
	uint32_t *frozen_slots;  /* of a copy: all histograms in one piece */
	size_t count, chunk_capacity, index_capacity, changed_count, changed_capacity;
	uint64_t seed, histogram_lost;
	struct memory_bound *memory;
	uint32_t window;
};

/* What a release changed beyond sums, to take it back exactly. */
struct site_mark {
	uint64_t last_free_ns, window_min_bytes;
	uint32_t window;
	uint8_t lifetime_slot; /* NO_LIFETIME: none counted */
	bool temporary, ended; /* ended: not only a part of a mapping */
};

#define NO_LIFETIME UINT8_MAX

void site_table_init(struct site_table *table, struct memory_bound *memory, uint64_t seed);
void site_table_done(struct site_table *table);
int site_table_copy(const struct site_table *from, struct site_table *to);

struct call_site *site_table_at(const struct site_table *table, site_id id);
/* Made if unknown. -ENOSPC, -ENOMEM. */
struct site_key {
	stack_id stack;
	uint8_t class;
	bool followed;
};

int site_table_get(struct site_table *table, const struct site_key *key, site_id *ret);
void site_table_begin_window(struct site_table *table);

/* Counts an allocation, kept or not. */
void site_count_alloc(struct site_table *table, site_id id, uint64_t size_bytes, uint64_t time_ns);
/* Outstanding grows; @pieces may be 0. */
void site_gain(struct site_table *table, site_id id, uint64_t bytes, uint32_t pieces);

struct site_release {
	uint64_t bytes, born_ns, time_ns;
	bool ended, temporary, lifetime_known;
};

/* Outstanding falls; returns what site_unrelease() needs. */
struct site_mark site_release(struct site_table *table, site_id id,
			      const struct site_release *release);
void site_unrelease(struct site_table *table, site_id id, uint64_t bytes,
		    const struct site_mark *mark);

#endif
