/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug_info.h - DWARF: module address -> file, line and the chain of inlined functions, with libdw.
 *
 * Only what is asked for is read: the list of units at the first question, a unit's functions and
 * lines when an address of it comes up. libdw keeps line tables in memory (about ten times their size
 * in the file), so it is closed and reopened when much of that has gathered.
 *
 * Hostile input: entries walked, ranges read and line tables' sizes are bounded; a question that
 * exceeds them is answered with less, and counted. libdw opens no file of its own accord.
 * Not understood: inlined functions in split DWARF (.dwo); lines and the symbol's name still are there.
 * One owner, one thread.
 */
#ifndef HOLDFAST_SYMBOL_DEBUG_INFO_H
#define HOLDFAST_SYMBOL_DEBUG_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "process/symbol/debug_elf.h"

struct debug_info;

/* One function at the address. Strings are valid until the next call on the same object. */
struct debug_frame {
	const char *name; /* linkage name, else qualified name; NULL: unknown. Raw bytes */
	const char *file; /* joined with the compilation directory; NULL: unknown. Raw bytes */
	uint32_t line;    /* 0: unknown */
	uint64_t start;   /* of the containing function; 0 for an inlined one */
	bool inlined;     /* into the next frame */
};

VEC_STRUCT(debug_frame_vec, struct debug_frame);

/*
 * The descriptors are borrowed and must outlive it. @supplementary is what .gnu_debugaltlink names. -ENOENT: no usable DWARF; -EFBIG: too large; -ENOMEM.
 */
int debug_info_new(const struct debug_elf_file *file, const struct debug_elf_file *supplementary,
		   struct debug_info **ret);
void debug_info_free(struct debug_info *info);

/*
 * Fills @frames (its old content is dropped), innermost first: zero or more inlined ones, then the
 * containing function. A frame's file and line are where it stands: of the innermost the address's
 * line, of the others the line of the call that was inlined. -ENOENT: nothing known; -ENOMEM.
 */
int debug_info_resolve(struct debug_info *info, uint64_t address, struct debug_frame_vec *frames);

/* Gives libdw's memory back; the next question reads anew. */
void debug_info_release(struct debug_info *info);

/* Questions that were answered with less because a bound was reached. */
uint64_t debug_info_curtailed(const struct debug_info *info);

#endif
