// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * private_alloc: a pool allocator of the program's own, which no tool can know, to be named by
 * --alloc 'my_alloc(size=arg1)->ret' --free 'my_free(ptr=arg1)'.
 *
 * pool_keep: 300 blocks of 1 to 300 B; 100 are freed. pool_temporary: 1,000 of 50 B, all freed.
 * malloc_beside_pool: 10 blocks of malloc, which is watched at the same time. The pool is a static
 * array, so the pool itself appears nowhere; my_alloc fails (and then counts as nothing) when asked
 * for more than a slot of 512 B.
 */
#include "truth.h"

enum { SLOT_BYTES = 512, SLOTS = 4096 };

TRUTH_SITE_AS(pool_keep, "my_alloc", TRUTH_BLOCKS);
TRUTH_SITE_AS(pool_temporary, "my_alloc", TRUTH_BLOCKS);
TRUTH_SITE_AS(pool_fails, "my_alloc", TRUTH_BLOCKS);
TRUTH_SITE(malloc_beside_pool);

static char pool[SLOTS][SLOT_BYTES] __attribute__((aligned(64)));
static void *free_slots;
static size_t used_slots;

void *my_alloc(size_t bytes);
void my_free(void *p);

TRUTH_FN void *my_alloc(size_t bytes)
{
	void *slot = free_slots;

	if (bytes > SLOT_BYTES)
		return NULL;
	if (slot)
		memcpy(&free_slots, slot, sizeof(void *));
	else if (used_slots < SLOTS)
		slot = pool[used_slots++];
	return slot;
}

TRUTH_FN void my_free(void *p)
{
	if (!p)
		return;
	memcpy(p, &free_slots, sizeof(void *));
	free_slots = p;
}

TRUTH_FN static void *pool_keep(size_t bytes)
{
	void *p = my_alloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(pool_keep, bytes);
	return p;
}

TRUTH_FN static void pool_temporary(void)
{
	void *p = my_alloc(50);

	TRUTH_ALLOC(pool_temporary, 50);
	TRUTH_FREE(pool_temporary, 50);
	my_free(p);
	TRUTH_STAY();
}

TRUTH_FN static void pool_fails(void)
{
	if (my_alloc(SLOT_BYTES + 1))
		_exit(72);
	my_free(NULL);
	TRUTH_STAY();
}

TRUTH_FN static void malloc_beside_pool(void)
{
	void *p = malloc(77);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(malloc_beside_pool, 77);
}

int main(int argc, char **argv)
{
	truth_begin(argc, argv);
	for (size_t i = 1; i <= 300; i++) {
		void *p = pool_keep(i);

		if (i % 3)
			continue;
		TRUTH_FREE(pool_keep, i);
		my_free(p);
	}
	for (int i = 0; i < 1000; i++)
		pool_temporary();
	for (int i = 0; i < 10; i++) {
		pool_fails();
		malloc_beside_pool();
	}
	truth_end();
	return 0;
}
