// SPDX-License-Identifier: GPL-2.0-or-later
// build: -ldl
/*
 * late_allocator: an allocator that comes after attach, within a library (late_pool.so) that is loaded then.
 *
 * Three seconds after that pool_block allocates 200 blocks of 48 B from it, of which 150 are freed;
 * malloc_beside allocates 10 of 30 B meanwhile. load_pool is tolerated: the loader allocates there.
 */
#include "truth.h"

#include <dlfcn.h>
#include <limits.h>

TRUTH_SITE(pool_block);
TRUTH_SITE(malloc_beside);
TRUTH_TOLERATE(load_pool);

static void *(*pool_malloc)(size_t);
static void (*pool_free)(void *);

/* It stands beside the program. */
TRUTH_FN static void load_pool(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	void *library;

	while (n > 0 && path[n - 1] != '/')
		n--;
	snprintf(path + n, sizeof(path) - (size_t)n, "late_pool.so");
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		_exit(71);
	*(void **)&pool_malloc = dlsym(library, "je_malloc");
	*(void **)&pool_free = dlsym(library, "je_free");
}

TRUTH_FN static void *pool_block(void)
{
	void *p = pool_malloc(48);

	TRUTH_STAY();
	TRUTH_ALLOC(pool_block, 48);
	return p;
}

TRUTH_FN static void malloc_beside(void)
{
	void *p = malloc(30);

	TRUTH_STAY();
	if (p)
		TRUTH_ALLOC(malloc_beside, 30);
}

int main(int argc, char **argv)
{
	void *blocks[200];

	truth_begin(argc, argv);
	load_pool();
	sleep(3);
	for (int i = 0; i < 200; i++)
		blocks[i] = pool_block();
	for (int i = 0; i < 10; i++)
		malloc_beside();
	for (int i = 0; i < 150; i++) {
		TRUTH_FREE(pool_block, 48);
		pool_free(blocks[i]);
	}
	truth_end();
	return 0;
}
