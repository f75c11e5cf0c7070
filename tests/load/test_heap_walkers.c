// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The walkers of jemalloc and musl against programs that know what they have lost (tests/targets/heap_blocks.h) while
 * threads of theirs allocate and free, and against redis, which counts its own memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/heap/heap.h"
#include "cmocka_all.h"

#define LOOKS      3
#define TRIES      5
#define STOP_MS    10000
#define NODE_BYTES 48
#define REDIS_PORT "27399"

struct subject {
	pid_t pid;
	int to;
	FILE *from;
	long held;
};

static pid_t spawn(const char *command, int from, int to)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(from, 0);
	dup2(to, 1);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

static void start(struct subject *subject, const char *name)
{
	char command[128];
	int there[2], back[2];

	snprintf(command, sizeof(command), "exec .output/targets/%s", name);
	if (access(command + strlen("exec "), X_OK)) {
		print_message("%s was not built\n", name);
		skip();
	}
	assert_int_equal(pipe2(there, O_CLOEXEC), 0);
	assert_int_equal(pipe2(back, O_CLOEXEC), 0);
	subject->pid = spawn(command, there[0], back[1]);
	close(there[0]);
	close(back[1]);
	subject->to = there[1];
	subject->from = fdopen(back[0], "r");
	assert_int_equal(fscanf(subject->from, "ready %ld", &subject->held), 1);
}

static void stop(struct subject *subject)
{
	kill(subject->pid, SIGKILL);
	waitpid(subject->pid, NULL, 0);
	close(subject->to);
	fclose(subject->from);
}

static void order(const struct subject *subject, char letter)
{
	assert_int_equal(write(subject->to, &letter, 1), 1);
}

static int try_scan(pid_t pid, const struct heap_snapshot *before, bool no_stop,
		    struct heap_snapshot **ret)
{
	struct heap_scan_options options = {
		.pid = pid,
		.census = true,
		.no_stop = no_stop,
		.max_stop_ns = STOP_MS * 1000000ULL,
		.memory_bytes = 1 << 30,
		.before = before,
	};
	struct heap_worker *job = NULL;

	assert_int_equal(heap_scan_start(&options, &job), 0);
	return heap_scan_finish(job, ret);
}

static struct heap_snapshot *scan(pid_t pid, const struct heap_snapshot *before, bool no_stop)
{
	struct heap_snapshot *snapshot = NULL;
	int err = -EAGAIN;

	/*
	 * A process that does nothing but allocate may be in the middle of it each time; where other work keeps the
	 * machine busy, a thread may not get to stop in time.
	 */
	for (int i = 0; i < TRIES && (err == -EAGAIN || err == -ETIMEDOUT); i++)
		err = try_scan(pid, before, no_stop, &snapshot);
	assert_int_equal(err, 0);
	assert_string_equal(snapshot->reason, "");
	assert_true(snapshot->complete);
	return snapshot;
}

/* Blocks of that size, of whatever type. */
static uint64_t count_of_size(const struct heap_snapshot *s, uint64_t size)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->group_count; i++)
		if (s->groups[i].size_bytes == size)
			count += s->groups[i].count;
	return count;
}

/* A pointer left on some stack or in freed memory that is used anew may hold a block or two: they are missed, then. */
#define MISSED_MAX 2

static uint64_t least(uint64_t count)
{
	return count > MISSED_MAX ? count - MISSED_MAX : 0;
}

/*
 * In one look. Where a thread can be caught in the middle of malloc without that being seen (no symbols, or no stop), a
 * block or two may be suspected for once: only the second look accuses.
 */
static void check_suspects(const struct heap_snapshot *s, uint64_t count, bool blind)
{
	if (!s->stopped)
		return;
	assert_in_range(s->lost_total, least(count), blind ? count + 2 : count);
}

static void check(const char *name, enum heap_live_set set, uint64_t node_bytes, bool no_stop)
{
	struct subject subject;
	struct heap_snapshot *before, *now;
	unsigned long long count, bytes;
	bool blind = strstr(name, "musl_static");

	start(&subject, name);
	before = scan(subject.pid, NULL, no_stop);
	assert_int_equal(before->live_set, set);
	check_suspects(before, 0, blind);
	assert_in_range(count_of_size(before, node_bytes), (uint64_t)subject.held,
			(uint64_t)subject.held + 50);
	order(&subject, 'l');
	assert_int_equal(fscanf(subject.from, " lost %llu %llu", &count, &bytes), 2);
	for (int i = 0; i < LOOKS; i++) {
		if (i)
			usleep(HEAP_CONFIRM_NS / 1000);
		order(&subject, 'f');
		assert_int_equal(fscanf(subject.from, " freed"), 0);
		now = scan(subject.pid, before, no_stop);
		if (no_stop) {
			/* What registers hold is not seen: all that is missed stays a suspicion. */
			assert_int_equal(now->lost_count, 0);
		} else {
			assert_in_range(now->lost_count, i ? least(count) : 0, i ? count : 0);
			assert_in_range(now->lost_bytes, 0, i ? bytes : 0);
			if (now->lost_count == count)
				assert_int_equal(now->lost_bytes, bytes);
		}
		assert_in_range(now->returned, 0, no_stop ? 2 : 0);
		check_suspects(now, count, blind);
		print_message("%s: stop %.2f ms, %.1f MB, %llu retries\n", name,
			      (double)now->stop_ns / 1e6, (double)now->heap_bytes / 1e6,
			      (unsigned long long)now->retries);
		heap_snapshot_free(before);
		before = now;
	}
	heap_snapshot_free(before);
	stop(&subject);
}

static void jemalloc_loses_exactly_what_is_lost(void **state)
{
	(void)state;
	check("heap_jemalloc", HEAP_JEMALLOC, NODE_BYTES, false);
}

static void jemalloc_linked_in_loses_exactly_what_is_lost(void **state)
{
	(void)state;
	check("heap_jemalloc_static", HEAP_JEMALLOC, NODE_BYTES, false);
}

static void jemalloc_s_losses_are_suspected_without_a_stop(void **state)
{
	(void)state;
	check("heap_jemalloc", HEAP_JEMALLOC, NODE_BYTES, true);
}

/* Where the look before found the books is a hint and no more: one that is wrong costs a search. */
static void jemalloc_is_found_wherever_a_look_before_saw_it(void **state)
{
	struct subject subject;
	struct heap_snapshot *first, *now;
	uint64_t wrong[4];

	(void)state;
	start(&subject, "heap_jemalloc");
	first = scan(subject.pid, NULL, false);
	assert_true(first->found_at);
	wrong[0] = first->found_at;
	wrong[1] = first->found_at ^ 1; /* another version's */
	wrong[2] = first->found_at + 4096;
	wrong[3] = ~0ULL;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		uint64_t found_at = first->found_at;

		first->found_at = wrong[i];
		now = scan(subject.pid, first, false);
		first->found_at = found_at;
		assert_int_equal(now->found_at, found_at);
		assert_in_range(count_of_size(now, NODE_BYTES), (uint64_t)subject.held,
				(uint64_t)subject.held + 50);
		heap_snapshot_free(now);
	}
	heap_snapshot_free(first);
	stop(&subject);
}

static void musl_loses_exactly_what_is_lost(void **state)
{
	(void)state;
	check("heap_musl", HEAP_MUSL, NODE_BYTES, false);
}

static void musl_without_symbols_loses_exactly_what_is_lost(void **state)
{
	(void)state;
	check("heap_musl_static", HEAP_MUSL, NODE_BYTES, false);
}

/* Of redis's own account, or 0. */
static uint64_t redis_allocated(void)
{
	FILE *answer = popen("redis-cli -p " REDIS_PORT " info memory 2>/dev/null", "r");
	char line[256];
	unsigned long long value = 0;

	while (answer && fgets(line, sizeof(line), answer))
		(void)sscanf(line, "allocator_allocated:%llu", &value);
	if (answer)
		pclose(answer);
	return value;
}

static void await_redis(void)
{
	for (int i = 0; i < 100 && !redis_allocated(); i++)
		usleep(50000);
	assert_true(redis_allocated());
}

static pid_t start_silent(const char *command)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = spawn(command, null, null);

	close(null);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void redis_under_load_loses_nothing_and_counts_the_same(void **state)
{
	struct heap_snapshot *before = NULL, *now;
	pid_t redis, benchmark;
	double part;

	(void)state;
	if (system("command -v redis-server redis-benchmark redis-cli >/dev/null")) {
		print_message("redis is not installed\n");
		skip();
	}
	redis = start_silent("exec redis-server --port " REDIS_PORT " --bind 127.0.0.1 --save ''");
	await_redis();
	/* Much more than its threads keep for themselves, which it counts as allocated. */
	assert_int_equal(system("redis-benchmark -p " REDIS_PORT
				" -n 400000 -r 400000 -d 200 -P 32 -q -t set >/dev/null"),
			 0);
	benchmark = start_silent("exec redis-benchmark -p " REDIS_PORT
				 " -n 3000000 -r 100000 -d 100 -q "
				 "-t set,get,lpush,lpop,sadd,hset");
	sleep(1);
	for (int i = 0; i < 5; i++) {
		usleep(HEAP_CONFIRM_NS / 1000);
		now = scan(redis, before, false);
		assert_int_equal(now->live_set, HEAP_JEMALLOC);
		assert_int_equal(now->lost_count, 0);
		assert_int_equal(now->lost_total, 0);
		print_message("redis: stop %.2f ms, %.1f MB, %llu retries\n",
			      (double)now->stop_ns / 1e6, (double)now->heap_bytes / 1e6,
			      (unsigned long long)now->retries);
		heap_snapshot_free(before);
		before = now;
	}
	end(benchmark);
	sleep(1);
	now = scan(redis, before, false);
	part = (double)now->live_bytes / (double)redis_allocated();
	print_message("redis: %.4f of its own count\n", part);
	assert_true(part > 0.99 && part < 1.01);
	heap_snapshot_free(before);
	heap_snapshot_free(now);
	end(redis);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jemalloc_loses_exactly_what_is_lost),
		cmocka_unit_test(jemalloc_linked_in_loses_exactly_what_is_lost),
		cmocka_unit_test(jemalloc_s_losses_are_suspected_without_a_stop),
		cmocka_unit_test(jemalloc_is_found_wherever_a_look_before_saw_it),
		cmocka_unit_test(musl_loses_exactly_what_is_lost),
		cmocka_unit_test(musl_without_symbols_loses_exactly_what_is_lost),
		cmocka_unit_test(redis_under_load_loses_nothing_and_counts_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
