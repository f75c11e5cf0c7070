/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/debug_supplement.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <libelf.h>

/* As small as libdw takes it for DWARF: one of the sections it insists on, with nothing but a NUL. */
struct image {
	Elf64_Ehdr header;
	Elf64_Shdr sections[3];
	char debug_line[8];
	char names[32];
};

static const char section_names[] = "\0.debug_line\0.shstrtab";

static void compose(struct image *image)
{
	*image = (struct image){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_shoff = offsetof(struct image, sections),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 3,
			   .e_shstrndx = 2},
		.sections = {[1] = {.sh_name = 1,
				    .sh_type = SHT_PROGBITS,
				    .sh_offset = offsetof(struct image, debug_line),
				    .sh_size = 1,
				    .sh_addralign = 1},
			     [2] = {.sh_name = 13,
				    .sh_type = SHT_STRTAB,
				    .sh_offset = offsetof(struct image, names),
				    .sh_size = sizeof(section_names),
				    .sh_addralign = 1}},
	};
	memcpy(image->names, section_names, sizeof(section_names));
}

int debug_supplement_init(struct debug_supplement *ret)
{
	struct image *image = malloc(sizeof(*image));

	*ret = (struct debug_supplement){.image = image};
	if (!image)
		return -ENOMEM;
	compose(image);
	elf_version(EV_CURRENT);
	ret->elf = elf_memory((char *)image, sizeof(*image));
	if (ret->elf)
		ret->dwarf = dwarf_begin_elf(ret->elf, DWARF_C_READ, NULL);
	return ret->dwarf ? 0 : -ENOMEM;
}

void debug_supplement_done(struct debug_supplement *supplement)
{
	if (supplement->dwarf)
		dwarf_end(supplement->dwarf);
	if (supplement->elf)
		elf_end(supplement->elf);
	free(supplement->image);
	*supplement = (struct debug_supplement){0};
}
