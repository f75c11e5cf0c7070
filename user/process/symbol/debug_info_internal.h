/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug_info_internal.h - shared by debug_info.c (life, units, lines) and debug_die.c (entries).
 */
#ifndef HOLDFAST_SYMBOL_DEBUG_INFO_INTERNAL_H
#define HOLDFAST_SYMBOL_DEBUG_INFO_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <elfutils/libdw.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "process/symbol/range_table.h"

#define DIE_MAX_DEPTH  64 /* of entries within each other */
#define DIE_MAX_INLINE 63 /* inlined functions at one address */

/* Bounds the work on one hostile file; a step is one entry or one range read. */
struct die_budget {
	uint64_t steps;
	bool exhausted; /* since somebody last cleared it */
};

/* False once nothing is left. */
bool die_budget_take(struct die_budget *budget);

/* Calls @visit for each address range of the entry. */
int die_for_each_range(Dwarf_Die *die, struct die_budget *budget,
		       int (*visit)(uint64_t start, uint64_t end, void *user), void *user);

/*
 * Appends the functions of a unit to @entries, value = entry offset. Not @deep: those at the unit's top
 * and in namespaces and types, which is nearly always all. Deep: those nested in functions, too.
 */
int die_collect_functions(Dwarf_Die *unit, bool deep, struct die_budget *budget,
			  struct range_entry_vec *entries);

/* The functions inlined into @function at @address, outermost first; their number is returned. */
size_t die_inlined_at(Dwarf_Die *function, uint64_t address, struct die_budget *budget,
		      Dwarf_Die ret_chain[static DIE_MAX_INLINE]);

/* The bytes of a section with entries. */
struct die_area {
	const char *start, *end;
};

/* What it takes to name an entry. */
struct die_names {
	struct die_area areas[4]; /* of the open file and its supplementary file */
	size_t area_count;
	struct arena arena; /* names that had to be put together */
	struct map64 by_die;
};

/* May libdw read the unit's lines? dwarf_getsrclines() takes the directory's name for terminated. */
bool die_directory_is_sound(const struct die_names *names, Dwarf_Die *unit);

/* Linkage name, else the name with its namespaces and classes; NULL if it has none. */
const char *die_name(Dwarf_Die *function, struct die_names *names, struct die_budget *budget);

#endif
