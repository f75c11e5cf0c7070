/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent's store costs: time of a commit, bytes of a sample and of a site on disk, time of the queries that the web page
 * makes. Wall time (fsync counts), CPU time where it says so. Prints; judges nothing.
 *
 *	make .output/tests/bench/bench_store && .output/tests/bench/bench_store [TARGETS [DAYS]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/store/profiles.h"
#include "agent/store/samples.h"
#include "agent/store/snapshots.h"
#include "agent/store/store.h"
#include "agent/store/targets.h"
#include "base/clock.h"
#include "base/random.h"

#define T0        UINT64_C(1767225600000000000)
#define MINUTE_NS (60 * NS_PER_S)
#define INTERVAL  10 /* seconds between two samples of a target */
#define SITES     2000
#define SNAPSHOTS 300

static void must(int err)
{
	if (err) {
		fprintf(stderr, "bench_store: %s\n", strerror(-err));
		exit(1);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

struct bench {
	struct store *store;
	uint64_t random;
	uint64_t target_count, seconds;
	uint64_t *rss, *heap, *faults; /* by target */
	uint64_t monotonic_ns;
	uint64_t longest_step_ns, longest_step_cpu_ns, upkeep_cpu_ns, commit_ns, commits;
};

/* A service: its RSS wanders by pages, its heap by bytes, it faults now and then. */
static struct store_sample next_sample(struct bench *b, uint64_t target, uint64_t time_ns)
{
	uint64_t r = random_next(&b->random) >> 8;

	if (r % 3 == 0) {
		b->rss[target] += r / 3 % 200;
		b->rss[target] -= b->rss[target] > 50000 ? 100 : 80;
	}
	b->heap[target] += r % 100000 - 49990;
	b->faults[target] += r % 400 < 300 ? 0 : r % 400;
	return (struct store_sample){
		.target = target,
		.time_ns = time_ns + r % 3000000, /* a timer is late by so much */
		.values = {.rss_bytes = b->rss[target] * 4096,
			   .vms_bytes = (UINT64_C(1) << 32) + target * 4096,
			   .pss_bytes = time_ns / NS_PER_S % 60 < INTERVAL
						? b->rss[target] * 4096 - 1000000 + r % 5000
						: STORE_UNKNOWN,
			   .uss_bytes = time_ns / NS_PER_S % 60 < INTERVAL
						? b->rss[target] * 4096 - 2000000
						: STORE_UNKNOWN,
			   .swap_bytes = 0,
			   .heap_live_bytes = b->heap[target],
			   .heap_objects = b->heap[target] / 97,
			   .gc_collections = time_ns / (30 * NS_PER_S),
			   .minor_faults = b->faults[target],
			   .major_faults = b->faults[target] / 100000,
			   .limit_bytes = UINT64_C(4) << 30},
	};
}

static void retain(struct bench *b, uint64_t now_ns)
{
	bool more = true;

	while (more) {
		uint64_t begin = clock_now_ns(), cpu = cpu_ns(), took;

		b->monotonic_ns += NS_PER_MS;
		must(store_retain(b->store, now_ns, b->monotonic_ns, &more));
		took = clock_now_ns() - begin;
		cpu = cpu_ns() - cpu;
		b->upkeep_cpu_ns += cpu;
		if (cpu > b->longest_step_cpu_ns)
			b->longest_step_cpu_ns = cpu;
		if (took > b->longest_step_ns)
			b->longest_step_ns = took;
	}
}

static void fill(struct bench *b)
{
	struct store_sample *pass = calloc(b->target_count, sizeof(*pass));
	uint64_t samples = 0, begin = clock_now_ns(), cpu = cpu_ns();

	if (!pass)
		must(-1);
	for (uint64_t s = 0; s < b->seconds; s += INTERVAL) {
		uint64_t now_ns = T0 + s * NS_PER_S, start;

		for (uint64_t i = 0; i < b->target_count; i++)
			pass[i] = next_sample(b, i + 1, now_ns);
		must(store_add_samples(b->store, pass, b->target_count));
		samples += b->target_count;
		start = clock_now_ns();
		must(store_commit(b->store));
		b->commit_ns += clock_now_ns() - start;
		b->commits++;
		b->monotonic_ns += INTERVAL * NS_PER_S;
		retain(b, now_ns);
	}
	printf("%" PRIu64 " samples of %" PRIu64 " targets, each %d s, a commit a pass\n", samples,
	       b->target_count, INTERVAL);
	printf("  all                     %8.0f samples/s, CPU %.2f us a sample\n",
	       (double)samples * 1e9 / (double)(clock_now_ns() - begin),
	       (double)(cpu_ns() - cpu) / 1e3 / (double)samples);
	printf("  a commit                %8.3f ms\n",
	       (double)b->commit_ns / 1e6 / (double)b->commits);
	printf("  upkeep                  %8.2f us CPU a sample; longest step %.1f ms CPU, %.1f wall\n",
	       (double)b->upkeep_cpu_ns / 1e3 / (double)samples,
	       (double)b->longest_step_cpu_ns / 1e6, (double)b->longest_step_ns / 1e6);
	free(pass);
}

static void print_sizes(struct bench *b)
{
	struct store_statistics s;
	uint64_t points;

	must(store_statistics(b->store, &s));
	points = s.recent_samples + s.raw_samples + s.minute_points + s.ten_minute_points;
	printf("  file %.1f MB (%.1f MB free pages), -wal %.1f MB\n", (double)s.file_bytes / 1e6,
	       (double)s.free_bytes / 1e6, (double)s.wal_bytes / 1e6);
	printf("  recent %" PRIu64 ", raw %" PRIu64 ", minutes %" PRIu64 ", tens %" PRIu64 "\n",
	       s.recent_samples, s.raw_samples, s.minute_points, s.ten_minute_points);
	printf("  bytes a sample or point %8.1f on disk, free pages left out\n",
	       (double)(s.file_bytes - s.free_bytes) / (double)points);
}

static void time_read(struct bench *b, const char *name, uint64_t from_ns, size_t max_points)
{
	uint64_t wall_ns = 0, worst = 0, cpu = cpu_ns();
	size_t count = 0;

	for (uint64_t i = 0; i < 20; i++) {
		struct store_sample_query query = {.target = 1 + i * 7 % b->target_count,
						   .from_ns = from_ns,
						   .max_points = max_points};
		uint64_t begin = clock_now_ns(), took;
		struct store_series series;

		must(store_read_samples(b->store, &query, &series));
		took = clock_now_ns() - begin;
		count = series.count;
		wall_ns += took;
		worst = took > worst ? took : worst;
		store_series_done(&series);
	}
	printf("  %-23s %8.2f ms CPU, %.2f wall (worst of 20 targets %.2f), %zu points\n", name,
	       (double)(cpu_ns() - cpu) / 20e6, (double)wall_ns / 20e6, (double)worst / 1e6, count);
}

static int count_sites(void *context, const struct store_snapshot *snapshot)
{
	*(uint64_t *)context += snapshot->site_count;
	return 0;
}

static void bench_snapshots(struct bench *b)
{
	static struct store_site sites[SITES];
	struct store_snapshot_query query = {.target = 1, .limit = 60};
	struct store_statistics before, after;
	uint64_t begin, cpu, id, read = 0;

	must(store_statistics(b->store, &before));
	for (size_t i = 0; i < SITES; i++)
		sites[i].stack = random_next(&b->random);
	begin = clock_now_ns();
	for (uint64_t n = 0; n < SNAPSHOTS; n++) {
		struct store_snapshot snapshot = {.target = 1,
						  .time_ns = T0 + n * MINUTE_NS,
						  .sites = sites,
						  .site_count = SITES};

		for (size_t i = 0; i < SITES; i++) {
			uint64_t r = random_next(&b->random) >> 8, calls = r % (1u << i % 14);

			sites[i].allocs += calls;
			sites[i].alloc_bytes += calls * (16 + i % 500 * 8);
			sites[i].outstanding_count = sites[i].allocs / (2 + i % 30);
			sites[i].outstanding_bytes =
				sites[i].outstanding_count * (16 + i % 500 * 8);
			sites[i].state = (uint8_t)(r % 50 ? 1 : 2);
			sites[i].component = (uint32_t)(i % 5);
		}
		must(store_add_snapshot(b->store, &snapshot, &id));
	}
	printf("%d snapshots of %d sites\n  an insert               %8.3f ms\n", SNAPSHOTS, SITES,
	       (double)(clock_now_ns() - begin) / 1e6 / SNAPSHOTS);
	store_close(b->store);
	b->store = NULL;
	must(store_open(&(struct store_options){.directory = getenv("BENCH_STORE")}, &b->store,
			NULL));
	must(store_statistics(b->store, &after));
	printf("  bytes a site            %8.1f on disk, the stacks' rows included\n",
	       (double)(after.file_bytes - after.free_bytes - before.file_bytes +
			before.free_bytes) /
		       SITES / SNAPSHOTS);
	begin = clock_now_ns();
	cpu = cpu_ns();
	must(store_read_snapshots(b->store, &query, count_sites, &read));
	printf("  60 of them read         %8.2f ms CPU, %.2f wall, %" PRIu64 " sites\n",
	       (double)(cpu_ns() - cpu) / 1e6, (double)(clock_now_ns() - begin) / 1e6, read);
}

static void add_targets(struct bench *b)
{
	for (uint64_t i = 1; i <= b->target_count; i++) {
		struct store_target target = {.pid = (int32_t)i,
					      .start_time_ns = i,
					      .first_seen_ns = T0,
					      .comm = "service",
					      .exe = "/usr/bin/service",
					      .cgroup = "/system.slice/service.service"};
		uint64_t id;

		must(store_put_target(b->store, &target, &id));
		b->rss[i] = 20000 + i * 10;
		b->heap[i] = 50000000;
	}
}

static void run(struct bench *b)
{
	b->rss = calloc(3 * (b->target_count + 1), sizeof(*b->rss));
	if (!b->rss)
		must(-1);
	b->heap = b->rss + b->target_count + 1;
	b->faults = b->heap + b->target_count + 1;
	must(store_open(&(struct store_options){.directory = getenv("BENCH_STORE")}, &b->store,
			NULL));
	add_targets(b);
	fill(b);
	print_sizes(b);
	time_read(b, "all of a target", 0, 0);
	time_read(b, "all, 500 points", 0, 500);
	time_read(b, "the last hour", T0 + (b->seconds - 3600) * NS_PER_S, 0);
	bench_snapshots(b);
	store_close(b->store);
	free(b->rss);
}

int main(int argc, char **argv)
{
	char directory[] = "/var/tmp/hf-bench-store-XXXXXX", command[96];
	struct bench b = {.random = 88172645463325252u, .monotonic_ns = NS_PER_S};

	b.target_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 200;
	b.seconds = (argc > 2 ? strtoull(argv[2], NULL, 10) : 7) * 86400;
	if (!mkdtemp(directory) || setenv("BENCH_STORE", directory, 1))
		return 1;
	run(&b);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command) ? 1 : 0;
}
