// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * many_stacks: 100,000 distinct stacks (--count=N, at most 131,072). Seventeen levels of calls turn
 * left or right as the bits of a number say; the leaf allocates 16 + number % 100 bytes, --times=1
 * for each number, and keeps them.
 */
#include "truth.h"

enum { LEVELS = 17 };

TRUTH_SITE(stack_leaf);

static void turn(unsigned long number, int level);

TRUTH_FN static void stack_leaf(unsigned long number)
{
	size_t bytes = 16 + number % 100;
	void *p = malloc(bytes);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(stack_leaf, bytes);
}

TRUTH_FN static void turn_left(unsigned long number, int level)
{
	turn(number, level);
	TRUTH_STAY();
}

TRUTH_FN static void turn_right(unsigned long number, int level)
{
	turn(number, level);
	TRUTH_STAY();
}

static inline __attribute__((always_inline)) void turn(unsigned long number, int level)
{
	if (level == LEVELS)
		stack_leaf(number);
	else if (number >> level & 1)
		turn_right(number, level + 1);
	else
		turn_left(number, level + 1);
}

int main(int argc, char **argv)
{
	long count = truth_argument(argc, argv, "--count", 100000);
	long times = truth_argument(argc, argv, "--times", 1);

	truth_begin(argc, argv);
	for (long i = 0; i < times; i++)
		for (long number = 0; number < count; number++)
			turn((unsigned long)number, 0);
	truth_end();
	return 0;
}
