// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * thread_pool: six threads take tasks, so that several arenas are in use. Each task has a result; one
 * in --every is given to nobody (0: each is freed by the thread that asked).
 */
#include "course.h"

#include <pthread.h>
#include <semaphore.h>

enum { THREADS = 6, RESULT_BYTES = 260 };

static struct {
	struct shelf shelves[THREADS];
	sem_t asked, done;
	unsigned long every, tasks;
	char *result;
} pool;

APART static char *run_task(struct shelf *shelf)
{
	char *result = sure(malloc(RESULT_BYTES));

	work_turn(shelf);
	memset(result, 't', RESULT_BYTES);
	return result;
}

static void *serve(void *shelf)
{
	for (;;) {
		sem_wait(&pool.asked);
		char *result = run_task((struct shelf *)shelf);
		unsigned long number = ++pool.tasks;

		if (pool.every && number % pool.every == 0)
			course_grew(RESULT_BYTES);
		else
			pool.result = result;
		KEEP(result);
		work_scrub();
		sem_post(&pool.done);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	course_begin(argc, argv, 500);
	pool.every = (unsigned long)course_number("--every", 5);
	sem_init(&pool.asked, 0, 0);
	sem_init(&pool.done, 0, 0);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, serve, &pool.shelves[i]))
			abort();
	while (course_step()) {
		sem_post(&pool.asked);
		sem_wait(&pool.done);
		free(pool.result);
		pool.result = NULL;
	}
	return 0;
}
