/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/proc/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmocka_all.h"

#define MIB ((uint64_t)1 << 20)

static pid_t sleeping_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static void reads_what_readers_by_name_read(void **state)
{
	_cleanup_(process_handle_done) struct process_handle handle = PROCESS_HANDLE_INIT;
	struct process_memory by_handle, by_name, before;
	struct process_stat stat;
	pid_t pid = sleeping_child();

	(void)state;
	assert_int_equal(process_handle_open(pid, &handle), 0);
	/* It may still be on its way to its pause, and touch pages. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(process_memory_read(pid, true, &before), 0);
		assert_int_equal(process_handle_memory(&handle, true, &by_handle), 0);
		assert_int_equal(process_memory_read(pid, true, &by_name), 0);
		if (!memcmp(&before, &by_name, sizeof(before)))
			break;
		usleep(1000);
	}
	assert_int_equal(by_handle.vms_bytes, by_name.vms_bytes);
	assert_int_equal(by_handle.rss_bytes, by_name.rss_bytes);
	assert_int_equal(by_handle.uss_bytes, by_name.uss_bytes);
	assert_int_equal(by_handle.rss_anon_bytes, by_name.rss_anon_bytes);
	assert_int_equal(process_handle_stat(&handle, &stat), 0);
	assert_int_equal(stat.key.pid, pid);
	assert_int_equal(stat.parent_pid, getpid());
	assert_int_equal(stat.key.start_ticks, handle.key.start_ticks);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void every_reading_is_of_now(void **state)
{
	_cleanup_(process_handle_done) struct process_handle handle = PROCESS_HANDLE_INIT;
	struct process_memory before, after;
	char *memory =
		mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_int_equal(process_handle_open(getpid(), &handle), 0);
	assert_int_equal(process_handle_memory(&handle, true, &before), 0);
	memset(memory, 1, 64 * MIB);
	assert_int_equal(process_handle_memory(&handle, true, &after), 0);
	assert_true(after.rss_bytes >= before.rss_bytes + 48 * MIB);
	assert_true(after.pss_bytes >= before.pss_bytes + 48 * MIB);
	munmap(memory, 64 * MIB);
}

static void process_that_is_gone_is_an_error_and_never_another_one(void **state)
{
	_cleanup_(process_handle_done) struct process_handle handle = PROCESS_HANDLE_INIT;
	struct process_memory memory;
	struct process_stat stat;
	pid_t pid = sleeping_child();

	(void)state;
	assert_int_equal(process_handle_open(pid, &handle), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(process_handle_stat(&handle, &stat), -ESRCH);
	assert_int_equal(process_handle_memory(&handle, false, &memory), -ESRCH);
	assert_int_equal(process_handle_open(pid, &handle), -ESRCH);
	assert_int_equal(process_handle_open(0, &handle), -ESRCH);
}

/* The child execs when it is told to. */
static pid_t child_that_execs(int *ret_go)
{
	int pipes[2];
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(pipes[1]);
		while (read(pipes[0], &c, 1) < 0)
			;
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(1);
	}
	close(pipes[0]);
	*ret_go = pipes[1];
	return pid;
}

static void after_an_exec_the_full_reading_wants_a_new_descriptor(void **state)
{
	_cleanup_(process_handle_done) struct process_handle handle = PROCESS_HANDLE_INIT;
	struct process_memory memory;
	struct process_stat stat = {0};
	int go;
	pid_t pid = child_that_execs(&go);

	(void)state;
	assert_int_equal(process_handle_open(pid, &handle), 0);
	assert_int_equal(process_handle_memory(&handle, true, &memory), 0);
	close(go);
	for (int i = 0; i < 2000 && strcmp(stat.comm, "sleep") != 0; i++) {
		usleep(1000);
		assert_int_equal(process_handle_stat(&handle, &stat), 0);
	}
	assert_string_equal(stat.comm, "sleep");
	assert_int_equal(process_handle_memory(&handle, false, &memory), 0);
	assert_int_equal(process_handle_memory(&handle, true, &memory), -ESRCH);
	assert_int_equal(process_handle_reopen(&handle), 0);
	assert_int_equal(process_handle_memory(&handle, true, &memory), 0);
	assert_true(memory.uss_bytes > 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_readers_by_name_read),
		cmocka_unit_test(every_reading_is_of_now),
		cmocka_unit_test(process_that_is_gone_is_an_error_and_never_another_one),
		cmocka_unit_test(after_an_exec_the_full_reading_wants_a_new_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
