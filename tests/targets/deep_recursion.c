// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deep_recursion: allocations below stacks of 30, 100, 200, 250 and 300 frames (--deepest=N for the
 * last); the last is deeper than holdfast unwinds, so its stack is cut, and must be called so. The
 * leaf, bottom_of_recursion, is the site: at each depth d it leaves one block of d bytes.
 */
#include "truth.h"

TRUTH_SITE(bottom_of_recursion);

TRUTH_FN static void bottom_of_recursion(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(bottom_of_recursion, bytes);
}

/* Frames of different sizes, so that no fixed stride finds the next return address. */
TRUTH_FN static void descend(long depth, size_t bytes)
{
	char small[24], large[200];
	char *pad = depth % 3 ? small : large;

	TRUTH_HIDE(pad);
	if (depth <= 1)
		bottom_of_recursion(bytes);
	else
		descend(depth - 1, bytes);
	TRUTH_STAY();
}

int main(int argc, char **argv)
{
	long depths[] = {30, 100, 200, 250, truth_argument(argc, argv, "--deepest", 300)};

	truth_begin(argc, argv);
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++)
		descend(depths[i], (size_t)depths[i]);
	truth_end();
	return 0;
}
