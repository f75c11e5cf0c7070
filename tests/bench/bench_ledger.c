/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the ledger and the stack table cost: time per alloc + free pair at several numbers of live blocks,
 * bytes per live block, the longest single call while growing, stack look-ups. CPU time. Prints; judges
 * nothing.
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

#define SITES  1000
#define MEMORY (UINT64_C(4) << 30)
#define HEAP   UINT64_C(0x555555560000)

/* CPU time of this thread: other load on the machine does not count. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
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

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
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

static void churn(struct ledger *ledger, uint64_t live, uint64_t pairs)
{
	uint64_t state = 88172645463325252u, start = now_ns(), time = start;

	for (uint64_t i = 0; i < pairs; i++) {
		uint64_t number = next_random(&state) % live;
		struct ledger_alloc alloc = alloc_of(number, time++);
		struct ledger_release release = {
			.address = alloc.address, .time_ns = time++, .tid = 1};

		ledger_record_free(ledger, &release);
		must(ledger_record_alloc(ledger, &alloc));
	}
	printf("  pair at %9" PRIu64 " live, random   %7.1f ns\n", live,
	       (double)(now_ns() - start) / (double)pairs);
}

/* Slack is worst right after a growth: look at every step. */
static void grow(struct ledger *ledger, uint64_t from, uint64_t to, uint64_t base_rss)
{
	uint64_t longest = 0, over_1ms = 0, start = now_ns();
	double worst = 0, worst_rss = 0;

	for (uint64_t i = from; i < to; i++) {
		uint64_t begin = now_ns(), took;
		struct ledger_alloc alloc = alloc_of(i, begin);
		struct ledger_counts counts;

		must(ledger_record_alloc(ledger, &alloc));
		took = now_ns() - begin;
		longest = took > longest ? took : longest;
		over_1ms += took > 1000000;
		if (i < 100000 || i % 1024)
			continue;
		ledger_counts(ledger, &counts);
		if (worst < (double)counts.memory_bytes / (double)i)
			worst = (double)counts.memory_bytes / (double)i;
		if (i % (1 << 18) == 0 && worst_rss < (double)(rss_bytes() - base_rss) / (double)i)
			worst_rss = (double)(rss_bytes() - base_rss) / (double)i;
	}
	printf("  grow to %9" PRIu64 "              %7.1f ns an alloc, two clock reads included\n",
	       to, (double)(now_ns() - start) / (double)(to - from));
	printf("    longest call %.3f ms, %" PRIu64 " above 1 ms\n", (double)longest / 1e6,
	       over_1ms);
	printf("    worst bytes per live block %.1f counted, %.1f by RSS\n", worst, worst_rss);
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
		churn(ledger, live, 3000000);
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
	start = now_ns();
	must(ledger_copy_sites(ledger, &copy));
	printf("    copied in %.2f ms\n", (double)(now_ns() - start) / 1e6);
	start = now_ns();
	must(series_sample(series, ledger, 1));
	printf("    first series sample (all changed) %.2f ms\n", (double)(now_ns() - start) / 1e6);
	start = now_ns();
	must(series_sample(series, ledger, 2));
	printf("    next (none changed) %.4f ms\n", (double)(now_ns() - start) / 1e6);
	ledger_free(copy);
	series_free(series);
	ledger_free(ledger);
}

static void bench_mappings(void)
{
	uint64_t start, longest = 0, pieces = 200000, time = 0;
	struct ledger *ledger;

	must(ledger_new(MEMORY, &ledger));
	start = now_ns();
	for (uint64_t i = 0; i < pieces; i++) {
		/* multiplying by an odd number modulo 2^k visits all, far apart */
		uint64_t number = i * 2654435761u % (1 << 20), begin = now_ns();
		struct ledger_alloc map = {.address = number << 16,
					   .size_bytes = 4096,
					   .time_ns = ++time,
					   .stack = 1,
					   .tid = 1,
					   .class = SITE_MAPPING};

		must(ledger_record_map(ledger, &map));
		begin = now_ns() - begin;
		longest = begin > longest ? begin : longest;
	}
	printf("mappings: %" PRIu64 " ranges in random order, %.0f ns each, longest %.3f ms\n",
	       pieces, (double)(now_ns() - start) / (double)pieces, (double)longest / 1e6);
	ledger_free(ledger);
}

static void bench_stacks(void)
{
	enum { STACKS = 100000, FRAMES = 30, LOOKUPS = 5000000 };
	uint64_t before = rss_bytes(), start, longest = 0, state = 4101842887655102017u;
	uint64_t pcs[FRAMES];
	struct stack_table_counts counts;
	struct stack_table *table;
	stack_id id;

	must(stack_table_new(MEMORY, &table));
	start = now_ns();
	for (uint64_t i = 1; i <= STACKS; i++) {
		struct stack_trace trace = {
			.hash = i * 0x9e3779b97f4a7c15, .pid = 1, .depth = FRAMES, .pcs = pcs};
		uint64_t begin = now_ns();

		for (int j = 0; j < FRAMES; j++)
			pcs[j] = i * 64 + (uint64_t)j;
		must(stack_table_add(table, &trace, &id));
		begin = now_ns() - begin;
		longest = begin > longest ? begin : longest;
	}
	stack_table_counts(table, &counts);
	printf("stacks: %d of %d frames\n    added in %.0f ns each, longest %.3f ms\n", STACKS,
	       FRAMES, (double)(now_ns() - start) / STACKS, (double)longest / 1e6);
	printf("    %.0f bytes each counted, %.0f by RSS\n", (double)counts.memory_bytes / STACKS,
	       (double)(rss_bytes() - before) / STACKS);
	start = now_ns();
	for (uint64_t i = 0; i < LOOKUPS; i++) {
		uint64_t number = next_random(&state) % STACKS + 1;

		must(stack_table_lookup(table, number * 0x9e3779b97f4a7c15, 1, 0, &id));
		if (id != number)
			must(-1);
	}
	printf("    look-up, random %.1f ns\n", (double)(now_ns() - start) / LOOKUPS);
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
