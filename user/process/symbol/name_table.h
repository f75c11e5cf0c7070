/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * name_table.h - raw names of a target -> the names we show, each worked out once and kept.
 *
 * Bounded: past the limit new names give -ENOBUFS, old ones are still found. One owner, one thread.
 */
#ifndef HOLDFAST_SYMBOL_NAME_TABLE_H
#define HOLDFAST_SYMBOL_NAME_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/strbuf.h"

struct name_table {
	struct strmap by_raw; /* kind + raw bytes -> shown name, in the arena */
	struct arena arena;
	uint64_t key_bytes; /* what by_raw owns */
	uint64_t max_bytes;
	struct strbuf key; /* scratch */
};

void name_table_init(struct name_table *table, uint64_t max_bytes);
void name_table_done(struct name_table *table);

/* Demangled, without version and ".cold"; @plt adds "@plt". Valid as long as the table. -ENOBUFS, -ENOMEM. */
int name_table_function(struct name_table *table, const char *raw, bool plt, const char **ret);
/* A path, made printable. */
int name_table_file(struct name_table *table, const char *raw, const char **ret);

uint64_t name_table_bytes(const struct name_table *table);

#endif
