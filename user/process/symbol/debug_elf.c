/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/debug_elf.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <elfutils/libdwelf.h>
#include <gelf.h>

#include "process/elf/elf_file.h"

#define MAX_HELD_BYTES ((uint64_t)1 << 30)

#define GNU_MAGIC        "ZLIB"
#define GNU_HEADER_BYTES 12

struct section_info {
	const char *name;
	GElf_Shdr header;
	bool old; /* .zdebug_ */
};

/* False: not a debug section with content. */
static bool describe(Elf *elf, size_t strings, Elf_Scn *section, struct section_info *ret)
{
	if (!gelf_getshdr(section, &ret->header) || ret->header.sh_type == SHT_NOBITS ||
	    !ret->header.sh_size)
		return false;
	ret->name = elf_strptr(elf, strings, ret->header.sh_name);
	if (!ret->name)
		return false;
	ret->old = !strncmp(ret->name, ".zdebug_", 8);
	return ret->old || !strncmp(ret->name, ".debug_", 7);
}

Elf_Scn *debug_elf_section(Elf *elf, const char *name)
{
	Elf_Scn *section = NULL;
	struct section_info info;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings))
		return NULL;
	while ((section = elf_nextscn(elf, section)))
		if (describe(elf, strings, section, &info) &&
		    !strcmp(info.name + (info.old ? 2 : 1), name + 1))
			return section;
	return NULL;
}

static Elf *begin(int fd, Elf_Cmd command)
{
	elf_version(EV_CURRENT);
	return fd < 0 ? NULL : elf_begin(fd, command, NULL);
}

static bool has_symtab(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
			return true;
	return false;
}

struct debug_elf_content debug_elf_survey(int fd)
{
	struct debug_elf_content content = {0};
	Elf *elf = begin(fd, ELF_C_READ);

	if (!elf)
		return content;
	content.dwarf = debug_elf_section(elf, ".debug_info") &&
			debug_elf_section(elf, ".debug_line");
	content.symtab = has_symtab(elf);
	elf_end(elf);
	return content;
}

bool debug_elf_has_build_id(int fd, const struct build_id *id)
{
	Elf *elf = begin(fd, ELF_C_READ);
	const void *bytes;
	bool has = elf && dwelf_elf_gnu_build_id(elf, &bytes) == id->size &&
		   !memcmp(bytes, id->bytes, id->size);

	if (elf)
		elf_end(elf);
	return has;
}

/* What an old-style compressed section claims to inflate to (a big-endian number after the magic). */
static uint64_t old_inflated_bytes(Elf *elf, const GElf_Shdr *header)
{
	Elf_Data *data = header->sh_size < GNU_HEADER_BYTES
				 ? NULL
				 : elf_getdata_rawchunk(elf, (int64_t)header->sh_offset,
							GNU_HEADER_BYTES, ELF_T_BYTE);
	const uint8_t *bytes = data ? data->d_buf : NULL;
	uint64_t size = 0;

	if (!bytes || memcmp(bytes, GNU_MAGIC, strlen(GNU_MAGIC)) != 0)
		return header->sh_size;
	for (size_t i = strlen(GNU_MAGIC); i < GNU_HEADER_BYTES; i++)
		size = size << 8 | bytes[i];
	return size;
}

/* Heap that reading the section takes, and inflating it. */
static uint64_t held_bytes(Elf *elf, Elf_Scn *section, const struct section_info *info, bool mapped)
{
	GElf_Chdr compression;

	if (info->old)
		return old_inflated_bytes(elf, &info->header);
	if (!(info->header.sh_flags & SHF_COMPRESSED))
		return mapped ? 0 : info->header.sh_size;
	return gelf_getchdr(section, &compression) ? compression.ch_size : 0;
}

static int check_bounds(Elf *elf, bool mapped, bool *ret_old)
{
	Elf_Scn *section = NULL;
	struct section_info info;
	uint64_t sum = 0;
	size_t strings;

	if (elf_kind(elf) != ELF_K_ELF || elf_getshdrstrndx(elf, &strings))
		return -ENOENT;
	while ((section = elf_nextscn(elf, section))) {
		if (!describe(elf, strings, section, &info))
			continue;
		if (__builtin_add_overflow(sum, held_bytes(elf, section, &info, mapped), &sum) ||
		    sum > MAX_HELD_BYTES)
			return -EFBIG;
		*ret_old |= info.old;
	}
	return 0;
}

int debug_elf_open(const struct debug_elf_file *file, Elf **ret, bool *ret_old)
{
	Elf *elf = begin(file->fd, file->steady ? ELF_C_READ_MMAP : ELF_C_READ);
	bool old = false;
	int err = elf ? check_bounds(elf, file->steady, &old) : -ENOENT;

	if (err) {
		if (elf)
			elf_end(elf);
		return err;
	}
	*ret = elf;
	if (ret_old)
		*ret_old = old;
	return 0;
}

bool debug_elf_strings_end(Elf *elf)
{
	static const char *const names[] = {".debug_str", ".debug_line_str"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		Elf_Scn *section = debug_elf_section(elf, names[i]);
		const Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;

		if (data && data->d_buf && data->d_size &&
		    ((const char *)data->d_buf)[data->d_size - 1] != '\0')
			return false;
	}
	return true;
}
