/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * ELF files: one made by hand, whole and damaged in every byte; and this process's own libc and vdso, where
 * memory is the truth.
 */
#include "process/elf/elf_file.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "oom.h"
#include "process/elf/unwind_table.h"

/*
 * The file: three segments that share pages of it, as lld lays them out. Offsets of its parts are constants, so
 * that tests can damage them.
 */
enum {
	AT_PROGRAMS = 0x40,
	AT_INTERP = 0x200,
	AT_NOTE = 0x240,
	AT_DYNSYM = 0x280,
	AT_DYNSTR = 0x300,
	AT_DYNAMIC = 0x380,
	AT_TEXT = 0x1500,
	AT_DATA = 0x1600,
	AT_NAMES = 0x1700,
	AT_LINK = 0x1800,
	AT_SECTIONS = 0x1900,
	SECTION_COUNT = 9,
	IMAGE_BYTES = AT_SECTIONS + SECTION_COUNT * (int)sizeof(Elf64_Shdr)
};

/* The loaded addresses of text and data: offset + 0x1000, offset + 0x2000. */
#define TEXT_ADDRESS (AT_TEXT + 0x1000)
#define DATA_ADDRESS (AT_DATA + 0x2000)

static const char dynamic_names[] = "\0libneeded.so.1\0libself.so.2\0function\0imported\0object";
static const char section_names[] =
	"\0.text\0.dynsym\0.dynstr\0.note\0.bss\0.names\0.gnu_debuglink\0.z";

/* Where @name begins in a table of @size bytes. */
static uint32_t offset_of(const char *table, size_t size, const char *name)
{
	for (size_t i = 1; i < size; i++)
		if (table[i - 1] == '\0' && strcmp(table + i, name) == 0)
			return (uint32_t)i;
	fail_msg("no %s", name);
	return 0;
}

#define DYNAMIC_NAME(name) offset_of(dynamic_names, sizeof(dynamic_names), name)
#define SECTION_NAME(name) offset_of(section_names, sizeof(section_names), name)

static void put_header(uint8_t *image)
{
	Elf64_Ehdr *h = (Elf64_Ehdr *)image;

	memcpy(h->e_ident, ELFMAG, SELFMAG);
	h->e_ident[EI_CLASS] = ELFCLASS64;
	h->e_ident[EI_DATA] = ELFDATA2LSB;
	h->e_ident[EI_VERSION] = EV_CURRENT;
	h->e_type = ET_DYN;
	h->e_machine = EM_X86_64;
	h->e_version = EV_CURRENT;
	h->e_entry = TEXT_ADDRESS + 4;
	h->e_phoff = AT_PROGRAMS;
	h->e_phentsize = sizeof(Elf64_Phdr);
	h->e_phnum = 6;
	h->e_shoff = AT_SECTIONS;
	h->e_shentsize = sizeof(Elf64_Shdr);
	h->e_shnum = SECTION_COUNT;
	h->e_shstrndx = 6;
}

static void put_programs(uint8_t *image)
{
	const Elf64_Phdr programs[] = {
		{PT_LOAD, PF_R, 0, 0, 0, AT_TEXT, AT_TEXT, 0x1000},
		{PT_LOAD, PF_R | PF_X, AT_TEXT, TEXT_ADDRESS, TEXT_ADDRESS, 0x100, 0x100, 0x1000},
		{PT_LOAD, PF_R | PF_W, AT_DATA, DATA_ADDRESS, DATA_ADDRESS, 0x80, 0x2000, 0x1000},
		{PT_INTERP, PF_R, AT_INTERP, AT_INTERP, AT_INTERP, 11, 11, 1},
		{PT_NOTE, PF_R, AT_NOTE, AT_NOTE, AT_NOTE, 24, 24, 4},
		{PT_DYNAMIC, PF_R, AT_DYNAMIC, AT_DYNAMIC, AT_DYNAMIC, 5 * sizeof(Elf64_Dyn),
		 5 * sizeof(Elf64_Dyn), 8},
	};

	memcpy(image + AT_PROGRAMS, programs, sizeof(programs));
}

static void put_contents(uint8_t *image)
{
	const uint32_t note[] = {4, 8, NT_GNU_BUILD_ID, 0x00554e47, 0x67452301, 0xefcdab89};
	const Elf64_Sym symbols[] = {
		{0},
		{DYNAMIC_NAME("imported"), ELF64_ST_INFO(STB_WEAK, STT_FUNC), 0, SHN_UNDEF, 0, 0},
		{DYNAMIC_NAME("function"), ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, TEXT_ADDRESS,
		 16},
		{DYNAMIC_NAME("object"), ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 2, DATA_ADDRESS,
		 8},
		{9999, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, 2, DATA_ADDRESS, 8},
	};
	const Elf64_Dyn dynamic[] = {
		{DT_NEEDED, {DYNAMIC_NAME("libneeded.so.1")}},
		{DT_SONAME, {DYNAMIC_NAME("libself.so.2")}},
		{DT_STRTAB, {AT_DYNSTR}},
		{DT_STRSZ, {sizeof(dynamic_names)}},
		{DT_NULL, {0}},
	};

	memcpy(image + AT_INTERP, "/lib/ld.so", 11);
	memcpy(image + AT_NOTE, note, sizeof(note));
	memcpy(image + AT_DYNSYM, symbols, sizeof(symbols));
	memcpy(image + AT_DYNSTR, dynamic_names, sizeof(dynamic_names));
	memcpy(image + AT_DYNAMIC, dynamic, sizeof(dynamic));
	memset(image + AT_TEXT, 0x90, 0x100);
	memcpy(image + AT_DATA, "data", 4);
	memcpy(image + AT_NAMES, section_names, sizeof(section_names));
	memcpy(image + AT_LINK, "self.debug\0\0\x78\x56\x34\x12", 16);
}

static void put_sections(uint8_t *image)
{
	const Elf64_Shdr sections[SECTION_COUNT] = {
		{0},
		{SECTION_NAME(".text"), SHT_PROGBITS, 0, TEXT_ADDRESS, AT_TEXT, 0x100, 0, 0, 16, 0},
		{SECTION_NAME(".dynsym"), SHT_DYNSYM, 0, AT_DYNSYM, AT_DYNSYM,
		 5 * sizeof(Elf64_Sym), 3, 0, 8, sizeof(Elf64_Sym)},
		{SECTION_NAME(".dynstr"), SHT_STRTAB, 0, AT_DYNSTR, AT_DYNSTR,
		 sizeof(dynamic_names), 0, 0, 1, 0},
		{SECTION_NAME(".note"), SHT_NOTE, 0, AT_NOTE, AT_NOTE, 24, 0, 0, 4, 0},
		{SECTION_NAME(".bss"), SHT_NOBITS, 0, DATA_ADDRESS + 0x80, AT_DATA + 0x80, 0x1000,
		 0, 0, 1, 0},
		{SECTION_NAME(".names"), SHT_STRTAB, 0, 0, AT_NAMES, sizeof(section_names), 0, 0, 1,
		 0},
		{SECTION_NAME(".gnu_debuglink"), SHT_PROGBITS, 0, 0, AT_LINK, 16, 0, 0, 4, 0},
		{SECTION_NAME(".z"), SHT_PROGBITS, SHF_COMPRESSED, 0, AT_DATA, 16, 0, 0, 4, 0},
	};

	memcpy(image + AT_SECTIONS, sections, sizeof(sections));
}

/* A heap block of exactly the file's size. */
static uint8_t *make_image(void)
{
	uint8_t *image = calloc(1, IMAGE_BYTES);

	put_header(image);
	put_programs(image);
	put_contents(image);
	put_sections(image);
	return image;
}

static struct elf_file *open_image(const uint8_t *image)
{
	struct elf_file *file = NULL;

	assert_int_equal(elf_file_open_memory(image, IMAGE_BYTES, &file), 0);
	return file;
}

static int set_up(void **state)
{
	*state = make_image();
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static int collect_name(const char *name, void *user)
{
	*(const char **)user = name;
	return 0;
}

static void headers_notes_and_dynamic_section_are_read(void **state)
{
	struct elf_file *file = open_image(*state);
	char hex[2 * BUILD_ID_MAX_BYTES + 1];
	const char *needed = NULL;

	build_id_format(elf_file_build_id(file), hex);
	assert_string_equal(hex, "0123456789abcdef");
	assert_true(build_id_equal(elf_file_build_id(file), elf_file_build_id(file)));
	assert_false(build_id_equal(elf_file_build_id(file), &(struct build_id){0}));
	assert_int_equal(elf_file_type(file), ET_DYN);
	assert_int_equal(elf_file_entry(file), TEXT_ADDRESS + 4);
	assert_string_equal(elf_file_interpreter(file), "/lib/ld.so");
	assert_string_equal(elf_file_soname(file), "libself.so.2");
	assert_int_equal(elf_file_for_each_needed(file, collect_name, &needed), 0);
	assert_string_equal(needed, "libneeded.so.1");
	elf_file_free(file);
}

static void build_id_is_found_without_sections(void **state)
{
	Elf64_Ehdr *header = *state;
	struct elf_file *file;
	struct elf_section section;

	header->e_shnum = 0;
	header->e_shoff = 0;
	file = open_image(*state);
	assert_int_equal(elf_file_build_id(file)->size, 8);
	assert_int_equal(elf_file_section(file, ".text", &section), -ENOENT);
	assert_string_equal(elf_file_soname(file), "libself.so.2");
	elf_file_free(file);
}

static void build_id_behind_another_note_with_alignment_8_is_found(void **state)
{
	uint8_t *image = *state;
	Elf64_Shdr *sections = (Elf64_Shdr *)(image + AT_SECTIONS);
	const uint32_t notes[] = {4,          4,   5, 0x00554e47, 1, 0, 4, 4, NT_GNU_BUILD_ID,
				  0x00554e47, 0xaa};
	struct elf_file *file;

	/* Each note padded to 8 bytes: 12 + 4 + 4 is 20, so 4 more follow. */
	memcpy(image + AT_INTERP, notes, sizeof(notes));
	sections[4].sh_offset = AT_INTERP;
	sections[4].sh_size = sizeof(notes);
	sections[4].sh_addralign = 8;
	file = open_image(image);
	assert_int_equal(elf_file_build_id(file)->size, 4);
	assert_int_equal(elf_file_build_id(file)->bytes[0], 0xaa);
	elf_file_free(file);
}

static void segments_translate_addresses_and_offsets(void **state)
{
	struct elf_file *file = open_image(*state);
	uint64_t value;

	assert_int_equal(elf_file_segment_count(file), 3);
	assert_true(elf_file_segment(file, 1)->executable);
	assert_true(elf_file_segment(file, 2)->writable);
	assert_null(elf_file_segment(file, 3));
	assert_int_equal(elf_file_offset_to_address(file, AT_TEXT + 5, &value), 0);
	assert_int_equal(value, TEXT_ADDRESS + 5);
	assert_int_equal(elf_file_offset_to_address(file, AT_DATA + 5, &value), 0);
	assert_int_equal(value, DATA_ADDRESS + 5);
	assert_int_equal(elf_file_address_to_offset(file, DATA_ADDRESS + 0x7f, &value), 0);
	assert_int_equal(value, AT_DATA + 0x7f);
	value = 77;
	assert_int_equal(elf_file_address_to_offset(file, DATA_ADDRESS + 0x80, &value), -ENOENT);
	assert_int_equal(elf_file_address_to_offset(file, 0xffffffffffffffff, &value), -ENOENT);
	assert_int_equal(elf_file_offset_to_address(file, 0x5000, &value), -ENOENT);
	assert_int_equal(value, 77);
	elf_file_free(file);
}

static void page_shared_with_the_segment_before_belongs_to_the_executable_one(void **state)
{
	struct elf_file *file = open_image(*state);
	uint64_t address;

	/* The mapping of the text begins at offset 0x1000, which lies in the first segment, too. */
	assert_int_equal(elf_file_offset_to_address(file, 0x1000, &address), 0);
	assert_int_equal(address, 0x2000);
	/* Not that page's begin: the segment that holds the byte. */
	assert_int_equal(elf_file_offset_to_address(file, 0x1001, &address), 0);
	assert_int_equal(address, 0x1001);
	/* Behind the data's end, but in its last page. */
	assert_int_equal(elf_file_offset_to_address(file, AT_DATA + 0x80, &address), 0);
	assert_int_equal(address, AT_DATA + 0x80 + 0x1000);
	elf_file_free(file);
}

static void image_never_leaves_a_segments_part_of_the_file(void **state)
{
	struct elf_file *file = open_image(*state);
	const uint8_t *bytes = elf_file_image(file, DATA_ADDRESS, 0x80);

	assert_memory_equal(bytes, "data", 4);
	assert_null(elf_file_image(file, DATA_ADDRESS, 0x81));
	assert_null(elf_file_image(file, DATA_ADDRESS + 0x80, 1));
	assert_null(elf_file_image(file, DATA_ADDRESS + 1, SIZE_MAX));
	assert_null(elf_file_image(file, TEXT_ADDRESS - 1, 1));
	assert_non_null(elf_file_image(file, TEXT_ADDRESS + 0xff, 1));
	elf_file_free(file);
}

static void sections_are_found_by_name(void **state)
{
	struct elf_file *file = open_image(*state);
	struct elf_section section;

	assert_int_equal(elf_file_section(file, ".text", &section), 0);
	assert_int_equal(section.size, 0x100);
	assert_int_equal(section.address, TEXT_ADDRESS);
	assert_int_equal(section.data[0], 0x90);
	assert_int_equal(elf_file_section(file, ".bss", &section), -ENOENT);
	assert_int_equal(elf_file_section(file, ".none", &section), -ENOENT);
	assert_int_equal(elf_file_section(file, ".z", &section), -ENOTSUP);
	elf_file_free(file);
}

static int count_symbol(const struct elf_symbol *symbol, void *user)
{
	(void)symbol;
	++*(int *)user;
	return *(int *)user == 2 ? 42 : 0;
}

static void symbols_are_visited_until_the_visitor_stops(void **state)
{
	struct elf_file *file = open_image(*state);
	struct elf_symbol symbol;
	int count = 0;

	assert_int_equal(elf_file_for_each_symbol(file, count_symbol, &count), 42);
	assert_int_equal(count, 2);
	count = 10;
	assert_int_equal(elf_file_for_each_symbol(file, count_symbol, &count), 0);
	assert_int_equal(count, 13); /* the fourth has its name outside the table */

	assert_int_equal(elf_file_find_symbol(file, "object", &symbol), 0);
	assert_int_equal(symbol.address, DATA_ADDRESS);
	assert_int_equal(symbol.size, 8);
	assert_int_equal(symbol.type, STT_OBJECT);
	assert_int_equal(symbol.bind, STB_GLOBAL);
	assert_true(symbol.dynamic);
	assert_int_equal(elf_file_find_symbol(file, "imported", &symbol), -ENOENT);
	assert_int_equal(elf_file_find_symbol(file, "", &symbol), -ENOENT);
	elf_file_free(file);
}

static void unterminated_string_table_ends_at_its_last_nul(void **state)
{
	uint8_t *image = *state;
	Elf64_Shdr *sections = (Elf64_Shdr *)(image + AT_SECTIONS);
	struct elf_symbol symbol;
	struct elf_file *file;

	sections[3].sh_size = sizeof(dynamic_names) - 1; /* cuts the NUL behind "object" */
	file = open_image(image);
	assert_int_equal(elf_file_find_symbol(file, "function", &symbol), 0);
	assert_int_equal(elf_file_find_symbol(file, "object", &symbol), -ENOENT);
	elf_file_free(file);
}

static void debug_link_is_read(void **state)
{
	struct elf_file *file = open_image(*state);
	const char *name;
	uint32_t crc;

	assert_int_equal(elf_file_debuglink(file, &name, &crc), 0);
	assert_string_equal(name, "self.debug");
	assert_int_equal(crc, 0x12345678);
	elf_file_free(file);
}

/* The image with a section of that content in place of .gnu_debuglink. */
static struct elf_file *open_with_debugdata(const uint8_t *image, const uint8_t *data, size_t size)
{
	uint8_t *bigger = calloc(1, IMAGE_BYTES + size);
	Elf64_Shdr *sections = (Elf64_Shdr *)(bigger + AT_SECTIONS);
	struct elf_file *file = NULL;

	memcpy(bigger, image, IMAGE_BYTES);
	memcpy(bigger + IMAGE_BYTES, data, size);
	memcpy(bigger + AT_NAMES + SECTION_NAME(".gnu_debuglink"), ".gnu_debugdata", 15);
	sections[7].sh_offset = IMAGE_BYTES;
	sections[7].sh_size = size;
	assert_int_equal(elf_file_open_memory(bigger, IMAGE_BYTES + size, &file), 0);
	free(bigger);
	return file;
}

static void embedded_symbols_are_decompressed(void **state)
{
	struct elf_file *file, *inner = NULL;
	struct elf_symbol symbol;
	uint8_t packed[IMAGE_BYTES];
	size_t size = 0;

	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, *state, IMAGE_BYTES,
						 packed, &size, sizeof(packed)),
			 LZMA_OK);
	file = open_with_debugdata(*state, packed, size);
	assert_int_equal(elf_file_debugdata(file, &inner), 0);
	elf_file_free(file);
	assert_int_equal(elf_file_find_symbol(inner, "function", &symbol), 0);
	elf_file_free(inner);

	inner = NULL;
	file = open_with_debugdata(*state, packed, size - 8);
	assert_int_equal(elf_file_debugdata(file, &inner), -EINVAL);
	elf_file_free(file);
	packed[size / 2] ^= 0xff;
	file = open_with_debugdata(*state, packed, size);
	assert_int_equal(elf_file_debugdata(file, &inner), -EINVAL);
	elf_file_free(file);
	assert_null(inner);
	file = open_image(*state);
	assert_int_equal(elf_file_debugdata(file, &inner), -ENOENT);
	elf_file_free(file);
}

static void foreign_files_are_told_apart(void **state)
{
	const struct {
		size_t offset;
		uint8_t value;
		int err;
	} cases[] = {
		{0, 0, -EBADF},
		{EI_CLASS, ELFCLASS32, -ENOTSUP},
		{EI_DATA, ELFDATA2MSB, -ENOTSUP},
		{offsetof(Elf64_Ehdr, e_machine), EM_386, -ENOTSUP},
		{offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, -ENOTSUP},
		{offsetof(Elf64_Ehdr, e_type), ET_REL, -ENOTSUP},
		{offsetof(Elf64_Ehdr, e_type), ET_CORE, -ENOTSUP},
		{offsetof(Elf64_Ehdr, e_phentsize), 32, -EINVAL},
		{offsetof(Elf64_Ehdr, e_phoff) + 4, 1, -EINVAL},
	};
	struct elf_file *file = NULL;
	uint8_t *image = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t saved = image[cases[i].offset];

		image[cases[i].offset] = cases[i].value;
		assert_int_equal(elf_file_open_memory(image, IMAGE_BYTES, &file), cases[i].err);
		image[cases[i].offset] = saved;
	}
	assert_int_equal(elf_file_open_memory(image, 63, &file), -EBADF);
	assert_int_equal(elf_file_open_memory(image, 0, &file), -EBADF);
	assert_int_equal(elf_file_open_path("/", &file), -EBADF);
	assert_int_equal(elf_file_open_path("/dev/null", &file), -EBADF);
	assert_int_equal(elf_file_open_path("/nonexistent", &file), -ENOENT);
	assert_int_equal(elf_file_open_path("/proc/self/maps", &file), -EBADF);
	assert_int_equal(elf_file_open_fd(-1, &file), -EBADF);
	assert_null(file);
}

/* Asks everything. Under ASan any read outside shows. */
static void ask_all(const struct elf_file *file)
{
	struct elf_section section;
	struct elf_symbol symbol;
	struct elf_file *inner;
	const char *name;
	uint64_t value;
	uint32_t crc;
	int count = 100;

	for (size_t i = 0; i < elf_file_segment_count(file); i++) {
		const struct elf_segment *s = elf_file_segment(file, i);

		elf_file_image(file, s->address, 1);
		elf_file_image(file, s->address, s->file_bytes);
		elf_file_image(file, s->address + s->file_bytes - 1, 2);
		elf_file_address_to_offset(file, s->address, &value);
		elf_file_offset_to_address(file, s->file_offset, &value);
	}
	for (const char *p = section_names; p < section_names + sizeof(section_names);
	     p += strlen(p) + 1)
		elf_file_section(file, p, &section);
	elf_file_for_each_symbol(file, count_symbol, &count);
	elf_file_find_symbol(file, "nobody", &symbol);
	elf_file_slot_symbol(file, DATA_ADDRESS, &symbol);
	elf_file_frame_begins(file, TEXT_ADDRESS);
	elf_file_for_each_needed(file, collect_name, &name);
	if (elf_file_soname(file))
		assert_true(strlen(elf_file_soname(file)) < IMAGE_BYTES);
	if (elf_file_interpreter(file))
		assert_true(strlen(elf_file_interpreter(file)) < IMAGE_BYTES);
	elf_file_debuglink(file, &name, &crc);
	if (elf_file_debugdata(file, &inner) == 0)
		elf_file_free(inner);
}

static void damage_in_any_byte_is_survived(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0xff};
	uint8_t *image = *state;
	unsigned opened = 0;

	for (size_t i = 0; i < IMAGE_BYTES; i++) {
		uint8_t saved = image[i];

		if (i >= AT_TEXT && i < AT_NAMES)
			continue;
		for (size_t k = 0; k < sizeof(values); k++) {
			struct elf_file *file = NULL;

			image[i] = values[k];
			if (elf_file_open_memory(image, IMAGE_BYTES, &file) == 0) {
				ask_all(file);
				opened++;
			}
			elf_file_free(file);
		}
		image[i] = saved;
	}
	assert_true(opened > IMAGE_BYTES);
}

static void every_truncation_is_survived(void **state)
{
	for (size_t size = 0; size < IMAGE_BYTES; size++) {
		uint8_t *part = malloc(size + 1);
		struct elf_file *file = NULL;

		memcpy(part, *state, size);
		if (elf_file_open_memory(part, size, &file) == 0)
			ask_all(file);
		elf_file_free(file);
		free(part);
	}
}

static void file_that_shrinks_while_it_is_open_is_an_error_and_no_signal(void **state)
{
	char path[] = "/tmp/holdfast-elf-XXXXXX";
	int fd = mkstemp(path), keep;
	struct elf_file *file = NULL;
	struct elf_section section;
	uint8_t *big = calloc(1, 1 << 20);
	Elf64_Shdr *sections = (Elf64_Shdr *)(big + AT_SECTIONS);

	memcpy(big, *state, IMAGE_BYTES);
	sections[7].sh_offset = 512 << 10; /* not in the part that opening reads */
	assert_int_equal(write(fd, big, 1 << 20), 1 << 20);
	keep = dup(fd);
	assert_int_equal(elf_file_open_fd(fd, &file), 0);
	assert_int_equal(ftruncate(keep, 4096), 0);
	assert_int_equal(elf_file_section(file, ".gnu_debuglink", &section), -EINVAL);
	/* What was read before stays. */
	assert_int_equal(elf_file_section(file, ".text", &section), 0);
	assert_int_equal(section.data[0], 0x90);
	elf_file_free(file);
	close(keep);
	unlink(path);
	free(big);
}

static void failing_allocation_is_reported_or_harmless(void **state)
{
	for (long n = 1;; n++) {
		struct elf_file *file = NULL;
		struct elf_symbol symbol;
		int err;

		oom_arm(n);
		err = elf_file_open_memory(*state, IMAGE_BYTES, &file);
		if (!err)
			err = elf_file_find_symbol(file, "function", &symbol);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			elf_file_free(file);
			break;
		}
		assert_int_equal(err, -ENOMEM);
		elf_file_free(file);
	}
}

/* What the loader says of a loaded object. */
struct loaded {
	const char *suffix;
	char path[4096];
	uint64_t bias;
	const uint8_t *note;
	size_t note_bytes;
};

static int find_loaded(struct dl_phdr_info *info, size_t size, void *user)
{
	struct loaded *loaded = user;
	const char *base = strrchr(info->dlpi_name, '/');

	(void)size;
	if (!base || strcmp(base + 1, loaded->suffix) != 0)
		return 0;
	snprintf(loaded->path, sizeof(loaded->path), "%s", info->dlpi_name);
	loaded->bias = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_NOTE)
			continue;
		loaded->note = (const uint8_t *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		loaded->note_bytes = info->dlpi_phdr[i].p_memsz;
	}
	return 1;
}

static void libc_on_disk_is_libc_in_memory(void **state)
{
	struct loaded loaded = {.suffix = "libc.so.6"};
	struct elf_file *file = NULL;
	struct elf_symbol symbol;
	const struct build_id *id;
	const uint8_t *code;

	(void)state;
	if (!dl_iterate_phdr(find_loaded, &loaded))
		skip_because("libc.so.6 is not loaded");
	assert_int_equal(elf_file_open_path(loaded.path, &file), 0);
	assert_string_equal(elf_file_soname(file), "libc.so.6");
	id = elf_file_build_id(file);
	assert_int_equal(id->size, 20);
	assert_non_null(memmem(loaded.note, loaded.note_bytes, id->bytes, id->size));
	assert_int_equal(elf_file_find_symbol(file, "getppid", &symbol), 0);
	assert_int_equal(symbol.type, STT_FUNC);
	code = elf_file_image(file, symbol.address, symbol.size);
	assert_memory_equal(code, (const uint8_t *)loaded.bias + symbol.address, symbol.size);
	elf_file_free(file);
}

/* Of a library that is loaded: what its slots hold, unless they still lead to its own linkage table. */
static void slots_hold_the_symbols_that_are_named(void **state)
{
	struct loaded loaded = {.suffix = "libcmocka.so.0"};
	struct elf_file *file = NULL;
	struct elf_section relocations, table = {0};
	struct elf_symbol symbol;
	int equal = 0;

	(void)state;
	if (!dl_iterate_phdr(find_loaded, &loaded))
		skip_because("libcmocka.so.0 is not loaded");
	assert_int_equal(elf_file_open_path(loaded.path, &file), 0);
	assert_int_equal(elf_file_section(file, ".rela.plt", &relocations), 0);
	elf_file_section(file, ".plt", &table);
	for (size_t i = 0; i + sizeof(Elf64_Rela) <= relocations.size; i += sizeof(Elf64_Rela)) {
		Elf64_Rela rela;
		uint64_t value;

		memcpy(&rela, relocations.data + i, sizeof(rela));
		memcpy(&value, (const uint8_t *)loaded.bias + rela.r_offset, sizeof(value));
		assert_int_equal(elf_file_slot_symbol(file, rela.r_offset, &symbol), 0);
		if (value - loaded.bias - table.address < table.size)
			continue; /* not called yet */
		equal += value == (uintptr_t)dlsym(RTLD_DEFAULT, symbol.name);
	}
	assert_true(equal >= 5);
	assert_int_equal(elf_file_slot_symbol(file, 1, &symbol), -ENOENT);
	elf_file_free(file);
}

static void functions_begin_where_symbols_say(void **state)
{
	static const char *const names[] = {"malloc", "free", "qsort", "printf"};
	struct loaded loaded = {.suffix = "libc.so.6"};
	struct elf_file *file = NULL;
	struct elf_symbol symbol;

	(void)state;
	if (!dl_iterate_phdr(find_loaded, &loaded))
		skip_because("libc.so.6 is not loaded");
	assert_int_equal(elf_file_open_path(loaded.path, &file), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(elf_file_find_symbol(file, names[i], &symbol), 0);
		assert_true(elf_file_frame_begins(file, symbol.address));
		assert_false(elf_file_frame_begins(file, symbol.address + 1));
	}
	assert_false(elf_file_frame_begins(file, 0));
	assert_false(elf_file_frame_begins(file, UINT64_MAX));
	elf_file_free(file);
}

static void vdso_is_read_from_its_bytes(void **state)
{
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct unwind_rules *rules;
	struct unwind_table table;
	struct elf_file *file = NULL;
	struct elf_symbol symbol;

	(void)state;
	if (!vdso)
		skip_because("no vdso");
	assert_int_equal(elf_file_open_memory(vdso, 2 * (size_t)getpagesize(), &file), 0);
	assert_string_equal(elf_file_soname(file), "linux-vdso.so.1");
	assert_int_equal(elf_file_find_symbol(file, "__vdso_clock_gettime", &symbol), 0);
	assert_int_equal(unwind_rules_new(&rules), 0);
	assert_int_equal(unwind_table_init(&table, file, rules), 0);
	assert_int_equal(
		unwind_rules_at(rules, unwind_table_find(&table, symbol.address))->cfa_kind,
		HF_CFA_SP);
	unwind_table_done(&table);
	unwind_rules_free(rules);
	elf_file_free(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(headers_notes_and_dynamic_section_are_read),
		TEST(build_id_is_found_without_sections),
		TEST(build_id_behind_another_note_with_alignment_8_is_found),
		TEST(segments_translate_addresses_and_offsets),
		TEST(page_shared_with_the_segment_before_belongs_to_the_executable_one),
		TEST(image_never_leaves_a_segments_part_of_the_file),
		TEST(sections_are_found_by_name),
		TEST(symbols_are_visited_until_the_visitor_stops),
		TEST(unterminated_string_table_ends_at_its_last_nul),
		TEST(debug_link_is_read),
		TEST(embedded_symbols_are_decompressed),
		TEST(foreign_files_are_told_apart),
		TEST(damage_in_any_byte_is_survived),
		TEST(every_truncation_is_survived),
		TEST(file_that_shrinks_while_it_is_open_is_an_error_and_no_signal),
		TEST(failing_allocation_is_reported_or_harmless),
		cmocka_unit_test(libc_on_disk_is_libc_in_memory),
		cmocka_unit_test(slots_hold_the_symbols_that_are_named),
		cmocka_unit_test(functions_begin_where_symbols_say),
		cmocka_unit_test(vdso_is_read_from_its_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
