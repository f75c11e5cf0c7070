/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ledger and the stack table cost: time per alloc + free pair at several numbers of live blocks,
 * bytes per live block, the longest calls while growing, stack look-ups. CPU time, but wall time for single
 * calls. Prints; judges nothing.
 *
 *	make .output/tests/bench/bench_ledger && .output/tests/bench/bench_ledger [MAX_LIVE]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "account/ledger/ledger.h"
#include "account/ledger/series.h"
#include "account/stack/stack_table.h"
#include "base/random.h"

#define SITES  1000
#define MEMORY (UINT64_C(4) << 30)
#define HEAP   UINT64_C(0x555555560000)

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* CPU time of this thread: other load on the machine counts little. */
static uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* For single calls: cheap to read, but preemption counts in full. */
static uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

#define SLOW_NS  20000
#define MAX_SLOW 100000

/* The calls that took long: those that grew a table, and those that the scheduler interrupted. */
struct slow {
	uint64_t ns[MAX_SLOW];
	size_t count;
};

static void note(struct slow *slow, uint64_t ns)
{
	if (ns > SLOW_NS && slow->count < MAX_SLOW)
		slow->ns[slow->count++] = ns;
}

static void print_slow(struct slow *slow)
{
	if (!slow->count)
		return;
	qsort(slow->ns, slow->count, sizeof(*slow->ns), compare_u64);
	printf("    %zu calls above 20 us: median %.3f ms, 90 %% %.3f ms, longest %.3f ms\n",
	       slow->count, (double)slow->ns[slow->count / 2] / 1e6,
	       (double)slow->ns[slow->count * 9 / 10] / 1e6,
	       (double)slow->ns[slow->count - 1] / 1e6);
	slow->count = 0;
}

static uint64_t rss_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f) {
		if (fscanf(f, "%*u %lu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return pages * UINT64_C(4096);
}

static void must(int err)
{
	if (err) {
		fprintf(stderr, "bench_ledger: %s\n", strerror(-err));
		exit(1);
	}
}

static struct ledger_alloc alloc_of(uint64_t number, uint64_t time)
{
	return (struct ledger_alloc){.address = HEAP + number * 48,
				     .size_bytes = 40,
				     .time_ns = time,
				     .stack = (stack_id)(number % SITES + 1),
				     .tid = 1};
}

static double churn_once(struct ledger *ledger, uint64_t live, uint64_t pairs)
{
	uint64_t state = 88172645463325252u, start = cpu_ns(), time = start;

	for (uint64_t i = 0; i < pairs; i++) {
		uint64_t number = random_next(&state) % live;
		struct ledger_alloc alloc = alloc_of(number, time++);
		struct ledger_release release = {
			.address = alloc.address, .time_ns = time++, .tid = 1};

		ledger_record_free(ledger, &release);
		must(ledger_record_alloc(ledger, &alloc));
	}
	return (double)(cpu_ns() - start) / (double)pairs;
}

static void churn(struct ledger *ledger, uint64_t live)
{
	double best = 1e9, worst = 0;

	for (int i = 0; i < 7; i++) {
		double ns = churn_once(ledger, live, 500000);

		best = ns < best ? ns : best;
		worst = ns > worst ? ns : worst;
	}
	printf("  pair at %9" PRIu64 " live, random   %7.1f ns (best of 7, worst %.1f)\n", live,
	       best, worst);
}

/* Slack is worst right after a growth: look at every step. */
static void grow(struct ledger *ledger, uint64_t from, uint64_t to, uint64_t base_rss)
{
	static struct slow slow;
	uint64_t start = cpu_ns();
	double worst = 0, worst_rss = 0;

	for (uint64_t i = from; i < to; i++) {
		uint64_t begin = wall_ns();
		struct ledger_alloc alloc = alloc_of(i, begin);
		struct ledger_counts counts;

		must(ledger_record_alloc(ledger, &alloc));
		note(&slow, wall_ns() - begin);
		if (i < 100000 || i % 1024)
			continue;
		ledger_counts(ledger, &counts);
		if (worst < (double)counts.memory_bytes / (double)i)
			worst = (double)counts.memory_bytes / (double)i;
		if (i % (1 << 18) == 0 && worst_rss < (double)(rss_bytes() - base_rss) / (double)i)
			worst_rss = (double)(rss_bytes() - base_rss) / (double)i;
	}
	printf("  grow to %9" PRIu64 "              %7.1f ns an alloc, two clock reads included\n",
	       to, (double)(cpu_ns() - start) / (double)(to - from));
	print_slow(&slow);
	if (worst > 0)
		printf("    worst bytes per live block %.1f counted, %.1f by RSS\n", worst,
		       worst_rss);
}

static void bench_blocks(uint64_t max_live)
{
	static const uint64_t steps[] = {10000, 1000000, 10000000};
	uint64_t before = rss_bytes(), live = 0;
	struct ledger_counts counts;
	struct ledger *ledger;

	must(ledger_new(MEMORY, &ledger));
	printf("ledger, %d sites\n", SITES);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && steps[i] <= max_live; i++) {
		grow(ledger, live, steps[i], before);
		live = steps[i];
		ledger_counts(ledger, &counts);
		printf("    now %.1f bytes per live block counted, %.1f by RSS\n",
		       (double)counts.memory_bytes / (double)live,
		       (double)(rss_bytes() - before) / (double)live);
		churn(ledger, live);
	}
	must(ledger_verify(ledger));
	ledger_free(ledger);
}

static void bench_sites(void)
{
	uint64_t before = rss_bytes(), start;
	struct ledger_counts counts;
	struct series *series;
	struct ledger *ledger, *copy;

	must(ledger_new(MEMORY, &ledger));
	must(series_new(MEMORY, &series));
	for (uint64_t i = 0; i < 400000; i++) {
		struct ledger_alloc alloc = {.address = HEAP + i * 64,
					     .size_bytes = 16u << (i / 100000),
					     .time_ns = i * 1000,
					     .stack = (stack_id)(i % 100000 + 1),
					     .tid = 1};
		struct ledger_release release = {
			.address = alloc.address, .time_ns = i * 1000 + i % 977 * i, .tid = 1};

		must(ledger_record_alloc(ledger, &alloc));
		ledger_record_free(ledger, &release);
	}
	ledger_counts(ledger, &counts);
	printf("sites: %zu with 4 sizes and up to 4 lifetimes each\n    %.1f MB counted, %.1f by RSS\n",
	       ledger_site_count(ledger), (double)counts.memory_bytes / 1e6,
	       (double)(rss_bytes() - before) / 1e6);
	start = cpu_ns();
	must(ledger_copy_sites(ledger, &copy));
	printf("    copied in %.2f ms\n", (double)(cpu_ns() - start) / 1e6);
	start = cpu_ns();
	must(series_sample(series, ledger, NULL, 1));
	printf("    first series sample (all changed) %.2f ms\n", (double)(cpu_ns() - start) / 1e6);
	start = cpu_ns();
	must(series_sample(series, ledger, NULL, 2));
	printf("    next (none changed) %.4f ms\n", (double)(cpu_ns() - start) / 1e6);
	ledger_free(copy);
	series_free(series);
	ledger_free(ledger);
}

static void bench_mappings(void)
{
	static struct slow slow;
	uint64_t start, pieces = 200000, time = 0;
	struct ledger *ledger;

	must(ledger_new(MEMORY, &ledger));
	start = cpu_ns();
	for (uint64_t i = 0; i < pieces; i++) {
		/* multiplying by an odd number modulo 2^k visits all, far apart */
		uint64_t number = i * 2654435761u % (1 << 20), begin = wall_ns();
		struct ledger_alloc map = {.address = number << 16,
					   .size_bytes = 4096,
					   .time_ns = ++time,
					   .stack = 1,
					   .tid = 1,
					   .class = SITE_MAPPING};

		must(ledger_record_map(ledger, &map));
		note(&slow, wall_ns() - begin);
	}
	printf("mappings: %" PRIu64 " ranges in random order, %.0f ns each\n", pieces,
	       (double)(cpu_ns() - start) / (double)pieces);
	print_slow(&slow);
	ledger_free(ledger);
}

static void bench_stacks(void)
{
	enum { STACKS = 100000, FRAMES = 30, LOOKUPS = 5000000 };
	static struct slow slow;
	uint64_t before = rss_bytes(), start, state = 4101842887655102017u;
	uint64_t pcs[FRAMES];
	struct stack_table_counts counts;
	struct stack_table *table;
	stack_id id;

	must(stack_table_new(MEMORY, &table));
	start = cpu_ns();
	for (uint64_t i = 1; i <= STACKS; i++) {
		struct stack_trace trace = {
			.hash = i * 0x9e3779b97f4a7c15, .pid = 1, .depth = FRAMES, .pcs = pcs};
		uint64_t begin = wall_ns();

		for (int j = 0; j < FRAMES; j++)
			pcs[j] = i * 64 + (uint64_t)j;
		must(stack_table_add(table, &trace, &id));
		note(&slow, wall_ns() - begin);
	}
	stack_table_counts(table, &counts);
	printf("stacks: %d of %d frames\n    added in %.0f ns each\n", STACKS, FRAMES,
	       (double)(cpu_ns() - start) / STACKS);
	print_slow(&slow);
	printf("    %.0f bytes each counted, %.0f by RSS\n", (double)counts.memory_bytes / STACKS,
	       (double)(rss_bytes() - before) / STACKS);
	start = cpu_ns();
	for (uint64_t i = 0; i < LOOKUPS; i++) {
		uint64_t number = random_next(&state) % STACKS + 1;

		must(stack_table_lookup(table, number * 0x9e3779b97f4a7c15, 1, 0, &id));
		if (id != number)
			must(-1);
	}
	printf("    look-up, random %.1f ns\n", (double)(cpu_ns() - start) / LOOKUPS);
	stack_table_free(table);
}

int main(int argc, char **argv)
{
	uint64_t max_live = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;

	bench_blocks(max_live);
	bench_sites();
	bench_mappings();
	bench_stacks();
	return 0;
}
