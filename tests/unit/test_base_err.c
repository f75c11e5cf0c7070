/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "base/err.h"

#include <string.h>

#include "cmocka_all.h"
#include "oom.h"

/* What error_print() writes, in a buffer of the test's. */
static const char *printed(const struct hf_error *e, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");

	error_print(e, out);
	fclose(out);
	return text;
}

static void three_lines_with_the_code_in_front(void **state)
{
	struct hf_error e = HF_ERROR_INIT;
	char text[512] = "";

	(void)state;
	assert_int_equal(error_set(&e, HF_E_NOPID, "there is no process %d", 4711), -ESRCH);
	assert_int_equal(error_why(&e, "it has ended"), -ESRCH);
	assert_int_equal(error_fix(&e, "list processes with `holdfast ps`"), -ESRCH);
	assert_string_equal(printed(&e, text, sizeof(text)),
			    "holdfast: [HF-E-NOPID] there is no process 4711\n"
			    "  why: it has ended\n"
			    "  do: list processes with `holdfast ps`\n");
	error_done(&e);
}

static void lines_that_are_not_there_are_not_printed(void **state)
{
	struct hf_error e;
	char text[512] = "";

	(void)state;
	error_init(&e);
	assert_string_equal(printed(&e, text, sizeof(text)), "");
	error_set(&e, HF_E_USAGE, "no command");
	assert_string_equal(printed(&e, text, sizeof(text)), "holdfast: [HF-E-USAGE] no command\n");
	error_done(&e);
}

static void a_later_error_replaces_all_of_the_earlier_one(void **state)
{
	struct hf_error e = HF_ERROR_INIT;

	(void)state;
	error_set(&e, HF_E_NOFILE, "inner");
	error_why(&e, "inner why");
	/* its own old text may be an argument */
	assert_int_equal(error_set_errno(&e, HF_E_CANTWRITE, ENOSPC, "outer: %s", e.what.buf),
			 -ENOSPC);
	assert_string_equal(e.what.buf, "outer: inner");
	assert_string_equal(e.why.buf, "");
	assert_int_equal(e.err, -ENOSPC);
	assert_int_equal(error_exit_code(e.code), 73);
	error_done(&e);
	assert_false(error_is_set(&e));
}

static void null_is_accepted_and_the_value_still_returned(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, HF_E_PERM, "x"), -EPERM);
	assert_int_equal(error_set_errno(NULL, HF_E_PERM, EACCES, "x"), -EACCES);
	assert_int_equal(error_why(NULL, "x"), -EIO);
	assert_false(error_is_set(NULL));
	error_done(NULL);
}

static void exit_codes_are_those_promised(void **state)
{
	static const struct {
		enum hf_error_code code;
		const char *name;
		int exit_code;
	} promised[] = {
		{HF_E_USAGE, "USAGE", 64},         {HF_E_BADFILE, "BADFILE", 65},
		{HF_E_NOPID, "NOPID", 66},         {HF_E_NOFILE, "NOFILE", 66},
		{HF_E_NOMALLOC, "NOMALLOC", 69},   {HF_E_UNSUPPORTED, "UNSUPPORTED", 69},
		{HF_E_NOKERNEL, "NOKERNEL", 69},   {HF_E_INTERNAL, "INTERNAL", 70},
		{HF_E_CANTWRITE, "CANTWRITE", 73}, {HF_E_BUDGET, "BUDGET", 75},
		{HF_E_DETACHED, "DETACHED", 75},   {HF_E_PERM, "PERM", 77},
		{HF_E_CONFIG, "CONFIG", 78},
	};

	(void)state;
	assert_int_equal(sizeof(promised) / sizeof(promised[0]), HF_E_COUNT - 1);
	for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++) {
		assert_string_equal(error_code_name(promised[i].code), promised[i].name);
		assert_int_equal(error_exit_code(promised[i].code), promised[i].exit_code);
	}
	assert_int_equal(error_exit_code(HF_E_NONE), 0);
}

static void control_characters_of_a_name_are_escaped(void **state)
{
	struct hf_error e = HF_ERROR_INIT;
	char text[512] = "";

	(void)state;
	error_set(&e, HF_E_NOFILE, "cannot open '%s'", "a\n  do: run \x1b[0m");
	assert_string_equal(printed(&e, text, sizeof(text)),
			    "holdfast: [HF-E-NOFILE] cannot open 'a\\x0a  do: run \\x1b[0m'\n");
	error_done(&e);
}

static void moving_leaves_nothing_behind(void **state)
{
	struct hf_error from = HF_ERROR_INIT, to = HF_ERROR_INIT;

	(void)state;
	error_set(&to, HF_E_USAGE, "old");
	error_set(&from, HF_E_NOPID, "new");
	error_move(&to, &from);
	assert_false(error_is_set(&from));
	assert_string_equal(to.what.buf, "new");
	error_move(&to, &to);
	assert_string_equal(to.what.buf, "new");
	error_done(&to);
}

static void without_memory_the_code_is_still_right(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct hf_error e = HF_ERROR_INIT;
		char text[512] = "";
		bool struck;

		oom_arm(n);
		error_set(&e, HF_E_NOPID, "there is no process");
		error_why(&e, "it has ended");
		struck = oom_disarm();
		assert_int_equal(e.code, HF_E_NOPID);
		assert_int_equal(e.err, -ESRCH);
		assert_non_null(strstr(printed(&e, text, sizeof(text)), "[HF-E-NOPID]"));
		error_done(&e);
		if (!struck)
			return;
	}
}

static void printing_without_memory_still_names_the_code(void **state)
{
	struct hf_error e = HF_ERROR_INIT;
	char text[512] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	error_set(&e, HF_E_PERM, "no");
	setvbuf(out, NULL, _IONBF, 0);
	oom_arm(1);
	error_print(&e, out);
	assert_true(oom_disarm());
	fclose(out);
	assert_string_equal(text, "holdfast: [HF-E-PERM] (out of memory)\n");
	error_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_lines_with_the_code_in_front),
		cmocka_unit_test(lines_that_are_not_there_are_not_printed),
		cmocka_unit_test(a_later_error_replaces_all_of_the_earlier_one),
		cmocka_unit_test(null_is_accepted_and_the_value_still_returned),
		cmocka_unit_test(exit_codes_are_those_promised),
		cmocka_unit_test(control_characters_of_a_name_are_escaped),
		cmocka_unit_test(moving_leaves_nothing_behind),
		cmocka_unit_test(without_memory_the_code_is_still_right),
		cmocka_unit_test(printing_without_memory_still_names_the_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
