// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * many_threads: 2,000 short-lived threads (--count=N), up to 50 at a time. Each allocates 20 blocks
 * of 48 bytes, frees 19, and loses one of 100 bytes in every tenth thread.
 */
#include "truth.h"

#include <pthread.h>

enum { AT_ONCE = 50, BLOCKS = 20 };

TRUTH_SITE(short_lived_blocks);
TRUTH_SITE(tenth_thread_loses);
TRUTH_TOLERATE(start_threads);

TRUTH_FN static void short_lived_blocks(void)
{
	void *blocks[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(48);
		TRUTH_HIDE(blocks[i]);
		TRUTH_ALLOC(short_lived_blocks, 48);
	}
	for (int i = 1; i < BLOCKS; i++) {
		TRUTH_FREE(short_lived_blocks, 48);
		free(blocks[i]);
	}
	TRUTH_STAY();
}

TRUTH_FN static void tenth_thread_loses(void)
{
	void *p = malloc(100);

	TRUTH_HIDE(p);
	TRUTH_ALLOC(tenth_thread_loses, 100);
}

static void *body(void *number)
{
	short_lived_blocks();
	if ((long)number % 10 == 0)
		tenth_thread_loses();
	return NULL;
}

TRUTH_FN static void start_threads(pthread_t *threads, long first, long count)
{
	for (long i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, body, (void *)(first + i)))
			abort();
	TRUTH_STAY();
}

int main(int argc, char **argv)
{
	long total = truth_argument(argc, argv, "--count", 2000);
	pthread_t threads[AT_ONCE];

	truth_begin(argc, argv);
	for (long done = 0; done < total; done += AT_ONCE) {
		long count = total - done < AT_ONCE ? total - done : AT_ONCE;

		start_threads(threads, done, count);
		for (long i = 0; i < count; i++)
			pthread_join(threads[i], NULL);
	}
	truth_end();
	return 0;
}
