/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every test_*.c includes, as "unit/unit.h" (tests/ is in the include path).
 *
 * A test is a static function whose name states the behaviour that it proves. Programs run with the
 * top of the tree as working directory, print TAP, and exit non-zero if a test failed: run-tests.sh
 * counts. A line "build: FLAGS" among the first twelve adds flags for this file (-Wl,--wrap=malloc).
 */
#pragma once

/* cmocka 1.1.5 wants these before it, in any order: a block of its own keeps it last */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Skips the running test and says why: a skip without a reason is a silent pass. */
#define skip_because(...)                     \
	do {                                  \
		print_message("# skipped: "); \
		print_message(__VA_ARGS__);   \
		print_message("\n");          \
		skip();                       \
	} while (0)

/* The int main() of a test file: UNIT_MAIN(cmocka_unit_test(a), cmocka_unit_test(b)) */
#define UNIT_MAIN(...)                                            \
	int main(void)                                            \
	{                                                         \
		const struct CMUnitTest tests[] = {__VA_ARGS__};  \
                                                                  \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}
