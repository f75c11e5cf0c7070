/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent's gauges cost: one reading through descriptors that are kept, and by name; a pass over many processes that are targets.
 * usage: bench_watch [TARGETS [PASSES]]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/watch/watch.h"
#include "base/clock.h"

#define READINGS 20000
#define NAME     "hf-benched"

static int open_process(void *user, int pid, struct process_handle *ret_handle, char **ret_exe,
			int *rule)
{
	int err = process_handle_open(pid, ret_handle);

	(void)user;
	(void)rule;
	if (!err)
		*ret_exe = strdup("");
	return err;
}

static void came(void *user, struct watched *watched)
{
	(void)user;
	(void)watched;
}

static void went(void *user, struct watched *watched, const char *reason)
{
	(void)user;
	(void)watched;
	(void)reason;
}

static double us_each(uint64_t began_ns, int count)
{
	return (double)(clock_now_ns() - began_ns) / NS_PER_US / count;
}

static void bench_readings(void)
{
	struct process_handle handle = PROCESS_HANDLE_INIT;
	struct process_memory memory;
	struct process_stat stat;
	uint64_t began_ns;
	int pid = getppid();

	if (process_handle_open(pid, &handle))
		return;
	began_ns = clock_now_ns();
	for (int i = 0; i < READINGS; i++)
		process_handle_memory(&handle, false, &memory);
	printf("RSS and VMS by a kept descriptor  %6.2f us\n", us_each(began_ns, READINGS));
	began_ns = clock_now_ns();
	for (int i = 0; i < READINGS; i++)
		process_memory_read(pid, false, &memory);
	printf("RSS and VMS by name               %6.2f us\n", us_each(began_ns, READINGS));
	began_ns = clock_now_ns();
	for (int i = 0; i < READINGS; i++)
		process_handle_stat(&handle, &stat);
	printf("stat by a kept descriptor         %6.2f us\n", us_each(began_ns, READINGS));
	began_ns = clock_now_ns();
	for (int i = 0; i < READINGS; i++)
		process_stat_read(pid, &stat);
	printf("stat by name                      %6.2f us\n", us_each(began_ns, READINGS));
	process_handle_done(&handle);
}

static void start_targets(int count)
{
	for (int i = 0; i < count; i++) {
		if (fork() != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, NAME);
		for (;;)
			pause();
	}
	usleep(300000);
}

static void bench_passes(int targets, int passes)
{
	struct target_rule rule = {.comm = (char *)NAME, .uid = -1};
	struct target_rule_vec vec = {&rule, 1, 1};
	struct watch_options options = {
		.open = open_process,
		.came = came,
		.went = went,
		.full_ns = 60 * NS_PER_S,
		.full_share = 0.002,
	};
	struct target_rules *rules;
	struct process_watch *watch;
	struct watch_counts counts = {0};
	uint64_t sum_ns = 0;

	start_targets(targets);
	if (target_rules_new(&vec, &rules))
		return;
	options.rules = rules;
	if (process_watch_new(&options, &watch))
		return;
	for (int i = 0; i <= passes; i++) {
		process_watch_pass(watch, clock_now_ns());
		process_watch_get_counts(watch, &counts);
		sum_ns += i ? counts.pass_ns : 0; /* the first one opens them all */
	}
	printf("a pass over %zu targets of %lu processes  %.2f ms of CPU\n",
	       process_watch_count(watch), (unsigned long)counts.processes,
	       (double)sum_ns / NS_PER_MS / passes);
	process_watch_free(watch);
	target_rules_free(rules);
}

int main(int argc, char **argv)
{
	int targets = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200;
	int passes = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100;

	bench_readings();
	bench_passes(targets, passes > 0 ? passes : 1);
	return 0;
}
