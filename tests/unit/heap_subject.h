/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process to look at: the test program itself, executed anew in a role, so that its heap is its own. Under a
 * sanitizer, whose malloc is none that the walkers know, the plain twin of the program is executed.
 *
 *	role:	set up, subject_ready(), do what each order asks for, subject_ready() …
 *	test:	subject_start(&s, "role"), subject_scan(), subject_order(&s, 'x'), subject_stop(&s)
 */
#ifndef HF_TESTS_HEAP_SUBJECT_H
#define HF_TESTS_HEAP_SUBJECT_H

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/heap/heap.h"
#include "cmocka_all.h"

struct subject {
	pid_t pid;   /* who is looked at */
	pid_t child; /* who was started */
	int to, from;
};

struct subject_role {
	const char *name;
	void (*run)(void); /* returns when it is done */
};

/* In the subject: says who it is, and waits for an order. The other side hung up: the end. */
static inline char subject_ready(void)
{
	pid_t self = getpid();
	char order;

	if (write(1, &self, sizeof(self)) != sizeof(self) || read(0, &order, 1) != 1)
		_exit(0);
	return order;
}

/* What lay on the stack is written over: only what is really held stays. */
static __attribute__((noinline, unused)) void subject_forget(void)
{
	volatile uint8_t old[32768];

	for (size_t i = 0; i < sizeof(old); i++)
		old[i] = 0;
}

static inline void subject_run(int argc, char **argv, const struct subject_role *roles)
{
	if (argc < 3 || strcmp(argv[1], "subject") != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (; roles->name; roles++)
		if (!strcmp(roles->name, argv[2]))
			roles->run();
	_exit(0);
}

/* The program to execute: without "/asan". */
static inline void subject_path(char ret_path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", ret_path, PATH_MAX - 1);
	char *flavour;

	assert_true(length > 0);
	ret_path[length] = 0;
	flavour = strstr(ret_path, "/asan/");
	if (flavour)
		memmove(flavour, flavour + 5, strlen(flavour + 5) + 1);
}

static inline void subject_await(struct subject *subject)
{
	struct pollfd ready = {subject->from, POLLIN, 0};

	assert_int_equal(poll(&ready, 1, 60000), 1);
	assert_int_equal(read(subject->from, &subject->pid, sizeof(subject->pid)),
			 sizeof(subject->pid));
}

static inline void subject_exec(struct subject *subject, char *const *argv)
{
	int there[2], back[2];

	assert_int_equal(pipe(there), 0);
	assert_int_equal(pipe(back), 0);
	subject->child = fork();
	if (!subject->child) {
		dup2(there[0], 0);
		dup2(back[1], 1);
		close(there[0]);
		close(there[1]);
		close(back[0]);
		close(back[1]);
		setpgid(0, 0); /* so that all of it can be ended */
		execv(argv[0], argv);
		_exit(127);
	}
	close(there[0]);
	close(back[1]);
	subject->to = there[1];
	subject->from = back[0];
	subject_await(subject);
}

static inline void subject_start(struct subject *subject, const char *role)
{
	char path[PATH_MAX];
	char *argv[] = {path, (char *)(uintptr_t) "subject", (char *)(uintptr_t)role, NULL};

	subject_path(path);
	subject_exec(subject, argv);
}

static inline void subject_order(struct subject *subject, char order)
{
	assert_int_equal(write(subject->to, &order, 1), 1);
	subject_await(subject);
}

static inline void subject_stop(struct subject *subject)
{
	kill(-subject->child, SIGKILL);
	/* A thread that had no time to stop is traced by us still: its first thread is there until we have seen its end. */
	while (waitpid(-subject->child, NULL, __WALL) > 0)
		;
	close(subject->to);
	close(subject->from);
}

static inline int subject_scan_once(const struct heap_scan_options *options,
				    struct heap_snapshot **ret)
{
	struct heap_worker *job = NULL;
	struct pollfd ready;

	assert_int_equal(heap_scan_start(options, &job), 0);
	ready = (struct pollfd){heap_worker_fd(job), POLLIN, 0};
	assert_int_equal(poll(&ready, 1, 120000), 1);
	return heap_scan_finish(job, ret);
}

/* On a busy machine a thread may get no time to stop in: that is tried again. */
#define SUBJECT_TRIES 5

static inline int subject_scan_by(const struct heap_scan_options *options,
				  struct heap_snapshot **ret)
{
	int err = -ETIMEDOUT;

	for (int tries = 0; err == -ETIMEDOUT && tries < SUBJECT_TRIES; tries++)
		err = subject_scan_once(options, ret);
	return err;
}

static inline struct heap_scan_options subject_options(const struct subject *subject,
						       const struct heap_snapshot *before)
{
	return (struct heap_scan_options){
		.pid = subject->pid,
		.census = true,
		.confirm_ns = 1,
		.max_stop_ns = 10000000000ULL,
		.memory_bytes = 1 << 30,
		.before = before,
	};
}

static inline struct heap_snapshot *subject_scan(const struct subject *subject,
						 const struct heap_snapshot *before)
{
	struct heap_scan_options options = subject_options(subject, before);
	struct heap_snapshot *snapshot = NULL;

	assert_int_equal(subject_scan_by(&options, &snapshot), 0);
	assert_int_equal(snapshot->live_set, HEAP_GLIBC);
	assert_string_equal(snapshot->reason, "");
	assert_true(snapshot->complete);
	return snapshot;
}

#endif
