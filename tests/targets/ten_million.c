// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ten_million: ten million live blocks (--count=N) of 16 to 64 bytes, held in a list. Then 1,000
 * blocks of 1,000 B, of which 10 stay (after_the_many): they show whether a late site is still seen
 * when so much is held.
 */
#include "truth.h"

TRUTH_SITE(one_of_many);
TRUTH_SITE(after_the_many);

struct block {
	struct block *next;
};

static struct block *list;

TRUTH_FN static void one_of_many(size_t bytes)
{
	struct block *block = malloc(bytes);

	TRUTH_STAY();
	if (!block)
		_exit(71);
	TRUTH_ALLOC(one_of_many, bytes);
	block->next = list;
	list = block;
}

TRUTH_FN static void after_the_many(int keep)
{
	void *p = malloc(1000);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(after_the_many, 1000);
	if (keep)
		return;
	TRUTH_FREE(after_the_many, 1000);
	free(p);
	TRUTH_STAY();
}

int main(int argc, char **argv)
{
	long count = truth_argument(argc, argv, "--count", 10000000);

	truth_begin(argc, argv);
	for (long i = 0; i < count; i++)
		one_of_many(16 + (size_t)i * 7919 % 49);
	for (int i = 0; i < 1000; i++)
		after_the_many(i % 100 == 0);
	truth_end();
	return 0;
}
