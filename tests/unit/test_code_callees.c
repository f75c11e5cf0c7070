/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is called: in assembled code, where labels say what stands where, and in the system's libc. */
#include "process/code/callees.h"

#include "code_fixture.h"

/* Where the call at @name leads. */
static uint64_t target_of(const struct elf_file *file, const char *name)
{
	uint64_t address = label(file, name);
	const uint8_t *code = elf_file_image(file, address, 5);
	int32_t displacement;

	assert_non_null(code);
	assert_int_equal(code[0], 0xe8);
	memcpy(&displacement, code + 1, sizeof(displacement));
	return address + 5 + (uint64_t)(int64_t)displacement;
}

static const char calls[] =
	".globl own\nown: ret\n"
	"at_malloc: call malloc@PLT\nat_copy: call memcpy@PLT\n"
	"at_abort: call abort@PLT\nat_throw: call _ZSt17__throw_bad_allocv@PLT\n"
	"at_puts: call puts@PLT\nat_own: call own@PLT\nat_start: call own_start\n"
	".globl own_start\n.hidden own_start\nown_start: ret\n";

static void check_calls(const char *flags)
{
	struct elf_file *file = assemble(calls, flags);
	const struct code_goal goals[] = {
		{.symbol = "malloc"},
		{.symbol = "own"},
		{.address = label(file, "own_start")},
	};
	static const struct {
		const char *at;
		int goal;
		enum callee_habit habit;
	} expected[] = {
		{"at_malloc", 0, CALLEE_ORDINARY},      {"at_copy", -1, CALLEE_RETURNS_FIRST},
		{"at_abort", -1, CALLEE_NEVER_RETURNS}, {"at_throw", -1, CALLEE_NEVER_RETURNS},
		{"at_puts", -1, CALLEE_ORDINARY},       {"at_own", 1, CALLEE_ORDINARY},
		{"at_start", 2, CALLEE_ORDINARY},
	};
	struct callees *callees;

	assert_int_equal(callees_new(file, goals, 3, &callees), 0);
	assert_true(callees_have_slots(callees));
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct callee c = callees_at(callees, target_of(file, expected[i].at));

		assert_ptr_equal(c.goal, expected[i].goal < 0 ? NULL : &goals[expected[i].goal]);
		assert_int_equal(c.habit, expected[i].habit);
	}
	assert_null(callees_at(callees, label(file, "at_malloc")).goal);
	assert_null(callees_at(callees, UINT64_MAX).goal);
	assert_null(callees_through(callees, 0).goal);
	callees_free(callees);
	elf_file_free(file);
}

static void stubs_lead_to_the_imported_function(void **state)
{
	(void)state;
	check_calls("-Wl,-z,lazy");
	check_calls("-Wl,-z,now");
	check_calls("-Wl,-z,ibtplt");
}

/* libc's own memcpy is chosen at start, through a slot that has no name. */
static void a_function_chosen_at_start_is_known_by_its_resolver(void **state)
{
	struct elf_file *file;
	struct callees *callees;
	struct elf_section plt;
	size_t count = 0;

	(void)state;
	if (elf_file_open_path("/usr/lib/x86_64-linux-gnu/libc.so.6", &file))
		skip_because("no glibc there");
	assert_int_equal(callees_new(file, NULL, 0, &callees), 0);
	assert_false(callees_have_slots(callees));
	assert_int_equal(elf_file_section(file, ".plt", &plt), 0);
	for (size_t at = 0; at < plt.size; at += 16)
		count += callees_at(callees, plt.address + at).habit == CALLEE_RETURNS_FIRST;
	assert_true(count > 0);
	callees_free(callees);
	elf_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stubs_lead_to_the_imported_function),
		cmocka_unit_test(a_function_chosen_at_start_is_known_by_its_resolver),
	};

	return cmocka_run_group_tests_name("code_callees", tests, fixture_open, fixture_close);
}
