/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmocka, which wants these four headers before it. */
#ifndef HF_TESTS_CMOCKA_ALL_H
#define HF_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Skips the running test and says why: cmocka's own skip() is silent about it. run-tests.sh shows it. */
#define skip_because(...)                     \
	do {                                  \
		print_message("# skipped: "); \
		print_message(__VA_ARGS__);   \
		print_message("\n");          \
		skip();                       \
	} while (0)

#endif
