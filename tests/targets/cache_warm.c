// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * cache_warm: innocent. A table of 20,000 keys (--keys=N) that is filled on demand and never
 * emptied; keys are asked for at random, so that growth is steep, slows down, and ends. Every entry
 * is 200 bytes; everything stays referenced. At the default 4,000 operations a second 63 % are there
 * after 5 s, 98 % after 20 s.
 */
#include "endless.h"

TRUTH_SITE(load_on_demand);
TRUTH_SITE(make_table);

static void **table;
static unsigned long keys;

TRUTH_FN static void *load_on_demand(void)
{
	void *p = malloc(200);

	TRUTH_STAY();
	TRUTH_ALLOC(load_on_demand, 200);
	return p;
}

TRUTH_FN static void make_table(void)
{
	table = calloc(keys, sizeof(*table));
	TRUTH_STAY();
	TRUTH_ALLOC(make_table, keys * sizeof(*table));
}

static void body(void)
{
	unsigned long state = 99;

	make_table();
	while (endless_step()) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		void **slot = &table[(state >> 33) % keys];

		if (!*slot)
			*slot = load_on_demand();
	}
}

int main(int argc, char **argv)
{
	keys = (unsigned long)truth_argument(argc, argv, "--keys", 20000);
	return endless_main(argc, argv, body, 4000);
}
