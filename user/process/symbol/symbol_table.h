/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * symbol_table.h - module address -> symbol name, from the symbol tables of a binary and its debug files.
 *
 * Sorted once; a look-up is one binary search. Of several symbols at one address the best name stays:
 * a function before an untyped one, GLOBAL before WEAK before LOCAL, sized before unsized, then the
 * fewest leading underscores ("malloc", not "__libc_malloc"). A symbol without size reaches to the next.
 * PLT stubs carry their target's name. Only addresses in executable segments are kept.
 */
#ifndef HOLDFAST_SYMBOL_SYMBOL_TABLE_H
#define HOLDFAST_SYMBOL_SYMBOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/symbol/range_table.h"

struct elf_file;

struct symbol_table {
	struct range_table ranges;
};

struct symbol_hit {
	const char *
		name; /* raw: mangled, with version, any bytes; owned by the elf_file it stems from */
	uint64_t start; /* module address */
	bool plt;       /* a stub for it, not the function itself */
};

/*
 * Caller's storage. files[0] is the binary itself, whose segments count; the others are debug files
 * of the same build. All must outlive the table. 0 or -ENOMEM; a damaged table gives fewer symbols.
 */
int symbol_table_init(struct symbol_table *ret, struct elf_file *const *files, size_t count);
void symbol_table_done(struct symbol_table *table);

bool symbol_table_find(const struct symbol_table *table, uint64_t address, struct symbol_hit *ret);

/* Does the file bring a .symtab of its own (rather than .dynsym only)? */
bool symbol_table_has_symtab(const struct elf_file *file);

#endif
