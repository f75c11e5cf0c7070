/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug_elf.h - an ELF file as libelf and libdw see it, opened with bounds.
 *
 * A file that others may shorten while we look is read, not mapped (a mapping would then kill us with
 * SIGBUS), and what it may make us read or inflate is limited.
 */
#ifndef HOLDFAST_SYMBOL_DEBUG_ELF_H
#define HOLDFAST_SYMBOL_DEBUG_ELF_H

#include <stdbool.h>

#include <libelf.h>

struct elf_file;

/* A file and whether it is ours: nobody but root can change it, so it may be mapped. */
struct debug_elf_file {
	const struct elf_file *file; /* borrowed; NULL: none */
	bool steady;
};

/* What a file brings. All false for one that is not on disk. */
struct debug_elf_content {
	bool dwarf;  /* .debug_info and .debug_line */
	bool symtab; /* .symtab */
};

/* Cheap: section headers only. */
struct debug_elf_content debug_elf_survey(const struct elf_file *file);

/*
 * A handle for elf_end(), on the file's descriptor. @ret_old (may be NULL): are there .zdebug_ sections,
 * which libdw can open only once a handle? -ENOENT: not a file on disk, or no sections; -EFBIG: its debug
 * sections are too large.
 */
int debug_elf_open(const struct debug_elf_file *file, Elf **ret, bool *ret_old);

/* The section ".debug_x", or ".zdebug_x" of old; NULL if absent or empty. */
Elf_Scn *debug_elf_section(Elf *elf, const char *name);

#endif
