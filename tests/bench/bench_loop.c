/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench_loop: what a busy program's malloc sees, at a rate of one's choice, and a leak in it. For make bench.
 *
 * Usage: bench_loop [--rate=OPERATIONS_PER_S of all threads, 0 = as fast as they go] [--threads=1] [--depth=8 frames]
 *	[--leak=none|cold|caller|hot] [--leak-rate=20 blocks/s] [--leak-every=N: every N-th operation of the first
 *	thread instead]
 *
 * An operation is one malloc and one free, at one of four sites: a block that is freed at once (60 %), one of 64
 * sessions of 48 B (25 %), one of 1,024 buffers of mixed sizes (12 %), one of 4,096 records that change slowly (3 %).
 * A leaked block has 48 B, and nothing refers to it:
 *	cold	its call of malloc does nothing else                    issue_ticket
 *	caller	it comes through the sessions' call of malloc, from a caller of its own          handle_upgrade
 *	hot	its stack is that of the sessions: now and then the old one is not freed         renew_session
 *
 * It speaks truth.h's protocol: ready, go, stat, stop. stat prints {"pairs":N,"cpu_ns":N,"leaked_blocks":N,
 * "leaked_bytes":N,"function":"issue_ticket","latency":{"count":N,"p50_ns":N,"p99_ns":N,"max_ns":N}}: pairs, CPU and
 * leaks since the start, latency of single operations since the stat before, to 3 %. Up to 100,000 a second each
 * operation is timed, above every 16th.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

#include "targets/truth.h"

#define NS_PER_S       1000000000ul
#define TICK_NS        1000000ul  /* of the pacing, for up to so many threads: */
#define TICK_THREADS   4          /* more wake up less often */
#define DEBT_NS        20000000ul /* what could not be done in time is forgotten, not made up for */
#define BATCH          64         /* operations between two looks at the clock */
#define TIMED_RATE     100000
#define TIMED_EVERY    16
#define THREADS_MAX    256
#define FRAMES_OWN     6 /* start_thread, body, descend, run_loop, run_operation and the site */
#define SESSIONS       64
#define BUFFERS        1024
#define RECORDS        4096
#define SUB_BUCKETS    32 /* of each power of two */
#define LINEAR_BUCKETS 64
#define BUCKETS        (LINEAR_BUCKETS + 58 * SUB_BUCKETS)

enum leak { LEAK_NONE, LEAK_COLD, LEAK_CALLER, LEAK_HOT, LEAK_COUNT };

static const char *const leak_names[LEAK_COUNT] = {"none", "cold", "caller", "hot"};
static const char *const leak_functions[LEAK_COUNT] = {"", "issue_ticket", "handle_upgrade",
						       "renew_session"};

struct kind {
	const char *name;
	uint64_t version;
};

struct session { /* a ticket looks the same */
	uint64_t id;
	const struct kind *kind;
	const struct worker *owner;
	uint64_t opened_ns, sent, received;
};

struct worker {
	_Alignas(64) uint64_t pairs; /* read by the main thread */
	uint64_t leaked;
	uint64_t random, began_ns, clock_ns, next_leak_ns;
	uint64_t credit; /* blocks that are to be leaked now */
	pthread_t thread;
	struct session *sessions[SESSIONS];
	void *buffers[BUFFERS];
	void *records[RECORDS];
	uint64_t latency[BUCKETS];
};

static struct {
	struct worker *workers[THREADS_MAX];
	uint64_t seen[BUCKETS]; /* of the latencies, at the stat before */
	long threads, rate, depth, leak_rate, leak_every;
	enum leak leak;
	volatile int stop;
} loop;

static const struct kind kinds[] = {{"client", 3}, {"peer", 2}, {"admin", 7}, {"probe", 1}};

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* xorshift64 */
static uint64_t draw(struct worker *worker)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random;
}

static void *sure(void *p)
{
	if (!p)
		abort();
	return p;
}

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int power;

	if (ns < LINEAR_BUCKETS)
		return (unsigned int)ns;
	power = 63u - (unsigned int)__builtin_clzll(ns);
	return LINEAR_BUCKETS + (power - 6) * SUB_BUCKETS +
	       (unsigned int)((ns >> (power - 5)) % SUB_BUCKETS);
}

/* The middle of a bucket. */
static uint64_t bucket_ns(unsigned int bucket)
{
	unsigned int power = (bucket - LINEAR_BUCKETS) / SUB_BUCKETS + 6;
	uint64_t sub = (bucket - LINEAR_BUCKETS) % SUB_BUCKETS;

	if (bucket < LINEAR_BUCKETS)
		return bucket;
	return ((SUB_BUCKETS + sub) << (power - 5)) + ((1ul << (power - 5)) >> 1);
}

/* What a call left on the stack is written over: no left-over refers to a leaked block. */
TRUTH_FN static void scrub(void)
{
	volatile char old[1024];

	for (size_t i = 0; i < sizeof(old); i++)
		old[i] = 0;
}

static void fill_session(struct session *session, const struct worker *worker, uint64_t number)
{
	*session = (struct session){
		.id = worker->pairs,
		.kind = &kinds[number % (sizeof(kinds) / sizeof(kinds[0]))],
		.owner = worker,
		.opened_ns = worker->clock_ns,
		.sent = number % 4096,
		.received = number % 1024,
	};
	TRUTH_HIDE(session);
}

/* The hot call of malloc for 48 bytes. */
TRUTH_FN static struct session *new_session(struct worker *worker)
{
	struct session *session = sure(malloc(sizeof(*session)));

	fill_session(session, worker, draw(worker) >> 32);
	return session;
}

TRUTH_FN static void renew_session(struct worker *worker)
{
	struct session **slot = &worker->sessions[(draw(worker) >> 32) % SESSIONS];
	struct session *old = *slot;

	*slot = new_session(worker);
	if (loop.leak == LEAK_HOT && worker->credit && old) {
		worker->credit--;
		worker->leaked++;
	} else {
		free(old);
	}
	TRUTH_STAY();
}

TRUTH_FN static void handle_upgrade(struct worker *worker)
{
	new_session(worker);
	worker->leaked++;
	TRUTH_STAY();
}

TRUTH_FN static void issue_ticket(struct worker *worker)
{
	struct session *ticket = sure(malloc(sizeof(*ticket)));

	fill_session(ticket, worker, draw(worker) >> 32);
	worker->leaked++;
}

TRUTH_FN static void make_temporary(struct worker *worker)
{
	size_t bytes = 16 + (draw(worker) >> 32) % 112;
	uint64_t *p = sure(malloc(bytes));

	p[0] = worker->pairs;
	p[1] = (uint64_t)(uintptr_t)&kinds[bytes % 4];
	TRUTH_HIDE(p);
	free(p);
	TRUTH_STAY();
}

TRUTH_FN static void renew_buffer(struct worker *worker)
{
	uint64_t number = draw(worker) >> 20;
	void **slot = &worker->buffers[number % BUFFERS];
	size_t bytes = 16 + (number >> 10) % 2000;

	free(*slot);
	*slot = sure(malloc(bytes));
	memset(*slot, 'b', bytes);
	TRUTH_STAY();
}

TRUTH_FN static void renew_record(struct worker *worker)
{
	uint64_t number = draw(worker) >> 20;
	void **slot = &worker->records[number % RECORDS];
	size_t bytes = 32 + (number >> 12) % 224;

	free(*slot);
	*slot = sure(malloc(bytes));
	memset(*slot, 'r', bytes);
	TRUTH_STAY();
}

TRUTH_FN static void run_operation(struct worker *worker)
{
	unsigned int choice = (draw(worker) >> 40) % 128;

	if (choice < 77)
		make_temporary(worker);
	else if (choice < 109)
		renew_session(worker);
	else if (choice < 124)
		renew_buffer(worker);
	else
		renew_record(worker);
	TRUTH_STAY();
}

TRUTH_FN static void leak_now(struct worker *worker)
{
	if (loop.leak == LEAK_HOT)
		return; /* the next session's turn */
	while (worker->credit) {
		worker->credit--;
		if (loop.leak == LEAK_COLD)
			issue_ticket(worker);
		else
			handle_upgrade(worker);
		scrub();
	}
}

static void time_operation(struct worker *worker)
{
	uint64_t began_ns = now_ns();
	uint64_t *count;

	run_operation(worker);
	count = &worker->latency[bucket_of(now_ns() - began_ns)];
	__atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
}

static void run_batch(struct worker *worker, uint64_t count, uint64_t timed_every)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t done = worker->pairs + 1;

		if (done % timed_every)
			run_operation(worker);
		else
			time_operation(worker);
		if (loop.leak_every && loop.leak && worker == loop.workers[0] &&
		    done % (uint64_t)loop.leak_every == 0)
			worker->credit++;
		__atomic_store_n(&worker->pairs, done, __ATOMIC_RELAXED);
	}
}

static void leak_in_time(struct worker *worker)
{
	if (loop.leak == LEAK_NONE || worker != loop.workers[0])
		return;
	while (!loop.leak_every && loop.leak_rate > 0 && worker->clock_ns >= worker->next_leak_ns) {
		worker->next_leak_ns += NS_PER_S / (uint64_t)loop.leak_rate;
		worker->credit++;
	}
	leak_now(worker);
}

static void sleep_until(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

/* What a thread at @rate has to do now; sleeps as long as that is nothing. @done: of the time since began_ns. */
static uint64_t next_batch(struct worker *worker, double rate, uint64_t *done)
{
	uint64_t tick_ns = TICK_NS * (uint64_t)(1 + loop.threads / TICK_THREADS);
	uint64_t due;

	if (rate <= 0)
		return BATCH;
	due = (uint64_t)((double)(worker->clock_ns - worker->began_ns) * 1e-9 * rate);
	if (due <= *done) {
		sleep_until(worker->clock_ns + tick_ns - worker->clock_ns % tick_ns);
		return 0;
	}
	due -= *done;
	if ((double)due > rate * 1e-9 * (double)(DEBT_NS + tick_ns) + 1) {
		worker->began_ns = worker->clock_ns;
		*done = 0;
		return 0;
	}
	due = due < BATCH ? due : BATCH;
	*done += due;
	return due;
}

TRUTH_FN static void run_loop(struct worker *worker)
{
	double rate = (double)loop.rate / (double)loop.threads;
	uint64_t timed_every = loop.rate && loop.rate <= TIMED_RATE ? 1 : TIMED_EVERY;
	uint64_t done = 0;

	worker->began_ns = worker->next_leak_ns = now_ns();
	while (!loop.stop) {
		worker->clock_ns = now_ns();
		run_batch(worker, next_batch(worker, rate, &done), timed_every);
		leak_in_time(worker);
	}
}

TRUTH_FN static void descend(struct worker *worker, long depth)
{
	if (depth <= 0)
		run_loop(worker);
	else
		descend(worker, depth - 1);
	TRUTH_STAY();
}

static void *body(void *worker)
{
	descend(worker, loop.depth - FRAMES_OWN);
	return NULL;
}

static void start_workers(void)
{
	for (long i = 0; i < loop.threads; i++) {
		struct worker *worker = sure(aligned_alloc(64, sizeof(*worker)));

		memset(worker, 0, sizeof(*worker));
		worker->random = 88172645463325252ul + (uint64_t)i * 2654435761u;
		loop.workers[i] = worker;
	}
	for (long i = 0; i < loop.threads; i++)
		if (pthread_create(&loop.workers[i]->thread, NULL, body, loop.workers[i]))
			abort();
}

/* The value below which that share of the counts lies. */
static uint64_t quantile(const uint64_t counts[BUCKETS], uint64_t total, double share)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < BUCKETS; i++) {
		sum += counts[i];
		if (sum && (double)sum >= share * (double)total)
			return bucket_ns(i);
	}
	return 0;
}

static void print_latency(void)
{
	uint64_t counts[BUCKETS], total = 0;

	for (unsigned int i = 0; i < BUCKETS; i++) {
		uint64_t sum = 0;

		for (long w = 0; w < loop.threads; w++)
			sum += __atomic_load_n(&loop.workers[w]->latency[i], __ATOMIC_RELAXED);
		counts[i] = sum - loop.seen[i];
		loop.seen[i] = sum;
		total += counts[i];
	}
	truth_printf("\"latency\":{\"count\":%lu,\"p50_ns\":%lu,\"p99_ns\":%lu,\"max_ns\":%lu}",
		     total, quantile(counts, total, 0.5), quantile(counts, total, 0.99),
		     quantile(counts, total, 1));
}

static void print_stat(void)
{
	uint64_t pairs = 0, leaked = 0;
	struct timespec cpu;

	for (long i = 0; i < loop.threads; i++) {
		pairs += __atomic_load_n(&loop.workers[i]->pairs, __ATOMIC_RELAXED);
		leaked += __atomic_load_n(&loop.workers[i]->leaked, __ATOMIC_RELAXED);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	truth_printf("{\"pairs\":%lu,\"cpu_ns\":%lu,\"leaked_blocks\":%lu,\"leaked_bytes\":%lu,"
		     "\"function\":\"%s\",",
		     pairs, (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec, leaked,
		     leaked * sizeof(struct session), leak_functions[loop.leak]);
	print_latency();
	truth_printf("}\n");
}

static void on_signal(int number)
{
	(void)number;
	loop.stop = 1;
}

static int read_arguments(int argc, char **argv)
{
	loop.rate = truth_argument(argc, argv, "--rate", 0);
	loop.threads = truth_argument(argc, argv, "--threads", 1);
	loop.depth = truth_argument(argc, argv, "--depth", 8);
	loop.leak_rate = truth_argument(argc, argv, "--leak-rate", 20);
	loop.leak_every = truth_argument(argc, argv, "--leak-every", 0);
	for (int i = 1; i < argc; i++)
		for (int leak = 0; leak < LEAK_COUNT; leak++)
			if (!strncmp(argv[i], "--leak=", 7) &&
			    !strcmp(argv[i] + 7, leak_names[leak]))
				loop.leak = (enum leak)leak;
	return loop.threads >= 1 && loop.threads <= THREADS_MAX && loop.rate >= 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};

	if (!read_arguments(argc, argv))
		return 64;
	sigaction(SIGTERM, &action, NULL);
	truth_begin(argc, argv);
	start_workers();
	truth_until_stop(print_stat, &loop.stop);
	loop.stop = 1;
	for (long i = 0; i < loop.threads; i++)
		pthread_join(loop.workers[i]->thread, NULL);
	print_stat();
	truth_flush();
	return 0;
}
