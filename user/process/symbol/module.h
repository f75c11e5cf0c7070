/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * module.h - one binary with its debug files: which of them tells names, which tells lines.
 *
 * Files are found and opened early (while the target lives), tables are built at the first question.
 * One owner, one thread.
 */
#ifndef HOLDFAST_SYMBOL_MODULE_H
#define HOLDFAST_SYMBOL_MODULE_H

#include <stdbool.h>
#include <stdint.h>

#include "process/elf/elf_file.h"
#include "process/symbol/debug_file.h"
#include "process/symbol/debug_info.h"
#include "process/symbol/symbol_table.h"

struct module;

/* Takes @file over in any case. */
int module_new(struct elf_file *file, struct module **ret);
void module_free(struct module *module);

const struct build_id *module_build_id(const struct module *module);
/* Same build id and same segments? A build id alone is easily copied from another file. */
bool module_same_build(const struct module *a, const struct module *b);

/* Opens the debug files, where they are needed. 0 or -ENOMEM; without debug files a module knows less. */
int module_find_debug(struct module *module, const struct debug_file_place *place);

/*
 * The symbol (if *@ret_found) and the frames that DWARF tells of (none: @frames is empty) at @address.
 * Strings are valid until the next call. 0 or -ENOMEM.
 */
int module_look_up(struct module *module, uint64_t address, struct symbol_hit *ret, bool *ret_found,
		   struct debug_frame_vec *frames);

/* Has a .symtab, here or in a debug file. Known after the first look-up, as is the next. */
bool module_has_symbols(const struct module *module);
bool module_has_debug(const struct module *module);
uint64_t module_curtailed(const struct module *module);

/* Gives libdw's memory back. */
void module_release(struct module *module);

#endif
