// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a function's frame is left. What this cannot find: a ret that is reached only through data (a jump
 * table): such a function is refused, and the truth tests say whether an allocator has one.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "process/code/returns.h"

#define BASE 0x1000u
#define SLOT 0x5000u

/* A piece of code at BASE; the pointer at SLOT leads to slot_goal (0: out of this code). */
struct program {
	const uint8_t *bytes;
	size_t size;
	uint64_t slot_goal, function_at;
};

static const uint8_t *read_program(void *user, uint64_t address, size_t *ret_size)
{
	const struct program *p = user;

	if (address < BASE || address - BASE >= p->size)
		return NULL;
	*ret_size = p->size - (address - BASE);
	if (*ret_size > 15)
		*ret_size = 15;
	return p->bytes + (address - BASE);
}

static bool follow_slot(void *user, uint64_t slot, uint64_t *ret_address)
{
	const struct program *p = user;

	*ret_address = p->slot_goal;
	return slot == SLOT && p->slot_goal;
}

static bool begins(void *user, uint64_t address)
{
	return address == ((const struct program *)user)->function_at;
}

static int find(struct program program, struct returns *ret)
{
	struct returns_code code = {read_program, follow_slot, begins, &program};

	return returns_find(&code, BASE, ret);
}

#define PROGRAM(...) \
	.bytes = (const uint8_t[]){__VA_ARGS__}, .size = sizeof((const uint8_t[]){__VA_ARGS__})

static bool has(const struct returns *r, uint64_t address)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->addresses[i] == address)
			return true;
	}
	return false;
}

static void both_ways_of_a_condition_are_followed(void **state)
{
	struct returns r;

	(void)state;
	/* test %rdi,%rdi; je +1; ret; ret */
	assert_int_equal(
		find((struct program){PROGRAM(0x48, 0x85, 0xff, 0x74, 0x01, 0xc3, 0xc3)}, &r), 0);
	assert_int_equal(r.count, 2);
	assert_true(has(&r, BASE + 5));
	assert_true(has(&r, BASE + 6));
}

static void a_ret_is_found_once_and_loops_end(void **state)
{
	struct returns r;

	(void)state;
	/* je -2; je +1; ret; jmp -3 (to the ret) */
	assert_int_equal(
		find((struct program){PROGRAM(0x74, 0xfe, 0x74, 0x01, 0xc3, 0xeb, 0xfd)}, &r), 0);
	assert_int_equal(r.count, 1);
	assert_true(has(&r, BASE + 4));
}

static void a_tail_jump_leads_to_the_other_functions_ret(void **state)
{
	struct returns r;

	(void)state;
	/* jmp +3; (bytes of no instruction); push %rbx; pop %rbx; ret */
	assert_int_equal(
		find((struct program){PROGRAM(0xeb, 0x03, 0x06, 0x06, 0x06, 0x53, 0x5b, 0xc3)}, &r),
		0);
	assert_int_equal(r.count, 1);
	assert_true(has(&r, BASE + 7));
}

static void a_tail_jump_through_the_linkage_table_is_followed(void **state)
{
	struct returns r;
	/* jmp *SLOT(%rip); nop; ret */
	struct program program = {PROGRAM(0xff, 0x25, 0xfa, 0x3f, 0x00, 0x00, 0x90, 0xc3),
				  .slot_goal = BASE + 6};

	(void)state;
	assert_int_equal(find(program, &r), 0);
	assert_int_equal(r.count, 1);
	assert_true(has(&r, BASE + 7));
	program.slot_goal = 0;
	assert_int_equal(find(program, &r), -ENOTSUP);
}

static void calls_are_not_followed_and_return(void **state)
{
	struct returns r;

	(void)state;
	/* call +1 (to the second ret); ret; ret */
	assert_int_equal(
		find((struct program){PROGRAM(0xe8, 0x01, 0x00, 0x00, 0x00, 0xc3, 0xc3)}, &r), 0);
	assert_int_equal(r.count, 1);
	assert_true(has(&r, BASE + 5));
}

static void a_call_that_ends_the_function_does_not_lead_into_the_next(void **state)
{
	struct returns r;

	(void)state;
	/* je +6; call abort; nop | ret (the next function) | ret */
	assert_int_equal(find((struct program){PROGRAM(0x74, 0x07, 0xe8, 0x00, 0x10, 0x00, 0x00,
						       0x90, 0xc3, 0xc3),
					       .function_at = BASE + 8},
			      &r),
			 0);
	assert_int_equal(r.count, 1);
	assert_true(has(&r, BASE + 9));
}

static void a_trap_ends_a_path(void **state)
{
	struct returns r;

	(void)state;
	/* je +2; ud2; ret -- and ud2 alone */
	assert_int_equal(find((struct program){PROGRAM(0x74, 0x02, 0x0f, 0x0b, 0xc3)}, &r), 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(find((struct program){PROGRAM(0x0f, 0x0b, 0xc3)}, &r), -ENOENT);
}

static void a_jump_by_register_or_table_is_refused(void **state)
{
	struct returns r = {.count = 77};

	(void)state;
	/* jmp *%rax */
	assert_int_equal(find((struct program){PROGRAM(0xff, 0xe0)}, &r), -ENOTSUP);
	/* jmp *(%rax,%rdi,8) */
	assert_int_equal(find((struct program){PROGRAM(0xff, 0x24, 0xf8)}, &r), -ENOTSUP);
	assert_int_equal(r.count, 77);
}

static void bytes_that_are_no_code_are_refused(void **state)
{
	struct returns r;

	(void)state;
	assert_int_equal(find((struct program){PROGRAM(0x90, 0x06)}, &r), -EILSEQ);
	/* runs off the end */
	assert_int_equal(find((struct program){PROGRAM(0x90, 0x90)}, &r), -EILSEQ);
}

static void too_much_code_and_too_many_rets_are_refused(void **state)
{
	static uint8_t nops[RETURNS_MAX_INSTRUCTIONS + 2];
	static uint8_t rets[4 * (RETURNS_MAX + 1)];
	struct returns r;

	(void)state;
	memset(nops, 0x90, sizeof(nops));
	nops[sizeof(nops) - 1] = 0xc3;
	assert_int_equal(find((struct program){nops, sizeof(nops), 0, 0}, &r), -E2BIG);
	for (size_t i = 0; i < sizeof(rets); i += 4)
		memcpy(rets + i, "\x74\x01\xc3\x90", 4); /* je over the ret; ret; nop */
	rets[sizeof(rets) - 1] = 0xc3;
	assert_int_equal(find((struct program){rets, sizeof(rets), 0, 0}, &r), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_of_a_condition_are_followed),
		cmocka_unit_test(a_ret_is_found_once_and_loops_end),
		cmocka_unit_test(a_tail_jump_leads_to_the_other_functions_ret),
		cmocka_unit_test(a_tail_jump_through_the_linkage_table_is_followed),
		cmocka_unit_test(calls_are_not_followed_and_return),
		cmocka_unit_test(a_call_that_ends_the_function_does_not_lead_into_the_next),
		cmocka_unit_test(a_trap_ends_a_path),
		cmocka_unit_test(a_jump_by_register_or_table_is_refused),
		cmocka_unit_test(bytes_that_are_no_code_are_refused),
		cmocka_unit_test(too_much_code_and_too_many_rets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
