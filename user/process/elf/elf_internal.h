/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct elf_file, shared by the .c files of this folder only. */
#ifndef HOLDFAST_ELF_INTERNAL_H
#define HOLDFAST_ELF_INTERNAL_H

#include <elf.h>
#include <stdint.h>

#include "process/elf/elf_file.h"
#include "process/elf/elf_source.h"

/* A string table up to its last NUL, so that each offset below size names a string. Size 0: none. */
struct elf_strings {
	const char *bytes;
	uint64_t size;
};

/* The defined symbols by name, made when the first is asked for. */
struct elf_names {
	uint32_t *slots; /* 0: free; else 1 + 2 * the symbol's number + whether it is of .symtab */
	uint64_t slot_count; /* a power of two; 0: not made yet */
	uint64_t seed;
};

struct elf_file {
	struct elf_source *source;
	struct elf_names *names;
	Elf64_Ehdr header;
	Elf64_Phdr *programs;
	size_t program_count;
	Elf64_Shdr *sections; /* count 0: the file has none, or damaged ones */
	size_t section_count;
	struct elf_strings section_names;
	struct elf_segment *segments;
	size_t segment_count;
	struct build_id build_id;
	const char *interpreter;
	size_t opened_mark;     /* of the source: what was read to open it */
	const uint8_t *dynamic; /* PT_DYNAMIC's bytes, Elf64_Dyn not necessarily aligned */
	size_t dynamic_count;
};

/* Takes @source over in any case. */
int elf_file_open_source(struct elf_source *source, struct elf_file **ret);

int elf_view_strings(const struct elf_file *file, uint64_t offset, uint64_t size,
		     struct elf_strings *ret);
/* NULL past the table's end. */
const char *elf_string_at(const struct elf_strings *strings, uint64_t offset);

/* Fill in what the names say; what is damaged counts as absent. */
void elf_read_build_id(struct elf_file *file);
void elf_read_dynamic(struct elf_file *file);

#endif
