// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * before_attach: holds blocks from before "ready", and gives some up later.
 *
 * 1,000 blocks are there at ready; after go 400 of them are freed and 100 are grown by realloc
 * (500 frees of untraced blocks), beside 200 blocks that are allocated after go, of which 50 stay.
 */
#include "truth.h"

enum { EARLY = 1000, FREED = 400, GROWN = 100, LATE = 200, LATE_KEPT = 50 };

TRUTH_SITE(allocate_late);
TRUTH_SITE(grow_early);

static void *early[EARLY];
static void *late[LATE];

TRUTH_FN static void *allocate_early(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_STAY();
	return p;
}

TRUTH_FN static void *allocate_late(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(allocate_late, bytes);
	return p;
}

TRUTH_FN static void *grow_early(void *p, size_t bytes)
{
	p = realloc(p, bytes);
	TRUTH_STAY();
	truth_free_before_attach();
	TRUTH_ALLOC(grow_early, bytes);
	return p;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < EARLY; i++)
		early[i] = allocate_early(16 + i);
	truth_begin(argc, argv);
	for (size_t i = 0; i < FREED; i++) {
		free(early[i]);
		truth_free_before_attach();
	}
	for (size_t i = FREED; i < FREED + GROWN; i++)
		early[i] = grow_early(early[i], 3000);
	for (size_t i = 0; i < LATE; i++)
		late[i] = allocate_late(64);
	for (size_t i = LATE_KEPT; i < LATE; i++) {
		TRUTH_FREE(allocate_late, 64);
		free(late[i]);
	}
	truth_end();
	return 0;
}
