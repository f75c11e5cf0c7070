/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/ledger/labels.h"

#include <errno.h>

#include "account/ledger/ledger_internal.h"

/* What the maps take for an entry, at most. */
#define ENTRY_BYTES 48

void label_table_init(struct label_table *table, struct memory_bound *memory, uint64_t seed)
{
	*table = (struct label_table){.memory = memory};
	map64_init(&table->by_word, hash_u64(1, seed));
	map64_init(&table->by_set, hash_u64(2, seed));
	map64_init(&table->by_row, hash_u64(3, seed));
	map64_init(&table->by_block, hash_u64(4, seed));
}

void label_table_done(struct label_table *table)
{
	vec_done(&table->labels);
	vec_done(&table->sets);
	vec_done(&table->rows);
	map64_done(&table->by_word);
	map64_done(&table->by_set);
	map64_done(&table->by_row);
	map64_done(&table->by_block);
}

static int get_label(struct label_table *table, uint64_t word, uint32_t *ret)
{
	uint64_t at;

	if (map64_get(&table->by_word, word, &at)) {
		*ret = (uint32_t)at;
		return 0;
	}
	if (!memory_take(table->memory, ENTRY_BYTES + sizeof(struct ledger_label)))
		return -ENOSPC;
	*ret = (uint32_t)table->labels.count;
	return vec_push(&table->labels, (struct ledger_label){.word = word}) ||
			       map64_put(&table->by_word, word, *ret)
		       ? -ENOMEM
		       : 0;
}

static int add_set(struct label_table *table, const struct ledger_labels *labels, uint32_t *ret)
{
	struct label_set set = {.id = labels->id, .origin = labels->origin};
	int err = memory_take(table->memory, ENTRY_BYTES + sizeof(set)) ? 0 : -ENOSPC;

	for (uint32_t i = 0; !err && i < labels->count && i < LEDGER_LABELS_MAX; i++)
		err = get_label(table, labels->words[i], &set.labels[set.count++]);
	if (!err)
		err = vec_push(&table->sets, set);
	*ret = (uint32_t)table->sets.count - 1;
	return err ? err : map64_put(&table->by_set, labels->id, *ret);
}

static int get_row(struct label_table *table, uint32_t set, site_id site, uint32_t *ret)
{
	uint64_t key = (uint64_t)set << 32 | site, at;
	struct ledger_label_row row = {
		.site = site, .set = set, .origin = table->sets.items[set].origin};

	if (map64_get(&table->by_row, key, &at)) {
		*ret = (uint32_t)at;
		return 0;
	}
	if (table->rows.count >= LABEL_NO_ROW ||
	    !memory_take(table->memory, ENTRY_BYTES + sizeof(row)))
		return -ENOSPC;
	*ret = (uint32_t)table->rows.count;
	return vec_push(&table->rows, row) || map64_put(&table->by_row, key, *ret) ? -ENOMEM : 0;
}

static uint32_t refuse(struct label_table *table)
{
	table->refused++;
	return LABEL_NO_ROW;
}

uint32_t label_count_alloc(struct label_table *table, const struct ledger_labels *labels,
			   site_id site, uint64_t bytes)
{
	uint32_t set, row;
	uint64_t at;
	int err = 0;

	if (map64_get(&table->by_set, labels->id, &at))
		set = (uint32_t)at;
	else
		err = add_set(table, labels, &set);
	if (err || get_row(table, set, site, &row))
		return refuse(table);
	table->rows.items[row].allocs++;
	table->rows.items[row].alloc_bytes += bytes;
	for (uint32_t i = 0; i < table->sets.items[set].count; i++) {
		struct ledger_label *label = &table->labels.items[table->sets.items[set].labels[i]];

		label->allocs++;
		label->alloc_bytes += bytes;
	}
	return row;
}

void label_change(struct label_table *table, uint32_t index, int64_t bytes, int64_t count)
{
	struct ledger_label_row *row;
	const struct label_set *set;

	if (index == LABEL_NO_ROW)
		return;
	row = &table->rows.items[index];
	set = &table->sets.items[row->set];
	row->outstanding_bytes += (uint64_t)bytes;
	row->outstanding_count += (uint64_t)count;
	for (uint32_t i = 0; i < set->count; i++) {
		struct ledger_label *label = &table->labels.items[set->labels[i]];

		label->outstanding_bytes += (uint64_t)bytes;
		label->outstanding_count += (uint64_t)count;
		if (label->peak_bytes < label->outstanding_bytes)
			label->peak_bytes = label->outstanding_bytes;
	}
}

void label_gain(struct label_table *table, uint32_t row, uint64_t key, uint64_t bytes)
{
	if (row == LABEL_NO_ROW)
		return;
	if (!memory_take(table->memory, ENTRY_BYTES)) {
		refuse(table);
		return;
	}
	if (map64_put(&table->by_block, key, row)) {
		memory_give(table->memory, ENTRY_BYTES);
		refuse(table);
		return;
	}
	label_change(table, row, (int64_t)bytes, 1);
}

uint32_t label_release(struct label_table *table, uint64_t key, uint64_t bytes)
{
	uint64_t row;

	if (!table->by_block.count || !map64_remove(&table->by_block, key, &row))
		return LABEL_NO_ROW;
	memory_give(table->memory, ENTRY_BYTES);
	label_change(table, (uint32_t)row, -(int64_t)bytes, -1);
	return (uint32_t)row;
}

uint32_t label_inherit_row(struct label_table *child, const struct label_table *parent,
			   uint32_t from, site_id site)
{
	uint64_t words[LEDGER_LABELS_MAX], at;
	const struct label_set *set;
	struct ledger_labels labels = {.words = words};
	uint32_t row, own;

	if (from == LABEL_NO_ROW)
		return LABEL_NO_ROW;
	set = &parent->sets.items[parent->rows.items[from].set];
	labels.id = set->id;
	labels.origin = set->origin;
	labels.count = set->count;
	for (uint32_t i = 0; i < set->count; i++)
		words[i] = parent->labels.items[set->labels[i]].word;
	if (map64_get(&child->by_set, labels.id, &at))
		own = (uint32_t)at;
	else if (add_set(child, &labels, &own))
		own = LABEL_NO_ROW;
	if (own == LABEL_NO_ROW || get_row(child, own, site, &row))
		row = refuse(child);
	return row;
}

void label_inherit(struct label_table *child, const struct label_table *parent, uint64_t from,
		   const uint64_t *key_bytes, site_id site)
{
	uint64_t at;

	if (!parent->by_block.count || !map64_get(&parent->by_block, from, &at))
		return;
	label_gain(child, label_inherit_row(child, parent, (uint32_t)at, site), key_bytes[0],
		   key_bytes[1]);
}

size_t ledger_label_count(const struct ledger *ledger)
{
	return ledger->labels.labels.count;
}

const struct ledger_label *ledger_label(const struct ledger *ledger, size_t index)
{
	return index < ledger->labels.labels.count ? &ledger->labels.labels.items[index] : NULL;
}

size_t ledger_label_row_count(const struct ledger *ledger)
{
	return ledger->labels.rows.count;
}

const struct ledger_label_row *ledger_label_row(const struct ledger *ledger, size_t index,
						const uint32_t **ret_labels, uint32_t *ret_count)
{
	const struct ledger_label_row *row = &ledger->labels.rows.items[index];

	*ret_labels = ledger->labels.sets.items[row->set].labels;
	*ret_count = ledger->labels.sets.items[row->set].count;
	return row;
}
