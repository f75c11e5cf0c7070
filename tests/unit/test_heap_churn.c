// SPDX-License-Identifier: GPL-2.0-or-later
/* A process that allocates and frees as fast as it can loses nothing, however often it is looked at. */
#include "heap_subject.h"

#define SCANS 2 /* HEAP_SCANS=300 for more */

static char program[PATH_MAX];

static int build(void **state)
{
	char command[5 * PATH_MAX], directory[PATH_MAX];

	(void)state;
	subject_path(directory);
	*strrchr(directory, '/') = 0;
	snprintf(program, sizeof(program), "%.4000s/heap_churn", directory);
	snprintf(command, sizeof(command),
		 "gcc -O2 -Iuser -o %s.%d tests/unit/heap_account.c -pthread && mv %s.%d %s",
		 program, (int)getpid(), program, (int)getpid(), program);
	assert_int_equal(system(command), 0);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int scans(void)
{
	const char *wanted = getenv("HEAP_SCANS");

	return wanted ? atoi(wanted) : SCANS;
}

/* Counted: looks that had to be repeated, and scans that did not come about. */
static void churn_with(const char *threads, bool no_stop)
{
	char *argv[] = {program,
			(char *)(uintptr_t) "7",
			(char *)(uintptr_t)threads,
			(char *)(uintptr_t) "20000",
			(char *)(uintptr_t) "churn",
			NULL};
	struct heap_snapshot *before = NULL, *now;
	uint64_t retries = 0, given_up = 0, incomplete = 0, suspects = 0, lost = 0, returned = 0;
	uint64_t stops[1000] = {0};
	struct subject subject;
	int count = scans(), taken = 0;

	subject_exec(&subject, argv);
	subject_order(&subject, 'c');
	for (int i = 0; i < count; i++) {
		struct heap_scan_options options = subject_options(&subject, before);
		int err;

		options.no_stop = no_stop;
		options.census = false;
		err = subject_scan_once(&options, &now);
		if (err && err != -EAGAIN && err != -ETIMEDOUT)
			print_message("# scan %d: %s\n", i, strerror(-err));
		assert_true(err == 0 || err == -EAGAIN || err == -ETIMEDOUT);
		if (err) {
			given_up++;
			continue;
		}
		stops[taken++ % 1000] = now->stop_ns;
		retries += now->retries;
		incomplete += !now->complete;
		suspects += now->lost_total;
		lost += now->lost_count;
		returned += now->returned;
		heap_snapshot_free(before);
		before = now;
	}
	heap_snapshot_free(before);
	qsort(stops, (size_t)(taken < 1000 ? taken : 1000), sizeof(*stops), by_value);
	print_message("# %s threads%s: %d scans, %lu retries, %lu given up, %lu incomplete, %lu "
		      "suspects, %lu lost; stop %.2f ms median, %.2f most\n",
		      threads, no_stop ? ", no stop" : "", taken, retries, given_up, incomplete,
		      suspects, lost, (double)stops[taken / 2] / 1e6,
		      (double)stops[taken ? taken - 1 : 0] / 1e6);
	assert_int_equal(kill(subject.pid, 0), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(returned, 0);
	/* Threads that never leave malloc alone may wear every look out: that is no loss, but told. */
	subject_stop(&subject);
}

static void one_thread_loses_nothing(void **state)
{
	(void)state;
	churn_with("1", false);
}

static __attribute__((unused)) void four_threads_lose_nothing(void **state)
{
	(void)state;
	churn_with("4", false);
}

static __attribute__((unused)) void nothing_is_lost_without_a_stop(void **state)
{
	(void)state;
	churn_with("2", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_loses_nothing),
#ifndef __SANITIZE_ADDRESS__ /* the worker's memory is the same in all */
		cmocka_unit_test(four_threads_lose_nothing),
		cmocka_unit_test(nothing_is_lost_without_a_stop),
#endif
	};

	return cmocka_run_group_tests(tests, build, NULL);
}
