/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plain_scenario: the same small scenario for each way of linking a libc (static_glibc,
 * static_stripped, musl_dynamic, musl_static).
 *
 * leak_small: 100 blocks of 40 B, all left. keep_half: 200 blocks of 100 B by calloc, half left.
 * grow_by_realloc: 10 blocks that grow from 8 to 4,096 B. leak_big: 3 of 1 MiB. copy_string: one by strdup, not
 * with --strings=0.
 */
#ifndef PLAIN_SCENARIO_H
#define PLAIN_SCENARIO_H

#include "truth.h"

TRUTH_SITE(leak_small);
TRUTH_SITE(keep_half);
TRUTH_SITE(grow_by_realloc);
TRUTH_SITE(leak_big);
TRUTH_SITE(copy_string);

TRUTH_FN static void leak_small(void)
{
	for (int i = 0; i < 100; i++) {
		void *p = malloc(40);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(leak_small, 40);
	}
}

TRUTH_FN static void keep_half(void)
{
	for (int i = 0; i < 200; i++) {
		void *p = calloc(10, 10);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(keep_half, 100);
		if (i % 2) {
			TRUTH_FREE(keep_half, 100);
			free(p);
		}
	}
}

TRUTH_FN static void grow_by_realloc(void)
{
	for (int i = 0; i < 10; i++) {
		void *p = NULL;

		for (size_t bytes = 8; bytes <= 4096; bytes *= 2) {
			p = realloc(p, bytes);
			TRUTH_HIDE(p);
			if (bytes > 8)
				TRUTH_FREE(grow_by_realloc, bytes / 2);
			TRUTH_ALLOC(grow_by_realloc, bytes);
		}
	}
}

TRUTH_FN static void leak_big(void)
{
	for (int i = 0; i < 3; i++) {
		void *p = malloc(1 << 20);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(leak_big, 1 << 20);
	}
}

TRUTH_FN static void copy_string(const char *text)
{
	char *p = strdup(text);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(copy_string, strlen(text) + 1);
}

int main(int argc, char **argv)
{
	truth_begin(argc, argv);
	leak_small();
	keep_half();
	grow_by_realloc();
	leak_big();
	if (truth_argument(argc, argv, "--strings", 1))
		copy_string("one string");
	truth_end();
	return 0;
}

#endif
