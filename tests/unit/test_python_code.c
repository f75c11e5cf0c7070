/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code objects, made by hand in this process's own memory; and the location tables of Python's standard library, whose
 * lines Python itself tells.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "process/python/code.h"
#include "process/python/debug_offsets.h"

#define TYPE  0x5550ull /* the address of PyCode_Type */
#define UNITS 70000

static struct python_runtime runtime;

static int setup(void **state)
{
	(void)state;
	runtime = (struct python_runtime){.version_hex = 0x030b02f0,
					  .layout = python_layout_find(0x030b02f0),
					  .types = {[PYTHON_CODE] = TYPE}};
	return 0;
}

/* A str: ASCII, or of @kind bytes a character. */
struct str {
	uint64_t count, type, length, hash;
	uint32_t state, padding;
	uint8_t rest[8 + 2400];
};

static struct str *new_str(unsigned int kind, const void *text, size_t length)
{
	struct str *str = calloc(1, sizeof(*str));
	bool ascii = !kind;

	assert_non_null(str);
	str->length = length;
	str->state = (ascii ? 1u : kind) << 2 | 1u << 5 | (ascii ? 1u << 6 : 0);
	memcpy((uint8_t *)str + (ascii ? 48 : 72), text, length * (ascii ? 1 : kind));
	return str;
}

struct bytes {
	uint64_t count, type, length, hash;
	uint8_t text[64];
};

static uint64_t address_of(const void *object)
{
	return (uintptr_t)object;
}

/* As laid out in 3.11. */
struct code {
	uint8_t bytes[192];
};

static struct code code_of(const struct str *name, const struct str *file,
			   const struct bytes *lines, int32_t first_line)
{
	struct code code = {{0}};
	const uint64_t references = 1, type = TYPE, n = address_of(name), f = address_of(file),
		       l = address_of(lines);

	memcpy(code.bytes, &references, 8);
	memcpy(code.bytes + 8, &type, 8);
	memcpy(code.bytes + 72, &first_line, 4);
	memcpy(code.bytes + 112, &f, 8);
	memcpy(code.bytes + 128, &n, 8);
	memcpy(code.bytes + 136, &l, 8);
	return code;
}

static int read_code(const struct code *code, struct python_code *ret)
{
	struct python_code_mark mark;
	int err = python_code_mark_read(getpid(), &runtime, address_of(code), &mark);

	return err ? err : python_code_read(getpid(), &runtime, address_of(code), &mark, ret);
}

static void names_and_lines_are_read(void **state)
{
	struct str *name = new_str(0, "Store.keep", 10);
	struct str *file = new_str(2, u"/srv/Ärger/ω.py", 15);
	/* Three units of line 7, one of line 9, one without a line. */
	struct bytes lines = {.length = 5, .text = {0x80 | 10 << 3 | 2, 0, 0, 0x80 | 12 << 3, 0}};
	struct code code = code_of(name, file, &lines, 7);
	struct python_code read;

	(void)state;
	assert_int_equal(read_code(&code, &read), 0);
	assert_string_equal(read.function, "Store.keep");
	assert_string_equal(read.file, "/srv/Ärger/ω.py");
	assert_int_equal(python_code_line(&read, 0), 7);
	assert_int_equal(python_code_line(&read, 2), 7);
	assert_int_equal(python_code_line(&read, 3), 9);
	assert_int_equal(python_code_line(&read, 4), 0);
	assert_int_equal(python_code_line(&read, HF_PYTHON_NO_UNIT), 7);
	python_code_done(&read);
	free(name);
	free(file);
}

static void what_is_no_code_object_is_refused(void **state)
{
	struct str *name = new_str(0, "f", 1);
	struct bytes lines = {.length = 0};
	struct code code = code_of(name, name, &lines, 1);
	struct python_code read;
	uint64_t other = TYPE + 16, link = address_of(&code);

	(void)state;
	memcpy(code.bytes + 8, &other, 8);
	assert_int_equal(read_code(&code, &read), -EINVAL);
	code = code_of(name, name, &lines, -5);
	assert_int_equal(read_code(&code, &read), -EINVAL);
	code = code_of(NULL, name, &lines, 1);
	assert_int_equal(read_code(&code, &read), -EFAULT);
	/* Freed: a link in place of the count. */
	code = code_of(name, name, &lines, 1);
	memcpy(code.bytes, &link, 8);
	assert_int_equal(read_code(&code, &read), -EINVAL);
	name->state = 0;
	code = code_of(name, name, &lines, 1);
	assert_int_equal(read_code(&code, &read), -EINVAL);
	free(name);
}

static void long_names_are_cut_and_strange_characters_shown_as_such(void **state)
{
	uint32_t text[PYTHON_NAME_MAX + 10] = {'a', 0xd800, 0, 0x110000, 0x1f40d};
	struct str *name = new_str(4, text, PYTHON_NAME_MAX + 10);
	struct bytes lines = {.length = INT64_MAX};
	struct code code = code_of(name, name, &lines, 1);
	struct python_code read;

	(void)state;
	assert_int_equal(read_code(&code, &read), 0);
	assert_memory_equal(read.function, "a\uFFFD\uFFFD\uFFFD\U0001F40D", 14);
	assert_int_equal(strlen(read.function), 14 + 3 * (PYTHON_NAME_MAX - 5));
	/* A table that is too long: no lines. */
	assert_int_equal(python_code_line(&read, 0), 0);
	python_code_done(&read);
	free(name);
}

static void a_damaged_table_ends(void **state)
{
	uint8_t endless[] = {0x80 | 13 << 3, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f};
	uint8_t no_entry[] = {0x05, 0x80};
	struct python_code code = {
		.lines = endless, .line_bytes = sizeof(endless), .first_line = 1};

	(void)state;
	assert_int_equal(python_code_line(&code, 0), 0);
	code.lines = no_entry;
	code.line_bytes = sizeof(no_entry);
	assert_int_equal(python_code_line(&code, 0), 0);
}

/* "first-line table-in-hex line of unit 0, of unit 1, ...", 0 for none; every code object of a module. */
static const char tell[] =
	"import sys, types, importlib\n"
	"def tell(code):\n"
	"    lines = [line or 0 for line, *_ in code.co_positions()]\n"
	"    print(code.co_firstlineno, code.co_linetable.hex(), *lines)\n"
	"    for const in code.co_consts:\n"
	"        if isinstance(const, types.CodeType): tell(const)\n"
	"for name in 'argparse asyncio.tasks typing json.encoder tarfile'.split():\n"
	"    module = importlib.import_module(name)\n"
	"    tell(compile(open(module.__file__).read(), name, 'exec'))\n"
	"if sys.version_info < (3, 11): sys.exit(9)\n";

static void check_lines(char *text, size_t *units)
{
	static uint8_t table[1 << 17];
	struct python_code code = {.lines = table};
	char *at = text, *hex;

	code.first_line = (uint32_t)strtoul(at, &at, 10);
	for (hex = at + 1; hex[0] != ' ' && hex[0]; hex += 2) {
		unsigned int byte;

		assert_true(code.line_bytes < sizeof(table));
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		table[code.line_bytes++] = (uint8_t)byte;
	}
	for (uint32_t unit = 0; *hex && *hex != '\n'; unit++, (*units)++)
		assert_int_equal(python_code_line(&code, unit), strtoul(hex, &hex, 10));
}

static void lines_are_those_that_python_tells(void **state)
{
	size_t size = 0, units = 0;
	char *line = NULL;
	FILE *out;
	int status;

	(void)state;
	if (access("/usr/bin/python3", X_OK))
		skip();
	assert_int_equal(setenv("TELL", tell, 1), 0);
	out = popen("/usr/bin/python3 -c 'import os; exec(os.environ[\"TELL\"])'", "r");
	assert_non_null(out);
	while (getline(&line, &size, out) > 0)
		check_lines(line, &units);
	free(line);
	status = pclose(out);
	if (status)
		skip(); /* no python3 of 3.11 or later */
	assert_true(units > 20000);
}

/* The interpreter's own table of offsets, as it would be for our layout of 3.13. */
static void a_table_of_offsets_that_differs_is_not_believed(void **state)
{
	const struct python_layout *layout = python_layout_find(0x030d00f0);
	uint64_t words[PYTHON_DEBUG_WORDS] = {0};

	(void)state;
	assert_string_equal(python_debug_offsets_check(words, layout),
			    "it has no table of its offsets");
	memcpy(words, "xdebugpy", 8);
	assert_string_equal(python_debug_offsets_check(words, layout),
			    "its table of offsets is not that of its version");
	words[2] = 1;
	assert_string_equal(python_debug_offsets_check(words, layout),
			    "it is a free-threaded build");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_lines_are_read),
		cmocka_unit_test(what_is_no_code_object_is_refused),
		cmocka_unit_test(long_names_are_cut_and_strange_characters_shown_as_such),
		cmocka_unit_test(a_damaged_table_ends),
		cmocka_unit_test(lines_are_those_that_python_tells),
		cmocka_unit_test(a_table_of_offsets_that_differs_is_not_believed),
	};

	return cmocka_run_group_tests_name("python_code", tests, setup, NULL);
}
