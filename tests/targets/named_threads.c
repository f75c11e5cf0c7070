// SPDX-License-Identifier: GPL-2.0-or-later
// build: -pthread
/*
 * named_threads: one function allocates for all; who holds what is told by the names of threads alone.
 *
 * engine-0, engine-1	blocks of 100 B, of which the main thread frees a third; engine-0 maps 32 pages and gives 8 back, from the middle
 * plugin-a		blocks of 200 B; then it is workflow, and allocates blocks of 300 B
 * plugin-b		blocks of 400 B, and ends
 *
 * The account's "components" are by name: engine, plugin, workflow. --busy=SECONDS: engine-0, engine-1 and plugin-b allocate some 30,000 times
 * a second, meanwhile, and keep some; workflow is left out of the account then, for what it allocates at once is seldom seen in windows.
 */
#include "truth.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

enum { BLOCKS = 3000, PAGE = 4096, BUSY_KEEPS = 16, BUSY_BATCH = 160 };

struct part {
	const char *name;
	atomic_ulong bytes, count;
};

static struct part engine = {.name = "engine"}, plugin = {.name = "plugin"},
		   workflow = {.name = "workflow"};
static void *kept[2][BLOCKS];
static atomic_int ready, over;
static long busy_seconds;

TRUTH_TOLERATE(start_threads);

TRUTH_FN static void *keep(size_t bytes)
{
	void *p = malloc(bytes);

	TRUTH_HIDE(p);
	TRUTH_STAY();
	return p;
}

static void count(struct part *part, long bytes, long blocks)
{
	atomic_fetch_add(&part->bytes, (unsigned long)bytes);
	atomic_fetch_add(&part->count, (unsigned long)blocks);
}

static void name_me(const char *name)
{
	pthread_setname_np(pthread_self(), name);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One of @every is kept. */
static void be_busy(struct part *part, size_t bytes, int every)
{
	double until = now() + (double)busy_seconds;

	for (int i = 1; busy_seconds && (i % BUSY_BATCH || now() < until); i++) {
		void *p = keep(bytes);

		if (i % BUSY_BATCH == 0)
			usleep(5000);

		if (i % every)
			free(p);
		else
			count(part, (long)bytes, 1);
	}
}

TRUTH_FN static void map_and_cut(void)
{
	char *pages =
		mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED || munmap(pages + 4 * PAGE, 8 * PAGE))
		abort();
	count(&engine, 24 * PAGE, 2);
}

/* Until the end: its name can be read as long as it is there. */
static void stay(void)
{
	atomic_fetch_add(&ready, 1);
	while (!atomic_load(&over))
		usleep(10000);
}

static void *run_engine(void *argument)
{
	long k = (long)argument;

	name_me(k ? "engine-1" : "engine-0");
	for (int i = 0; i < BLOCKS; i++) {
		kept[k][i] = keep(100);
		count(&engine, 100, 1);
	}
	if (!k)
		map_and_cut();
	be_busy(&engine, 48, BUSY_KEEPS);
	stay();
	return NULL;
}

static void *run_plugin(void *argument)
{
	long k = (long)argument;

	name_me(k ? "plugin-b" : "plugin-a");
	for (int i = 0; i < 500; i++) {
		keep(k ? 400 : 200);
		count(&plugin, k ? 400 : 200, 1);
	}
	if (k)
		be_busy(&plugin, 48, 4 * BUSY_KEEPS);
	/* A name is read anew a second later. */
	usleep(1500000);
	if (k) {
		atomic_fetch_add(&ready, 1);
		return NULL;
	}
	name_me("workflow");
	for (int i = 0; i < 700; i++) {
		keep(300);
		count(&workflow, 300, 1);
	}
	stay();
	return NULL;
}

TRUTH_FN static void start_threads(pthread_t *threads)
{
	for (long k = 0; k < 2; k++)
		if (pthread_create(&threads[k], NULL, run_engine, (void *)k) ||
		    pthread_create(&threads[2 + k], NULL, run_plugin, (void *)k))
			abort();
	TRUTH_STAY();
}

static void print_part(const struct part *part, const char *comma)
{
	truth_printf("%s{\"name\":\"%s\",\"outstanding_bytes\":%lu,\"outstanding_count\":%lu}",
		     comma, part->name, (unsigned long)part->bytes, (unsigned long)part->count);
}

int main(int argc, char **argv)
{
	pthread_t threads[4];

	busy_seconds = truth_argument(argc, argv, "--busy", 0);
	truth_begin(argc, argv);
	start_threads(threads);
	while (atomic_load(&ready) < 4)
		usleep(10000);
	for (int i = 0; i < BLOCKS; i += 3) {
		free(kept[0][i]);
		count(&engine, -100, -1);
	}
	usleep(500000);
	truth_printf("{\"pid\":%d,\"final\":true,\"sites\":[],\"components\":[", (int)getpid());
	print_part(&engine, "");
	print_part(&plugin, ",");
	if (!busy_seconds)
		print_part(&workflow, ",");
	truth_printf("]}\n");
	truth_flush();
	truth_wait("end");
	atomic_store(&over, 1);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
