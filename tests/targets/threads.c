// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * threads: eight threads, each with a site function of its own, and blocks that change hands.
 *
 * Thread k allocates 2,000 blocks of 32 + k bytes, hands three of four to its neighbour, who frees
 * half of what it gets and keeps the other half. Then: two threads leave by pthread_exit and two are
 * cancelled, each holding a block (exit_holding, cancelled_holding: it stays), one of them from
 * within a loop of allocations. Threads run at the same time (a barrier).
 *
 * start_threads is tolerated: glibc allocates a thread's descriptor there, and keeps some.
 */
#include "truth.h"

#include <pthread.h>

enum { THREADS = 8, BLOCKS = 2000 };

TRUTH_SITE(thread_0_blocks);
TRUTH_SITE(thread_1_blocks);
TRUTH_SITE(thread_2_blocks);
TRUTH_SITE(thread_3_blocks);
TRUTH_SITE(thread_4_blocks);
TRUTH_SITE(thread_5_blocks);
TRUTH_SITE(thread_6_blocks);
TRUTH_SITE(thread_7_blocks);
TRUTH_SITE(exit_holding);
TRUTH_SITE(cancelled_holding);
TRUTH_SITE(churn_until_cancelled);
TRUTH_TOLERATE(start_threads);

struct block {
	void *p;
	struct truth_site *site;
	size_t bytes;
};

static struct block handed[THREADS][BLOCKS];
static pthread_barrier_t barrier;

#define SITE_FUNCTION(k)                                                                  \
	TRUTH_FN static struct block thread_##k##_blocks(void)                            \
	{                                                                                 \
		struct block block = {malloc(32 + k), &site_thread_##k##_blocks, 32 + k}; \
                                                                                          \
		TRUTH_HIDE(block.p);                                                      \
		truth_alloc(block.site, block.bytes);                                     \
		return block;                                                             \
	}

SITE_FUNCTION(0)
SITE_FUNCTION(1)
SITE_FUNCTION(2)
SITE_FUNCTION(3)
SITE_FUNCTION(4)
SITE_FUNCTION(5)
SITE_FUNCTION(6)
SITE_FUNCTION(7)

static struct block (*const site_functions[THREADS])(void) = {
	thread_0_blocks, thread_1_blocks, thread_2_blocks, thread_3_blocks,
	thread_4_blocks, thread_5_blocks, thread_6_blocks, thread_7_blocks,
};

static void give_up(struct block *block)
{
	truth_free(block->site, block->bytes);
	free(block->p);
}

static void *work(void *argument)
{
	int k = (int)(long)argument;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < BLOCKS; i++) {
		struct block block = site_functions[k]();

		if (i % 4)
			handed[k][i] = block;
	}
	pthread_barrier_wait(&barrier);
	struct block *from = handed[(k + 1) % THREADS];
	for (int i = 0; i < BLOCKS; i += 2)
		if (from[i].p)
			give_up(&from[i]);
	return NULL;
}

TRUTH_FN static void *exit_holding(void *unused)
{
	void *p = malloc(500);

	(void)unused;
	TRUTH_HIDE(p);
	TRUTH_ALLOC(exit_holding, 500);
	pthread_exit(NULL);
}

TRUTH_FN static void *cancelled_holding(void *unused)
{
	void *p = malloc(600);

	(void)unused;
	TRUTH_HIDE(p);
	TRUTH_ALLOC(cancelled_holding, 600);
	for (;;)
		pause();
	return NULL;
}

/* Cancelled between two calls: malloc and free are no cancellation points. */
TRUTH_FN static void *churn_until_cancelled(void *unused)
{
	(void)unused;
	for (;;) {
		void *p = malloc(700);

		TRUTH_HIDE(p);
		TRUTH_ALLOC(churn_until_cancelled, 700);
		pthread_testcancel();
		TRUTH_FREE(churn_until_cancelled, 700);
		free(p);
		pthread_testcancel();
	}
	return NULL;
}

/* pthread_exit and cancellation load libgcc at their first use: done before ready. */
static void *warm_up(void *unused)
{
	(void)unused;
	pthread_exit(NULL);
}

TRUTH_FN static void start_threads(pthread_t *threads, int count, void *(*body)(void *))
{
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, body, (void *)(long)i))
			abort();
	TRUTH_STAY();
}

static void join_all(const pthread_t *threads, int count)
{
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void run_cancelled(void *(*body)(void *))
{
	pthread_t threads[2];

	start_threads(threads, 2, body);
	usleep(100000);
	for (int i = 0; i < 2; i++)
		pthread_cancel(threads[i]);
	join_all(threads, 2);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&barrier, NULL, THREADS);
	start_threads(threads, 1, warm_up);
	join_all(threads, 1);
	truth_begin(argc, argv);
	start_threads(threads, THREADS, work);
	join_all(threads, THREADS);
	start_threads(threads, 2, exit_holding);
	join_all(threads, 2);
	run_cancelled(cancelled_holding);
	run_cancelled(churn_until_cancelled);
	truth_end();
	return 0;
}
