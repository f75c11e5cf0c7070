/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * symbol_source.h - one binary with its debug files: which of them tells names, which tells lines.
 *
 * Files are found and opened early (while the target lives), tables are built at the first question.
 * One owner, one thread.
 */
#ifndef HOLDFAST_SYMBOL_SYMBOL_SOURCE_H
#define HOLDFAST_SYMBOL_SYMBOL_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "process/elf/elf_file.h"
#include "process/symbol/debug_file.h"
#include "process/symbol/debug_info.h"
#include "process/symbol/symbol_table.h"

struct symbol_source;

/* Takes @file over in any case. */
int symbol_source_new(struct elf_file *file, struct symbol_source **ret);
void symbol_source_free(struct symbol_source *source);

const struct build_id *symbol_source_build_id(const struct symbol_source *source);
/* Same build id and same segments? A build id alone is easily copied from another file. */
bool symbol_source_same_build(const struct symbol_source *a, const struct symbol_source *b);

/* Opens the debug files, where they are needed. 0 or -ENOMEM; without debug files a module knows less. */
int symbol_source_find_debug(struct symbol_source *source, const struct debug_file_place *place);

/*
 * The symbol (if *@ret_found) and the frames that DWARF tells of (none: @frames is empty) at @address.
 * Strings are valid until the next call. 0 or -ENOMEM.
 */
int symbol_source_look_up(struct symbol_source *source, uint64_t address, struct symbol_hit *ret,
			  bool *ret_found, struct debug_frame_vec *frames);

/* Has a .symtab, here or in a debug file. Known after the first look-up, as is the next. */
bool symbol_source_has_symbols(const struct symbol_source *source);
bool symbol_source_has_debug(const struct symbol_source *source);
uint64_t symbol_source_curtailed(const struct symbol_source *source);

/* Gives back all but what was found out about it: libdw's memory, tables of symbols, what was read of files. The next question reads anew. */
void symbol_source_release(struct symbol_source *source);

#endif
