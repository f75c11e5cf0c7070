/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which code a function's frame may be in: functions of this very program, in assembler. */
#include "process/code/jumps.h"

#include "cmocka_all.h"

#define FUNCTION(name, body)                                                                      \
	__asm__(".pushsection .text\n.type " #name ",@function\n" #name ":\n" body ".size " #name \
		", . - " #name "\n.popsection\n")

FUNCTION(jumps_plain, "test %edi, %edi\nje 1f\ncall jumps_last\n1: ret\n");
FUNCTION(jumps_once, "nop\njmp jumps_last\n");
FUNCTION(jumps_twice, "test %edi, %edi\njne jumps_once\nret\n");
FUNCTION(jumps_anywhere, "jmp *%rax\n");
FUNCTION(jumps_last, "nop\nret\n");

static struct elf_file *elf;

static int open_self(void **state)
{
	(void)state;
	return elf_file_open_path("/proc/self/exe", &elf);
}

static int close_self(void **state)
{
	(void)state;
	elf_file_free(elf);
	return 0;
}

static bool find(const char *name, size_t max, struct code_part *ret, size_t *ret_count)
{
	struct elf_symbol symbol;

	assert_int_equal(elf_file_find_symbol(elf, name, &symbol), 0);
	return code_parts_find(elf, (struct code_part){symbol.address, symbol.size}, ret, max,
			       ret_count);
}

static uint64_t address_of(const char *name)
{
	struct elf_symbol symbol;

	assert_int_equal(elf_file_find_symbol(elf, name, &symbol), 0);
	return symbol.address;
}

static void a_function_that_stays_has_one_part(void **state)
{
	struct code_part parts[4];
	size_t count;

	(void)state;
	assert_true(find("jumps_plain", 4, parts, &count));
	assert_int_equal(count, 1);
	assert_int_equal(parts[0].address, address_of("jumps_plain"));
}

static void jumps_lead_to_other_functions_and_on_from_there(void **state)
{
	struct code_part parts[4];
	size_t count;

	(void)state;
	assert_true(find("jumps_once", 4, parts, &count));
	assert_int_equal(count, 2);
	assert_int_equal(parts[1].address, address_of("jumps_last"));
	assert_true(find("jumps_twice", 4, parts, &count));
	assert_int_equal(count, 3);
	assert_false(find("jumps_twice", 2, parts, &count)); /* no room for all */
	assert_int_equal(count, 2);
}

static void where_the_code_does_not_tell_it_is_said(void **state)
{
	struct code_part parts[4], nothing = {.address = 0x10};
	size_t count;

	(void)state;
	assert_false(find("jumps_anywhere", 4, parts, &count));
	assert_int_equal(count, 1);
	assert_false(code_parts_find(elf, nothing, parts, 4, &count));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_that_stays_has_one_part),
		cmocka_unit_test(jumps_lead_to_other_functions_and_on_from_there),
		cmocka_unit_test(where_the_code_does_not_tell_it_is_said),
	};

	return cmocka_run_group_tests(tests, open_self, close_self);
}
