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

struct build_id;

/* A file on disk. */
struct debug_elf_file {
	int fd;      /* -1: none */
	bool steady; /* ours: nobody but root can change it, so it may be mapped */
};

/* What a file brings. All false for descriptor -1 and for what is no ELF file. */
struct debug_elf_content {
	bool dwarf;  /* .debug_info and .debug_line */
	bool symtab; /* .symtab */
};

/* Cheap: section headers only. */
struct debug_elf_content debug_elf_survey(int fd);

/* For files that elf_file refuses: a supplementary file of dwz is ET_REL. */
bool debug_elf_has_build_id(int fd, const struct build_id *id);

/*
 * A handle for elf_end(), on the file's descriptor, which must stay open as long. @ret_old (may be NULL): are
 * there .zdebug_ sections, which libdw can open only once a handle? -ENOENT: no file, no ELF file, no sections;
 * -EFBIG: its debug sections are too large.
 */
int debug_elf_open(const struct debug_elf_file *file, Elf **ret, bool *ret_old);

/* Do the string sections end with a NUL, as they must? libdw (0.188) does not look. To be asked after
 * dwarf_begin_elf(), which inflates sections. */
bool debug_elf_strings_end(Elf *elf);

/* The section ".debug_x", or ".zdebug_x" of old; NULL if absent or empty. */
Elf_Scn *debug_elf_section(Elf *elf, const char *name);

#endif
