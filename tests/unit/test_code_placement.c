// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where probes go. What this cannot find: a kernel that treats an instruction otherwise than the tables in
 * placement.c say; the end-to-end tests meet the running one.
 */
#include "cmocka_all.h"

#include <errno.h>

#include "process/code/placement.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__})
#define FIND(bytes, args, stack, place)                                         \
	placement_find(&(struct placement_request){.code = (bytes),             \
						   .size = sizeof(bytes),       \
						   .address = 0x1000,           \
						   .arguments = (args),         \
						   .stack_unchanged = (stack)}, \
		       (place))

static void push_nop_and_branches_are_emulated(void **state)
{
	(void)state;
	assert_int_equal(placement_kind_of(BYTES(0x55), 1), PLACEMENT_EMULATED);
	assert_int_equal(placement_kind_of(BYTES(0x41, 0x54), 2), PLACEMENT_EMULATED);
	assert_int_equal(placement_kind_of(BYTES(0x90), 1), PLACEMENT_EMULATED);
	assert_int_equal(placement_kind_of(BYTES(0x0f, 0x1f, 0x44, 0, 0), 5), PLACEMENT_EMULATED);
	assert_int_equal(placement_kind_of(BYTES(0xe9, 1, 2, 3, 4), 5), PLACEMENT_EMULATED);
	assert_int_equal(placement_kind_of(BYTES(0x74, 5), 2), PLACEMENT_EMULATED);
	assert_int_equal(placement_kind_of(BYTES(0x0f, 0x84, 1, 2, 3, 4), 6), PLACEMENT_EMULATED);
}

static void everything_else_is_stepped(void **state)
{
	(void)state;
	assert_int_equal(placement_kind_of(BYTES(0xf3, 0x0f, 0x1e, 0xfa), 4), PLACEMENT_STEPPED);
	assert_int_equal(placement_kind_of(BYTES(0x48, 0x85, 0xff), 3), PLACEMENT_STEPPED);
	assert_int_equal(placement_kind_of(BYTES(0xc3), 1), PLACEMENT_STEPPED);
	assert_int_equal(placement_kind_of(BYTES(0x6a, 0x05), 2), PLACEMENT_STEPPED);
	/* push r/m64 with a REX other than 41 */
	assert_int_equal(placement_kind_of(BYTES(0x48, 0x55), 2), PLACEMENT_STEPPED);
}

static void prefixes_that_the_kernel_rejects_are_refused(void **state)
{
	(void)state;
	assert_int_equal(placement_kind_of(BYTES(0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0), 10),
			 PLACEMENT_REFUSED);
	assert_int_equal(placement_kind_of(BYTES(0x66, 0xe9, 1, 2), 4), PLACEMENT_REFUSED);
	assert_int_equal(placement_kind_of(BYTES(0xf0, 0x48, 0x01, 0x07), 4), PLACEMENT_REFUSED);
}

static void the_first_emulated_instruction_is_taken(void **state)
{
	/* test %rdi,%rdi; je +8 (glibc's free) */
	static const uint8_t code[] = {0x48, 0x85, 0xff, 0x74, 0x08, 0xc3};
	struct placement place;

	(void)state;
	assert_int_equal(FIND(code, 1, false, &place), 0);
	assert_int_equal(place.offset, 3);
	assert_int_equal(place.kind, PLACEMENT_EMULATED);
}

static void an_argument_that_was_overwritten_ends_the_search(void **state)
{
	/* mov %rsi,%rdi; push %rbx; ret */
	static const uint8_t code[] = {0x48, 0x89, 0xf7, 0x53, 0xc3};
	struct placement place;

	(void)state;
	assert_int_equal(FIND(code, 1, false, &place), 0);
	assert_int_equal(place.offset, 0);
	assert_int_equal(place.kind, PLACEMENT_STEPPED);
	assert_int_equal(FIND(code, 2, false, &place), 0);
	assert_int_equal(place.offset, 3);
}

static void a_changed_stack_pointer_ends_the_search_for_calls(void **state)
{
	/* sub $8,%rsp; jmp +0; ret */
	static const uint8_t code[] = {0x48, 0x83, 0xec, 0x08, 0xeb, 0x00, 0xc3};
	struct placement place;

	(void)state;
	assert_int_equal(FIND(code, 1, true, &place), 0);
	assert_int_equal(place.offset, 0);
	assert_int_equal(FIND(code, 1, false, &place), 0);
	assert_int_equal(place.offset, 4);
}

static void a_place_that_is_jumped_into_is_not_taken(void **state)
{
	/* test %rdi,%rdi; push %rbx; jmp back to the push */
	static const uint8_t code[] = {0x48, 0x85, 0xff, 0x53, 0xeb, 0xfd};
	struct placement place;

	(void)state;
	assert_int_equal(FIND(code, 1, false, &place), 0);
	assert_int_equal(place.offset, 0);
}

static void a_function_that_begins_with_a_refused_prefix_has_no_place(void **state)
{
	/* lock add %rax,(%rdi) */
	static const uint8_t code[] = {0xf0, 0x48, 0x01, 0x07, 0xc3};
	struct placement place;

	(void)state;
	assert_int_equal(FIND(code, 1, false, &place), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_nop_and_branches_are_emulated),
		cmocka_unit_test(everything_else_is_stepped),
		cmocka_unit_test(prefixes_that_the_kernel_rejects_are_refused),
		cmocka_unit_test(the_first_emulated_instruction_is_taken),
		cmocka_unit_test(an_argument_that_was_overwritten_ends_the_search),
		cmocka_unit_test(a_changed_stack_pointer_ends_the_search_for_calls),
		cmocka_unit_test(a_place_that_is_jumped_into_is_not_taken),
		cmocka_unit_test(a_function_that_begins_with_a_refused_prefix_has_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
