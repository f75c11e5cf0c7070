// SPDX-License-Identifier: GPL-2.0-or-later
// build: -ldl
/*
 * longjmp_out: leaves functions by longjmp, and goes on allocating from other depths.
 *
 * Out of qsort's comparison (sorted_and_left: the comparison allocates 30 B, lost by the jump). With
 * own_malloc.so preloaded also out of malloc itself, at several depths: such a call allocated
 * nothing (jumped_out_of_malloc: 0), and what comes after it, from shallower and from deeper frames,
 * is counted as ever (after_the_jump).
 */
#include "truth.h"

#include <dlfcn.h>
#include <setjmp.h>

enum { ROUNDS = 200 };

TRUTH_SITE(sorted_and_left);
TRUTH_SITE(jumped_out_of_malloc);
TRUTH_SITE(after_the_jump);

static jmp_buf target;
static int comparisons;

TRUTH_FN static void sorted_and_left(void)
{
	void *p = malloc(30);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(sorted_and_left, 30);
	longjmp(target, 1);
}

static int compare(const void *a, const void *b)
{
	if (++comparisons % 50 == 0)
		sorted_and_left();
	return *(const int *)a - *(const int *)b;
}

/* Small, so that qsort needs no memory of its own. */
TRUTH_FN static void sort_until_left(void)
{
	int numbers[100];

	for (int i = 0; i < 100; i++)
		numbers[i] = i * 7919 % 100;
	qsort(numbers, 100, sizeof(numbers[0]), compare);
	abort();
}

static void jump(void)
{
	longjmp(target, 2);
}

TRUTH_FN static void jumped_out_of_malloc(int depth)
{
	char pad[64];
	char *p = pad;

	TRUTH_HIDE(p);
	if (depth > 0) {
		jumped_out_of_malloc(depth - 1);
		TRUTH_STAY();
		return;
	}
	void *never = malloc(1000);
	if (never)
		_exit(72);
}

TRUTH_FN static void after_the_jump(int depth)
{
	if (depth > 0) {
		after_the_jump(depth - 1);
		TRUTH_STAY();
		return;
	}
	void *p = malloc(8);
	void *q = malloc(9);
	TRUTH_HIDE(p);
	TRUTH_HIDE(q);
	TRUTH_ALLOC(after_the_jump, 8);
	TRUTH_ALLOC(after_the_jump, 9);
	TRUTH_FREE(after_the_jump, 9);
	free(q);
	TRUTH_STAY();
}

int main(int argc, char **argv)
{
	void (*set_callback)(void (*)(void));

	*(void **)&set_callback = dlsym(RTLD_DEFAULT, "own_malloc_set_callback");
	truth_begin(argc, argv);
	for (volatile int i = 0; i < ROUNDS; i++) {
		if (setjmp(target) == 0)
			sort_until_left();
		after_the_jump(i % 7);
	}
	for (volatile int i = 0; set_callback && i < ROUNDS; i++) {
		set_callback(jump);
		if (setjmp(target) == 0)
			jumped_out_of_malloc(i % 5);
		set_callback(NULL);
		after_the_jump(i % 9);
	}
	truth_end();
	return 0;
}
