/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Build id, dynamic section, links to debug files. */
#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "process/elf/elf_internal.h"

#define MAX_NOTE_BYTES      ((uint64_t)1 << 20)
#define MAX_DYNAMIC_BYTES   ((uint64_t)1 << 20)
#define MAX_DEBUGDATA_BYTES ((size_t)256 << 20)
#define LZMA_MEMORY_BYTES   ((uint64_t)128 << 20) /* xz -9 needs 65 MiB */

void build_id_format(const struct build_id *id, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < id->size; i++) {
		*text++ = digits[id->bytes[i] >> 4];
		*text++ = digits[id->bytes[i] & 15];
	}
	*text = '\0';
}

bool build_id_equal(const struct build_id *a, const struct build_id *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* Notes one after the other: name and description each padded to @alignment (gABI; 8 by GNU's practice). */
static bool find_build_id(const uint8_t *notes, uint64_t size, uint64_t alignment,
			  struct build_id *ret)
{
	size_t pad = alignment == 8 ? 8 : 4;
	struct cursor c = cursor_of(notes, size);

	while (cursor_left(&c) >= sizeof(Elf64_Nhdr)) {
		uint32_t name_size = cursor_u32(&c);
		uint32_t desc_size = cursor_u32(&c);
		uint32_t type = cursor_u32(&c);
		const uint8_t *name = cursor_bytes(&c, name_size), *desc;

		cursor_align(&c, notes, pad);
		desc = cursor_bytes(&c, desc_size);
		if (!name || !desc)
			return false;
		if (type == NT_GNU_BUILD_ID && name_size == sizeof(ELF_NOTE_GNU) &&
		    memcmp(name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 && desc_size > 0 &&
		    desc_size <= BUILD_ID_MAX_BYTES) {
			ret->size = (uint8_t)desc_size;
			memcpy(ret->bytes, desc, desc_size);
			return true;
		}
		if (cursor_left(&c)) /* the last one's padding may be missing */
			cursor_align(&c, notes, pad);
	}
	return false;
}

static bool find_build_id_at(const struct elf_file *file, uint64_t offset, uint64_t size,
			     uint64_t alignment, struct build_id *ret)
{
	const uint8_t *notes;

	return size <= MAX_NOTE_BYTES && elf_source_peek(file->source, offset, size, &notes) == 0 &&
	       find_build_id(notes, size, alignment, ret);
}

/* Sections first: the program headers of a file of debug information are those of another file. */
void elf_read_build_id(struct elf_file *file)
{
	for (size_t i = 1; i < file->section_count; i++) {
		const Elf64_Shdr *s = &file->sections[i];

		if (s->sh_type == SHT_NOTE && find_build_id_at(file, s->sh_offset, s->sh_size,
							       s->sh_addralign, &file->build_id))
			return;
	}
	for (size_t i = 0; i < file->program_count; i++) {
		const Elf64_Phdr *p = &file->programs[i];

		if (p->p_type == PT_NOTE &&
		    find_build_id_at(file, p->p_offset, p->p_filesz, p->p_align, &file->build_id))
			return;
	}
}

static Elf64_Dyn dynamic_at(const struct elf_file *file, size_t index)
{
	Elf64_Dyn entry;

	memcpy(&entry, file->dynamic + index * sizeof(entry), sizeof(entry));
	return entry;
}

/* The value of the first entry with @tag. */
static bool find_dynamic(const struct elf_file *file, int64_t tag, uint64_t *ret)
{
	for (size_t i = 0; i < file->dynamic_count; i++) {
		Elf64_Dyn entry = dynamic_at(file, i);

		if (entry.d_tag == tag) {
			*ret = entry.d_un.d_val;
			return true;
		}
	}
	return false;
}

/* How many of @capacity entries stand before DT_NULL. */
static size_t count_dynamic(const uint8_t *bytes, size_t capacity)
{
	Elf64_Dyn entry;

	for (size_t i = 0; i < capacity; i++) {
		memcpy(&entry, bytes + i * sizeof(entry), sizeof(entry));
		if (entry.d_tag == DT_NULL)
			return i;
	}
	return capacity;
}

void elf_read_dynamic(struct elf_file *file)
{
	const Elf64_Phdr *p = NULL;

	for (size_t i = 0; !p && i < file->program_count; i++)
		if (file->programs[i].p_type == PT_DYNAMIC)
			p = &file->programs[i];
	if (!p || p->p_filesz > MAX_DYNAMIC_BYTES ||
	    elf_source_view(file->source, p->p_offset, p->p_filesz, &file->dynamic))
		return;
	file->dynamic_count = count_dynamic(file->dynamic, p->p_filesz / sizeof(Elf64_Dyn));
}

/* Read when first asked for: some are of several megabytes. */
static struct elf_strings dynamic_strings(const struct elf_file *file)
{
	struct elf_strings strings = {0};
	uint64_t address, size, offset;

	if (find_dynamic(file, DT_STRTAB, &address) && find_dynamic(file, DT_STRSZ, &size) &&
	    elf_file_address_to_offset(file, address, &offset) == 0 &&
	    elf_view_strings(file, offset, size, &strings))
		return (struct elf_strings){0};
	return strings;
}

int elf_file_for_each_needed(const struct elf_file *file,
			     int (*visit)(const char *soname, void *user), void *user)
{
	struct elf_strings strings = dynamic_strings(file);
	int answer = 0;

	for (size_t i = 0; !answer && i < file->dynamic_count; i++) {
		Elf64_Dyn entry = dynamic_at(file, i);
		const char *name =
			entry.d_tag == DT_NEEDED ? elf_string_at(&strings, entry.d_un.d_val) : NULL;

		if (name)
			answer = visit(name, user);
	}
	return answer;
}

const char *elf_file_soname(const struct elf_file *file)
{
	struct elf_strings strings;
	uint64_t offset;

	if (!find_dynamic(file, DT_SONAME, &offset))
		return NULL;
	strings = dynamic_strings(file);
	return elf_string_at(&strings, offset);
}

int elf_file_debuglink(const struct elf_file *file, const char **ret_name, uint32_t *ret_crc)
{
	struct elf_section section;
	struct cursor c;
	const char *name;
	uint32_t crc;
	int err = elf_file_section(file, ".gnu_debuglink", &section);

	if (err)
		return err;
	c = cursor_of(section.data, section.size);
	name = cursor_cstr(&c, NULL);
	cursor_align(&c, section.data, 4);
	crc = cursor_u32(&c);
	if (c.bad || !*name)
		return -EINVAL;
	*ret_name = name;
	*ret_crc = crc;
	return 0;
}

static int error_of_lzma(lzma_ret answer)
{
	if (answer == LZMA_MEM_ERROR)
		return -ENOMEM;
	return answer == LZMA_MEMLIMIT_ERROR ? -EFBIG : -EINVAL;
}

/* Twice the room for the decoder's output, up to the limit. */
static int grow_output(uint8_t **bytes, size_t *capacity, lzma_stream *stream)
{
	size_t used = *capacity - stream->avail_out, wanted = *capacity ? *capacity * 2 : 1 << 20;
	uint8_t *bigger;

	if (wanted > MAX_DEBUGDATA_BYTES)
		return -EFBIG;
	bigger = realloc(*bytes, wanted);
	if (!bigger)
		return -ENOMEM;
	*bytes = bigger;
	*capacity = wanted;
	stream->next_out = bigger + used;
	stream->avail_out = wanted - used;
	return 0;
}

static int decompress(const struct elf_section *section, uint8_t **ret, size_t *ret_size)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t capacity = 0;
	lzma_ret answer = lzma_stream_decoder(&stream, LZMA_MEMORY_BYTES, 0);
	int err = answer == LZMA_OK ? 0 : error_of_lzma(answer);

	stream.next_in = section->data;
	stream.avail_in = section->size;
	while (!err && answer == LZMA_OK) {
		if (stream.avail_out == 0)
			err = grow_output(&bytes, &capacity, &stream);
		if (!err)
			answer = lzma_code(&stream, LZMA_FINISH);
	}
	if (!err && answer != LZMA_STREAM_END)
		err = error_of_lzma(answer);
	lzma_end(&stream);
	if (err)
		return err;
	*ret_size = capacity - stream.avail_out;
	*ret = no_free_ptr(bytes);
	return 0;
}

int elf_file_debugdata(const struct elf_file *file, struct elf_file **ret)
{
	struct elf_section section;
	struct elf_source *source;
	uint8_t *bytes;
	size_t size;
	int err = elf_file_section(file, ".gnu_debugdata", &section);

	if (!err)
		err = decompress(&section, &bytes, &size);
	if (!err)
		err = elf_source_of_memory(bytes, size, &source);
	return err ? err : elf_file_open_source(source, ret);
}
