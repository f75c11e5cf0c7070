/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions by .eh_frame, held against the symbol table of this program and of a static one, which has no
 * .eh_frame_hdr; slots that the linker fills; code that is copied.
 */
#include "process/elf/elf_frames.h"

#include "symbol_fixture.h"

struct comparison {
	const struct elf_frames *frames;
	size_t compared, different;
};

static int compare_function(const struct elf_symbol *symbol, void *user)
{
	struct comparison *c = user;
	uint64_t start, end;

	/* STT_FUNC */
	if (symbol->type != 2 || !symbol->defined || symbol->size < 2)
		return 0;
	c->compared++;
	if (!elf_frames_at(c->frames, symbol->address + symbol->size - 1, &start, &end) ||
	    start != symbol->address || end != symbol->address + symbol->size)
		c->different++;
	return 0;
}

static void compare(const char *path)
{
	struct comparison c = {0};
	struct elf_frames *frames;
	struct elf_file *file;
	uint64_t start, end;

	assert_int_equal(elf_file_open_path(path, &file), 0);
	assert_int_equal(elf_frames_new(file, &frames), 0);
	c.frames = frames;
	elf_file_for_each_symbol(file, compare_function, &c);
	assert_true(c.compared > 50);
	/* start code has no entry, assembler's names more than one function */
	if (c.different * 20 > c.compared)
		fail_msg("%s: %zu of %zu", path, c.different, c.compared);
	assert_false(elf_frames_at(frames, 0, &start, &end));
	assert_false(elf_frames_at(frames, UINT64_MAX, &start, &end));
	elf_frames_free(frames);
	elf_file_free(file);
}

static void functions_are_found_by_the_index(void **state)
{
	(void)state;
	compare("/proc/self/exe");
}

static void functions_are_found_without_an_index(void **state)
{
	struct elf_section section;
	struct elf_file *file;
	char path[128];

	(void)state;
	need_program("gcc");
	write_text("static.c", "int main(void) { return 0; }\n");
	if (shell("gcc -static -no-pie -o static static.c"))
		skip_because("no static libc");
	snprintf(path, sizeof(path), "%s/static", fixture_directory);
	assert_int_equal(elf_file_open_path(path, &file), 0);
	if (elf_file_section(file, ".eh_frame_hdr", &section) == 0)
		print_message("# this linker writes an index\n");
	elf_file_free(file);
	compare(path);
}

static void a_file_without_unwind_entries_has_no_functions(void **state)
{
	struct elf_frames *frames;
	struct elf_file *file;
	uint64_t start, end;
	char path[128];

	(void)state;
	need_program("gcc");
	write_text("bare.s", ".globl f\nf: ret\n");
	must("gcc -nostdlib -shared -o bare.so bare.s");
	snprintf(path, sizeof(path), "%s/bare.so", fixture_directory);
	assert_int_equal(elf_file_open_path(path, &file), 0);
	assert_int_equal(elf_frames_new(file, &frames), 0);
	assert_false(elf_frames_at(frames, elf_file_segment(file, 1)->address, &start, &end));
	elf_frames_free(frames);
	elf_file_free(file);
}

struct slots {
	size_t imported, own, relative;
};

static int count_slot(const struct elf_slot *slot, void *user)
{
	struct slots *s = user;

	if (!slot->name)
		s->relative++;
	else if (!strcmp(slot->name, "imported"))
		s->imported += slot->target == 0;
	else if (!strcmp(slot->name, "own"))
		s->own += slot->target != 0;
	return 0;
}

static void slots_tell_where_they_lead(void **state)
{
	struct slots s = {0};
	struct elf_file *file;
	char path[128];

	(void)state;
	need_program("gcc");
	write_text("slots.s", ".globl own\nown: call imported@PLT\ncall *imported@GOTPCREL(%rip)\n"
			      "call own@PLT\nret\n.data\n.quad local\n.text\nlocal: ret\n");
	must("gcc -nostdlib -shared -Wl,-z,lazy -o slots.so slots.s");
	snprintf(path, sizeof(path), "%s/slots.so", fixture_directory);
	assert_int_equal(elf_file_open_path(path, &file), 0);
	assert_int_equal(elf_file_for_each_slot(file, count_slot, &s), 0);
	assert_true(s.imported > 0);
	assert_int_equal(s.own, 1);
	assert_int_equal(s.relative, 1);
	elf_file_free(file);
}

static void what_is_copied_is_what_the_image_holds(void **state)
{
	const struct elf_segment *segment;
	uint8_t copy[4096];
	struct elf_file *file;

	(void)state;
	assert_int_equal(elf_file_open_path("/proc/self/exe", &file), 0);
	for (size_t i = 0; i < elf_file_segment_count(file); i++) {
		size_t size;

		segment = elf_file_segment(file, i);
		size = segment->file_bytes < sizeof(copy) ? segment->file_bytes : sizeof(copy);
		assert_int_equal(elf_file_read(file, segment->address, size, copy), 0);
		assert_memory_equal(copy, elf_file_image(file, segment->address, size), size);
		assert_int_not_equal(
			elf_file_read(file, segment->address + segment->file_bytes, 1, copy), 0);
	}
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found_by_the_index),
		cmocka_unit_test(functions_are_found_without_an_index),
		cmocka_unit_test(a_file_without_unwind_entries_has_no_functions),
		cmocka_unit_test(slots_tell_where_they_lead),
		cmocka_unit_test(what_is_copied_is_what_the_image_holds),
	};

	return cmocka_run_group_tests_name("elf_frames", tests, fixture_open, fixture_close);
}
