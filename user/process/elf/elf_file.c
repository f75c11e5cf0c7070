/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening, headers, segments, sections. Symbols: elf_symbols.c; notes, dynamic, debug links: elf_parts.c. */
#include "process/elf/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/elf/elf_internal.h"

/* ld writes a few dozen, `-ffunction-sections` with `ld -r` tens of thousands. */
#define MAX_SECTIONS          262144u
#define MAX_INTERPRETER_BYTES 4096u
#define PAGE_BYTES            4096u

static int check_header(const Elf64_Ehdr *header)
{
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return -EBADF;
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != EM_X86_64)
		return -ENOTSUP;
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return -ENOTSUP;
	if (header->e_phnum && header->e_phentsize != sizeof(Elf64_Phdr))
		return -EINVAL;
	return 0;
}

static int read_header(struct elf_file *file)
{
	const uint8_t *bytes;
	int err;

	if (elf_source_size(file->source) < sizeof(file->header))
		return -EBADF;
	err = elf_source_peek(file->source, 0, sizeof(file->header), &bytes);
	if (err)
		return err;
	memcpy(&file->header, bytes, sizeof(file->header));
	return check_header(&file->header);
}

/* A copy, since a table may stand misaligned in the file. */
static int copy_table(const struct elf_file *file, uint64_t offset, size_t bytes, void **ret)
{
	const uint8_t *view;
	void *copy;
	int err = elf_source_peek(file->source, offset, bytes, &view);

	if (err)
		return err;
	copy = malloc(bytes);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, view, bytes);
	*ret = copy;
	return 0;
}

/* Number of sections and index of the names' one, which stand in section 0 where they are large. */
static int count_sections(const struct elf_file *file, size_t *ret_count, size_t *ret_names)
{
	const uint8_t *bytes;
	Elf64_Shdr first;
	uint64_t count = file->header.e_shnum;
	int err;

	*ret_names = file->header.e_shstrndx;
	if (count == 0 || *ret_names == SHN_XINDEX) {
		err = elf_source_peek(file->source, file->header.e_shoff, sizeof(first), &bytes);
		if (err)
			return err;
		memcpy(&first, bytes, sizeof(first));
		count = count ? count : first.sh_size;
		if (*ret_names == SHN_XINDEX)
			*ret_names = first.sh_link;
	}
	if (count > MAX_SECTIONS)
		return -EINVAL;
	*ret_count = (size_t)count;
	return 0;
}

/* The loader needs no sections, so a file may come with none or with garbage and still run. */
static int read_sections(struct elf_file *file)
{
	const Elf64_Shdr *names;
	size_t count, names_index;
	void *table;
	int err;

	if (file->header.e_shoff == 0 || file->header.e_shentsize != sizeof(Elf64_Shdr))
		return 0;
	err = count_sections(file, &count, &names_index);
	if (!err && count)
		err = copy_table(file, file->header.e_shoff, count * sizeof(Elf64_Shdr), &table);
	if (err || !count)
		return err == -ENOMEM ? err : 0;
	file->sections = table;
	file->section_count = count;
	if (names_index >= count)
		return 0;
	names = &file->sections[names_index];
	if (names->sh_type != SHT_STRTAB)
		return 0;
	err = elf_view_strings(file, names->sh_offset, names->sh_size, &file->section_names);
	return err == -ENOMEM ? err : 0;
}

static int read_programs(struct elf_file *file)
{
	size_t count = file->header.e_phnum;
	void *table;
	int err;

	if (count == PN_XNUM && file->section_count)
		count = file->sections[0].sh_info;
	if (count == 0)
		return 0;
	if (count > MAX_SECTIONS)
		return -EINVAL;
	err = copy_table(file, file->header.e_phoff, count * sizeof(Elf64_Phdr), &table);
	if (err)
		return err;
	file->programs = table;
	file->program_count = count;
	return 0;
}

static int read_segments(struct elf_file *file)
{
	uint64_t end;

	file->segments =
		calloc(file->program_count ? file->program_count : 1, sizeof(*file->segments));
	if (!file->segments)
		return -ENOMEM;
	for (size_t i = 0; i < file->program_count; i++) {
		const Elf64_Phdr *p = &file->programs[i];

		if (p->p_type != PT_LOAD)
			continue;
		/* Room for rounding up to pages, too. */
		if (__builtin_add_overflow(p->p_offset, p->p_filesz, &end) ||
		    __builtin_add_overflow(end, PAGE_BYTES, &end) ||
		    __builtin_add_overflow(p->p_vaddr, p->p_memsz, &end) ||
		    p->p_filesz > p->p_memsz)
			return -EINVAL;
		file->segments[file->segment_count++] = (struct elf_segment){
			.file_offset = p->p_offset,
			.file_bytes = p->p_filesz,
			.address = p->p_vaddr,
			.memory_bytes = p->p_memsz,
			.executable = p->p_flags & PF_X,
			.writable = p->p_flags & PF_W,
		};
	}
	return 0;
}

static void read_interpreter(struct elf_file *file)
{
	const uint8_t *bytes;

	for (size_t i = 0; i < file->program_count; i++) {
		const Elf64_Phdr *p = &file->programs[i];

		if (p->p_type != PT_INTERP || p->p_filesz == 0 ||
		    p->p_filesz > MAX_INTERPRETER_BYTES)
			continue;
		if (elf_source_peek(file->source, p->p_offset, p->p_filesz, &bytes) == 0 &&
		    bytes[p->p_filesz - 1] == '\0')
			file->interpreter = (const char *)bytes;
		return;
	}
}

static int read_all(struct elf_file *file)
{
	int err = read_header(file);

	if (!err)
		err = read_sections(file);
	if (!err)
		err = read_programs(file);
	if (!err)
		err = read_segments(file);
	if (err)
		return err;
	read_interpreter(file);
	elf_read_build_id(file);
	elf_read_dynamic(file);
	file->opened_mark = elf_source_mark(file->source);
	return 0;
}

int elf_file_open_source(struct elf_source *source, struct elf_file **ret)
{
	struct elf_file *file = calloc(1, sizeof(*file));
	int err;

	if (!file) {
		elf_source_free(source);
		return -ENOMEM;
	}
	file->source = source;
	file->names = calloc(1, sizeof(*file->names));
	err = file->names ? read_all(file) : -ENOMEM;
	if (err) {
		elf_file_free(file);
		return err;
	}
	*ret = file;
	return 0;
}

void elf_file_forget(struct elf_file *file)
{
	free(file->names->slots);
	*file->names = (struct elf_names){0};
	elf_source_forget(file->source, file->opened_mark);
}

int elf_file_open_fd(int fd, struct elf_file **ret)
{
	struct elf_source *source;
	int err = elf_source_of_fd(fd, &source);

	return err ? err : elf_file_open_source(source, ret);
}

int elf_file_open_path(const char *path, struct elf_file **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : elf_file_open_fd(fd, ret);
}

int elf_file_open_memory(const void *image, size_t size, struct elf_file **ret)
{
	struct elf_source *source;
	uint8_t *copy = malloc(size ? size : 1);
	int err;

	if (!copy)
		return -ENOMEM;
	if (size)
		memcpy(copy, image, size);
	err = elf_source_of_memory(copy, size, &source);
	return err ? err : elf_file_open_source(source, ret);
}

void elf_file_free(struct elf_file *file)
{
	if (!file)
		return;
	free(file->programs);
	free(file->sections);
	free(file->segments);
	if (file->names)
		free(file->names->slots);
	free(file->names);
	elf_source_free(file->source);
	free(file);
}

int elf_file_descriptor(const struct elf_file *file)
{
	return elf_source_descriptor(file->source);
}

const struct build_id *elf_file_build_id(const struct elf_file *file)
{
	return &file->build_id;
}

unsigned elf_file_type(const struct elf_file *file)
{
	return file->header.e_type;
}

uint64_t elf_file_entry(const struct elf_file *file)
{
	return file->header.e_entry;
}

const char *elf_file_interpreter(const struct elf_file *file)
{
	return file->interpreter;
}

size_t elf_file_segment_count(const struct elf_file *file)
{
	return file->segment_count;
}

const struct elf_segment *elf_file_segment(const struct elf_file *file, size_t index)
{
	return index < file->segment_count ? &file->segments[index] : NULL;
}

static uint64_t page_down(uint64_t offset)
{
	return offset & ~(uint64_t)(PAGE_BYTES - 1);
}

/* How well a segment fits a file offset; 0: not at all. See the header. */
static int rank_of(const struct elf_segment *segment, uint64_t offset)
{
	uint64_t end = segment->file_offset + segment->file_bytes;

	if (segment->file_bytes == 0)
		return 0;
	if (segment->executable && offset == page_down(segment->file_offset))
		return 5;
	if (offset >= segment->file_offset && offset < end)
		return segment->executable ? 4 : 3;
	if (offset >= page_down(segment->file_offset) && offset < page_down(end + PAGE_BYTES - 1))
		return segment->executable ? 2 : 1;
	return 0;
}

int elf_file_offset_to_address(const struct elf_file *file, uint64_t offset, uint64_t *ret_address)
{
	const struct elf_segment *best = NULL;
	int best_rank = 0;

	for (size_t i = 0; i < file->segment_count; i++) {
		int rank = rank_of(&file->segments[i], offset);

		if (rank > best_rank) {
			best = &file->segments[i];
			best_rank = rank;
		}
	}
	if (!best)
		return -ENOENT;
	*ret_address = best->address - best->file_offset + offset;
	return 0;
}

/* The segment whose bytes in the file hold @size bytes at @address. */
static const struct elf_segment *segment_at(const struct elf_file *file, uint64_t address,
					    uint64_t size)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const struct elf_segment *s = &file->segments[i];

		if (address >= s->address && address - s->address < s->file_bytes &&
		    size <= s->file_bytes - (address - s->address))
			return s;
	}
	return NULL;
}

int elf_file_address_to_offset(const struct elf_file *file, uint64_t address, uint64_t *ret_offset)
{
	const struct elf_segment *segment = segment_at(file, address, 1);

	if (!segment)
		return -ENOENT;
	*ret_offset = segment->file_offset + (address - segment->address);
	return 0;
}

const uint8_t *elf_file_image(const struct elf_file *file, uint64_t address, size_t size)
{
	const struct elf_segment *segment = segment_at(file, address, size);
	const uint8_t *bytes;

	if (!segment ||
	    elf_source_peek(file->source, segment->file_offset + (address - segment->address), size,
			    &bytes))
		return NULL;
	return bytes;
}

int elf_file_read(const struct elf_file *file, uint64_t address, size_t size, uint8_t *ret)
{
	const struct elf_segment *segment = segment_at(file, address, size);

	if (!segment)
		return -ENOENT;
	return elf_source_copy(file->source, segment->file_offset + (address - segment->address),
			       size, ret);
}

int elf_view_strings(const struct elf_file *file, uint64_t offset, uint64_t size,
		     struct elf_strings *ret)
{
	const uint8_t *bytes, *last;
	int err = elf_source_view(file->source, offset, size, &bytes);

	if (err)
		return err;
	last = size ? memrchr(bytes, '\0', size) : NULL;
	ret->bytes = (const char *)bytes;
	ret->size = last ? (uint64_t)(last - bytes) + 1 : 0;
	return 0;
}

const char *elf_string_at(const struct elf_strings *strings, uint64_t offset)
{
	return offset < strings->size ? strings->bytes + offset : NULL;
}

/* The first section of that name, or NULL. */
static const Elf64_Shdr *find_section(const struct elf_file *file, const char *name)
{
	for (size_t i = 1; i < file->section_count; i++) {
		const char *found = elf_string_at(&file->section_names, file->sections[i].sh_name);

		if (found && strcmp(found, name) == 0)
			return &file->sections[i];
	}
	return NULL;
}

int elf_file_section(const struct elf_file *file, const char *name, struct elf_section *ret)
{
	const Elf64_Shdr *section = find_section(file, name);
	const uint8_t *data;
	int err;

	if (!section || section->sh_type == SHT_NOBITS)
		return -ENOENT;
	if (section->sh_flags & SHF_COMPRESSED)
		return -ENOTSUP;
	err = elf_source_view(file->source, section->sh_offset, section->sh_size, &data);
	if (err)
		return err;
	*ret = (struct elf_section){data, (size_t)section->sh_size, section->sh_addr};
	return 0;
}
