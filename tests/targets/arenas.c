// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * arenas: what the allocator maps for itself is no site of the program.
 *
 * Eight threads that live at the same time make glibc map arenas of 64 MiB each; blocks of 128 KiB
 * and more are mapped one by one by malloc, and are malloc blocks; main's heap grows by brk, inside
 * malloc. There is no mapping of the program's own: a report that shows one is wrong.
 */
#include "truth.h"

#include <pthread.h>

enum { THREADS = 8 };

TRUTH_SITE(blocks_in_arena);
TRUTH_SITE(mapped_block);
TRUTH_SITE(blocks_in_main_heap);
TRUTH_TOLERATE(start_threads);

static pthread_barrier_t barrier;

TRUTH_FN static void *blocks_in_arena(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(blocks_in_arena, bytes);
	return p;
}

TRUTH_FN static void *mapped_block(size_t bytes)
{
	char *p = malloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(mapped_block, bytes);
	p[bytes - 1] = 1;
	return p;
}

TRUTH_FN static void *blocks_in_main_heap(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_STAY();
	TRUTH_ALLOC(blocks_in_main_heap, bytes);
	return p;
}

static void *body(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&barrier);
	for (size_t i = 1; i <= 1000; i++)
		blocks_in_arena(i);
	for (size_t i = 0; i < 10; i++) {
		void *p = mapped_block((128 << 10) + i * 10000);

		if (i % 2)
			continue;
		TRUTH_FREE(mapped_block, (128 << 10) + i * 10000);
		free(p);
	}
	pthread_barrier_wait(&barrier);
	return NULL;
}

TRUTH_FN static void start_threads(pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, body, NULL))
			abort();
	TRUTH_STAY();
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&barrier, NULL, THREADS);
	truth_begin(argc, argv);
	start_threads(threads);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 5000; i++)
		blocks_in_main_heap(1000);
	mapped_block(40 << 20);
	truth_end();
	return 0;
}
