// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * churn: malloc and free without end, at a rate of one's choice; for benches and kill tests.
 *
 * Usage: churn [--rate=PAIRS_PER_S, 0 = as fast as it goes] [--threads=1] [--size=64]
 *	[--depth=5 frames] [--leak=0: every N-th block is not freed]
 *	[--gaps: keep the longest time between two pairs, at the cost of two clock reads each]
 * stat prints {"pairs":N,"seconds":S,"pairs_per_s":R,"longest_gap_ns":N}, the gap since the stat before;
 * stop the account, SIGTERM ends at once.
 *
 * churn_pair allocates and frees; leaked_block is what --leak leaves. Every thread walks --depth
 * calls deep first, so that stacks have a known length.
 */
#include "truth.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { THREADS_MAX = 256 };

TRUTH_SITE(churn_pair);
TRUTH_SITE(leaked_block);
TRUTH_TOLERATE(start_threads);

/* One cache line a thread, so that counting costs nothing; added up for the account. */
struct worker {
	_Alignas(64) unsigned long pairs;
	unsigned long leaked;
	unsigned long gap_ns; /* longest since it was last read, which sets it to 0 */
	pthread_t thread;
};

static struct {
	struct worker workers[THREADS_MAX];
	long threads, rate, size, depth, leak;
	double started;
	int gaps;
	volatile int stop;
} churn;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

TRUTH_FN static void churn_pair(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_HIDE(p);
	free(p);
	TRUTH_STAY();
}

TRUTH_FN static void leaked_block(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_HIDE(p);
}

/* Behind the plan: catch up; ahead of it: sleep a millisecond. */
static void keep_rate(unsigned long done, double rate)
{
	while (!churn.stop && (double)done > (now() - churn.started) * rate)
		usleep(1000);
}

static void note_gap(struct worker *worker, double *last)
{
	double time = now();
	unsigned long gap_ns = (unsigned long)((time - *last) * 1e9);

	if (gap_ns > __atomic_load_n(&worker->gap_ns, __ATOMIC_RELAXED))
		__atomic_store_n(&worker->gap_ns, gap_ns, __ATOMIC_RELAXED);
	*last = time;
}

TRUTH_FN static void churn_loop(struct worker *worker)
{
	size_t bytes = (size_t)churn.size;
	double rate = (double)churn.rate / (double)churn.threads;
	unsigned long leak = (unsigned long)churn.leak;
	unsigned long pairs = 0;
	double last = now();

	while (!churn.stop) {
		churn_pair(bytes);
		pairs++;
		if (churn.gaps)
			note_gap(worker, &last);
		if (leak && pairs % leak == 0) {
			leaked_block(bytes);
			worker->leaked++;
		}
		__atomic_store_n(&worker->pairs, pairs, __ATOMIC_RELAXED);
		if (rate > 0 && (rate < 10000 || pairs % 64 == 0))
			keep_rate(pairs, rate);
	}
}

TRUTH_FN static void descend(struct worker *worker, long depth)
{
	if (depth <= 0)
		churn_loop(worker);
	else
		descend(worker, depth - 1);
	TRUTH_STAY();
}

static void *body(void *worker)
{
	/* start_thread, body, descend, churn_loop and churn_pair are frames already */
	descend(worker, churn.depth - 5);
	return NULL;
}

TRUTH_FN static void start_threads(void)
{
	for (long i = 0; i < churn.threads; i++)
		if (pthread_create(&churn.workers[i].thread, NULL, body, &churn.workers[i]))
			abort();
	TRUTH_STAY();
}

static unsigned long total_pairs(void)
{
	unsigned long total = 0;

	for (long i = 0; i < churn.threads; i++)
		total += __atomic_load_n(&churn.workers[i].pairs, __ATOMIC_RELAXED);
	return total;
}

static unsigned long take_longest_gap(void)
{
	unsigned long longest = 0;

	for (long i = 0; i < churn.threads; i++) {
		unsigned long gap_ns =
			__atomic_exchange_n(&churn.workers[i].gap_ns, 0, __ATOMIC_RELAXED);

		if (gap_ns > longest)
			longest = gap_ns;
	}
	return longest;
}

static void print_stat(void)
{
	double seconds = now() - churn.started;
	unsigned long pairs = total_pairs();

	truth_printf("{\"pairs\":%lu,\"seconds\":%ld.%06ld,\"pairs_per_s\":%lu,"
		     "\"longest_gap_ns\":%lu}\n",
		     pairs, (long)seconds, (long)(seconds * 1e6) % 1000000,
		     (unsigned long)((double)pairs / seconds), take_longest_gap());
}

static void on_signal(int number)
{
	(void)number;
	churn.stop = 1;
}

/* The account of all threads; they have ended. */
static void add_up(void)
{
	unsigned long size = (unsigned long)churn.size;

	for (long i = 0; i < churn.threads; i++) {
		site_churn_pair.allocs += churn.workers[i].pairs;
		site_leaked_block.allocs += churn.workers[i].leaked;
	}
	site_churn_pair.frees = site_churn_pair.allocs;
	site_churn_pair.alloc_bytes = site_churn_pair.free_bytes = site_churn_pair.allocs * size;
	site_leaked_block.alloc_bytes = site_leaked_block.allocs * size;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};

	churn.rate = truth_argument(argc, argv, "--rate", 0);
	churn.threads = truth_argument(argc, argv, "--threads", 1);
	churn.size = truth_argument(argc, argv, "--size", 64);
	churn.depth = truth_argument(argc, argv, "--depth", 5);
	churn.leak = truth_argument(argc, argv, "--leak", 0);
	for (int i = 1; i < argc; i++)
		churn.gaps |= !strcmp(argv[i], "--gaps");
	if (churn.threads < 1 || churn.threads > THREADS_MAX)
		return 64;
	sigaction(SIGTERM, &action, NULL);
	truth_begin(argc, argv);
	churn.started = now();
	start_threads();
	truth_until_stop(print_stat, &churn.stop);
	churn.stop = 1;
	for (long i = 0; i < churn.threads; i++)
		pthread_join(churn.workers[i].thread, NULL);
	add_up();
	print_stat();
	truth_end();
	return 0;
}
