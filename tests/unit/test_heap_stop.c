// SPDX-License-Identifier: GPL-2.0-or-later
/* Stopping a process leaves no trace: what it was, it is again. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "account/heap/stop.h"
#include "heap_subject.h"
#include "process/proc/process.h"

/* One that queues: of two others that arrive while the process gets no time to run, one is left. */
#define COUNTED    SIGRTMIN
#define TIMEOUT_NS 5000000000ULL
#define THREADS    1000

static volatile sig_atomic_t signals;

static void on_signal(int signal)
{
	(void)signal;
	signals++;
}

/* Says how many signals came, in place of its pid. */
static void count_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sigaction(COUNTED, &action, NULL);
	for (;;) {
		subject_ready();
		raise(SIGURG);
		if (write(1, (const void *)(uintptr_t)&signals, sizeof(pid_t)) < 0)
			_exit(0);
	}
}

static void *wait_long(void *unused)
{
	pause();
	return unused;
}

static void create(void *(*run)(void *))
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	while (pthread_create(&thread, &attributes, run, NULL))
		usleep(1000);
}

static void many_threads(void)
{
	for (int i = 1; i < THREADS; i++)
		create(wait_long);
	for (;;)
		subject_ready();
}

static void *end_soon(void *unused)
{
	return unused;
}

static void *storm(void *unused)
{
	for (;;)
		create(end_soon);
	return unused;
}

static void thread_storm(void)
{
	create(storm);
	create(storm);
	for (;;)
		subject_ready();
}

static void parent_of_vfork(void)
{
	subject_ready();
	if (!vfork()) {
		usleep(2000000);
		_exit(0);
	}
	for (;;)
		subject_ready();
}

static const struct subject_role roles[] = {{"count_signals", count_signals},
					    {"many_threads", many_threads},
					    {"thread_storm", thread_storm},
					    {"parent_of_vfork", parent_of_vfork},
					    {NULL, NULL}};

static char state_of(pid_t pid)
{
	struct process_stat stat;

	assert_int_equal(process_stat_read(pid, &stat), 0);
	return stat.state;
}

static void await_state(pid_t pid, const char *states)
{
	for (int i = 0; i < 2000 && !strchr(states, state_of(pid)); i++)
		usleep(1000);
	assert_non_null(strchr(states, state_of(pid)));
}

static int tracer_of(pid_t pid)
{
	struct process_status status;

	assert_int_equal(process_status_read(pid, &status), 0);
	return status.tracer_pid;
}

/* In a process of its own, as stop.h demands: the kernel then lets go what we forget. */
static int stop_and_go(pid_t pid, void (*meanwhile)(pid_t), uint64_t timeout_ns)
{
	pid_t worker = fork();
	int status;

	if (!worker) {
		struct stopped_process stopped;
		int err = stop_process(pid, timeout_ns, &stopped);

		if (err)
			_exit(-err);
		if (meanwhile)
			meanwhile(pid);
		if (stopped.words.count < 4 * stopped.threads.count)
			_exit(200);
		stop_resume(&stopped);
		_exit(0);
	}
	assert_int_equal(waitpid(worker, &status, 0), worker);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void send_signal(pid_t pid)
{
	kill(pid, COUNTED);
}

static void a_signal_during_the_stop_is_delivered_once(void **state)
{
	struct subject subject;
	int count = 0;

	(void)state;
	subject_start(&subject, "count_signals");
	for (int i = 0; i < 50; i++) {
		kill(subject.child, COUNTED); /* may arrive just as it is stopped */
		usleep((unsigned int)i * 7);
		assert_int_equal(stop_and_go(subject.child, NULL, TIMEOUT_NS), 0);
		usleep(1000);
	}
	for (int i = 0; i < 50; i++)
		assert_int_equal(stop_and_go(subject.child, send_signal, TIMEOUT_NS), 0);
	usleep(20000);
	assert_int_equal(write(subject.to, "x", 1), 1);
	assert_int_equal(read(subject.from, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 100);
	subject_stop(&subject);
}

static void what_was_stopped_stays_stopped(void **state)
{
	struct subject subject;

	(void)state;
	subject_start(&subject, "many_threads");
	kill(subject.pid, SIGSTOP);
	await_state(subject.pid, "T");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(stop_and_go(subject.pid, NULL, TIMEOUT_NS), 0);
		await_state(subject.pid, "T");
		assert_int_equal(tracer_of(subject.pid), 0);
	}
	kill(subject.pid, SIGCONT);
	await_state(subject.pid, "SR");
	subject_order(&subject, 'x');
	subject_stop(&subject);
}

static void send_stop(pid_t pid)
{
	kill(pid, SIGSTOP);
}

static void send_stop_and_go(pid_t pid)
{
	kill(pid, SIGSTOP);
	kill(pid, SIGCONT);
}

static void a_stop_that_comes_meanwhile_counts_afterwards(void **state)
{
	struct subject subject;

	(void)state;
	subject_start(&subject, "many_threads");
	assert_int_equal(stop_and_go(subject.pid, send_stop, TIMEOUT_NS), 0);
	await_state(subject.pid, "T");
	kill(subject.pid, SIGCONT);
	assert_int_equal(stop_and_go(subject.pid, send_stop_and_go, TIMEOUT_NS), 0);
	await_state(subject.pid, "SR");
	subject_order(&subject, 'x');
	subject_stop(&subject);
}

static void a_thousand_threads_are_stopped(void **state)
{
	struct timespec from, to;
	struct subject subject;

	(void)state;
	subject_start(&subject, "many_threads");
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(stop_and_go(subject.pid, NULL, TIMEOUT_NS), 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message("# %d threads: %.1f ms\n", THREADS,
		      (double)(to.tv_sec - from.tv_sec) * 1e3 +
			      (double)(to.tv_nsec - from.tv_nsec) / 1e6);
	subject_order(&subject, 'x');
	subject_stop(&subject);
}

static void threads_that_come_and_go_are_stopped(void **state)
{
	struct subject subject;
	int stopped = 0;

	(void)state;
	subject_start(&subject, "thread_storm");
	for (int i = 0; i < 30; i++) {
		stopped += stop_and_go(subject.pid, NULL, TIMEOUT_NS) == 0;
		assert_int_equal(tracer_of(subject.pid), 0);
		subject_order(&subject, 'x');
	}
	assert_true(stopped >= 20);
	subject_stop(&subject);
}

static void what_waits_in_vfork_is_left_alone_in_time(void **state)
{
	struct subject subject;

	(void)state;
	subject_start(&subject, "parent_of_vfork");
	assert_int_equal(write(subject.to, "x", 1), 1);
	await_state(subject.pid, "D");
	assert_int_equal(stop_and_go(subject.pid, NULL, 50000000), ETIMEDOUT);
	assert_int_equal(tracer_of(subject.pid), 0);
	subject_await(&subject);
	subject_order(&subject, 'x');
	subject_stop(&subject);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_during_the_stop_is_delivered_once),
		cmocka_unit_test(what_was_stopped_stays_stopped),
		cmocka_unit_test(a_stop_that_comes_meanwhile_counts_afterwards),
		cmocka_unit_test(a_thousand_threads_are_stopped),
		cmocka_unit_test(threads_that_come_and_go_are_stopped),
		cmocka_unit_test(what_waits_in_vfork_is_left_alone_in_time),
	};

	subject_run(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
