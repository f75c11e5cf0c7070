/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole ELF file: everything that can be asked of it is asked, and every byte of each answer is read. */
#include <stdlib.h>
#include <string.h>

#include "process/elf/elf_file.h"
#include "process/elf/elf_frames.h"
#include "process/elf/unwind_table.h"
#include "process/elf/usdt.h"

static volatile uint64_t sink;

static void read_bytes(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; bytes && i < size; i++)
		sink += bytes[i];
}

static int read_name(const char *name, void *user)
{
	(void)user;
	sink += strlen(name);
	return 0;
}

static int read_symbol(const struct elf_symbol *symbol, void *user)
{
	const struct elf_file *file = user;

	sink += strlen(symbol->name) + symbol->address;
	if (symbol->size < 4096)
		read_bytes(elf_file_image(file, symbol->address, symbol->size), symbol->size);
	return 0;
}

static void ask_segments(const struct elf_file *file)
{
	uint64_t value;

	for (size_t i = 0; i < elf_file_segment_count(file) && i < 64; i++) {
		const struct elf_segment *s = elf_file_segment(file, i);

		if (elf_file_address_to_offset(file, s->address, &value) == 0)
			sink += value;
		if (elf_file_offset_to_address(file, s->file_offset, &value) == 0)
			sink += value;
		read_bytes(elf_file_image(file, s->address, s->file_bytes), s->file_bytes);
		if (elf_file_image(file, s->address, s->file_bytes + 1) &&
		    elf_file_segment_count(file) == 1)
			abort();
	}
}

static void ask_sections(const struct elf_file *file)
{
	static const char *const names[] = {".text", ".eh_frame", ".note.gnu.build-id", ".bss", ""};
	struct elf_section section;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (elf_file_section(file, names[i], &section) == 0)
			read_bytes(section.data, section.size);
}

static int read_probe(const struct usdt_probe *probe, void *user)
{
	struct usdt_argument argument;

	read_name(probe->provider, user);
	read_name(probe->name, user);
	for (unsigned int i = 0; i < 3; i++)
		if (!usdt_argument_parse(probe->arguments, i, &argument) &&
		    (argument.reg > USDT_NO_REGISTER || argument.index > USDT_NO_REGISTER))
			abort();
	return 0;
}

static int read_frame(uint64_t address, void *user)
{
	(void)user;
	sink += address;
	return 0;
}

static void ask_names(const struct elf_file *file)
{
	struct elf_frames *frames;
	struct elf_symbol symbol;
	const char *name;
	uint32_t crc;

	elf_file_for_each_symbol(file, read_symbol, (void *)file);
	if (elf_file_find_symbol(file, "malloc", &symbol) == 0 &&
	    strcmp(symbol.name, "malloc") != 0)
		abort();
	elf_file_for_each_needed(file, read_name, NULL);
	usdt_for_each(file, read_probe, NULL);
	if (elf_frames_new(file, &frames) == 0) {
		elf_frames_for_each(frames, read_frame, NULL);
		elf_frames_free(frames);
	}
	if (elf_file_soname(file))
		read_name(elf_file_soname(file), NULL);
	if (elf_file_interpreter(file))
		read_name(elf_file_interpreter(file), NULL);
	if (elf_file_debuglink(file, &name, &crc) == 0)
		read_name(name, NULL);
}

static void ask_unwinding(const struct elf_file *file)
{
	struct unwind_rules *rules;
	struct unwind_table table;

	if (unwind_rules_new(&rules))
		return;
	if (unwind_table_init(&table, file, rules) == 0)
		unwind_table_done(&table);
	unwind_rules_free(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file *file, *inner;
	char text[2 * BUILD_ID_MAX_BYTES + 1];

	if (elf_file_open_memory(data, size, &file))
		return 0;
	build_id_format(elf_file_build_id(file), text);
	read_name(text, NULL);
	ask_segments(file);
	ask_sections(file);
	ask_names(file);
	ask_unwinding(file);
	if (elf_file_debugdata(file, &inner) == 0) {
		ask_names(inner);
		elf_file_free(inner);
	}
	elf_file_free(file);
	return 0;
}
