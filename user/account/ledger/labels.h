/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Labels of one ledger's blocks: a block may have several, as the spans that it was allocated in, and counts to each. Internal
 * to the ledger. Nothing here costs anything where there are none.
 *
 * Blocks of one site with one set of labels are a row; sums are kept by row and by label. What finds no memory for its labels
 * has none, and is counted.
 */
#ifndef HOLDFAST_LEDGER_LABELS_H
#define HOLDFAST_LEDGER_LABELS_H

#include "account/ledger/ledger.h"
#include "account/ledger/memory_bound.h"
#include "base/hashmap.h"
#include "base/vec.h"

struct label_set {
	uint64_t id, origin;
	uint32_t labels[LEDGER_LABELS_MAX]; /* indexes */
	uint32_t count;
};

struct label_table {
	VEC(struct ledger_label) labels;
	VEC(struct label_set) sets;
	VEC(struct ledger_label_row) rows;
	struct map64 by_word, by_set; /* -> index */
	struct map64 by_row;          /* set << 32 | site -> index */
	struct map64 by_block;        /* the block's key -> row */
	struct memory_bound *memory;
	uint64_t refused;
};

#define LABEL_NO_ROW UINT32_MAX

void label_table_init(struct label_table *table, struct memory_bound *memory, uint64_t seed);
void label_table_done(struct label_table *table);

/* The row of such blocks, made if unknown; LABEL_NO_ROW: no memory. Counts the allocation. */
uint32_t label_count_alloc(struct label_table *table, const struct ledger_labels *labels,
			   site_id site, uint64_t bytes);
/* The block came to be held, or is held again. */
void label_gain(struct label_table *table, uint32_t row, uint64_t key, uint64_t bytes);
/* So much of @row came to be held or is held no more (negative): for what is not kept as blocks. */
void label_change(struct label_table *table, uint32_t row, int64_t bytes, int64_t count);
/* It is held no more: its row, LABEL_NO_ROW if it had no labels. */
uint32_t label_release(struct label_table *table, uint64_t key, uint64_t bytes);
/* The child's row of @site with the labels that the parent's @row has; LABEL_NO_ROW: there is none, or no memory. */
uint32_t label_inherit_row(struct label_table *child, const struct label_table *parent,
			   uint32_t row, site_id site);
/* The child's block @key_bytes[0], of @key_bytes[1] bytes, gets those that the parent's block @from has. */
void label_inherit(struct label_table *child, const struct label_table *parent, uint64_t from,
		   const uint64_t *key_bytes, site_id site);

#endif
