/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts of a collector, read from memory that may hold anything. Those of real interpreters are in tests/e2e. */
#include "agent/watch/collector.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "process/python/object_layout.h"

static int memory_of(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void set_counts(uint8_t *state, uint64_t a, uint64_t b, uint64_t c)
{
	const uint32_t flags[] = {1, 0};

	memset(state, 0xff, PYTHON_GC_BYTES);
	memcpy(state + PYTHON_GC_ENABLED, &flags[0], 4);
	memcpy(state + PYTHON_GC_COLLECTING, &flags[1], 4);
	memcpy(state + PYTHON_GC_STATS, &a, 8);
	memcpy(state + PYTHON_GC_STATS + 24, &b, 8);
	memcpy(state + PYTHON_GC_STATS + 48, &c, 8);
}

static void generations_are_summed(void **state)
{
	uint8_t gc[PYTHON_GC_BYTES];
	int fd = memory_of(getpid());
	uint64_t count = 0;

	(void)state;
	set_counts(gc, 5000, 40, 3);
	assert_int_equal(collector_read_count(fd, (uintptr_t)gc, &count), 0);
	assert_int_equal(count, 5043);
	close(fd);
}

static void what_is_no_count_is_refused(void **state)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *pages = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t gc[PYTHON_GC_BYTES];
	int fd = memory_of(getpid());
	uint64_t count = 7;

	(void)state;
	set_counts(gc, UINT64_MAX, 1, 0);
	assert_int_equal(collector_read_count(fd, (uintptr_t)gc, &count), -EFAULT);
	/* Something else is there: it is no way to read any memory. */
	set_counts(gc, 1, 2, 3);
	gc[PYTHON_GC_ENABLED] = 2;
	assert_int_equal(collector_read_count(fd, (uintptr_t)gc, &count), -EFAULT);
	set_counts(gc, 1, 2, 3);
	gc[PYTHON_GC_COLLECTING + 3] = 1;
	assert_int_equal(collector_read_count(fd, (uintptr_t)gc, &count), -EFAULT);
	/* Half of it is mapped. */
	munmap(pages + page, (size_t)page);
	assert_int_equal(collector_read_count(fd, (uintptr_t)pages + (uint64_t)page - 100, &count),
			 -EFAULT);
	assert_int_equal(collector_read_count(fd, (uintptr_t)pages + (uint64_t)page, &count),
			 -EFAULT);
	assert_int_equal(collector_read_count(fd, 0, &count), -EFAULT);
	assert_int_equal(collector_read_count(fd, UINT64_MAX - 100, &count), -EFAULT);
	assert_int_equal(collector_read_count(fd, INT64_MAX - 100, &count), -EFAULT);
	assert_int_equal(count, 7);
	munmap(pages, (size_t)page);
	close(fd);
}

static void memory_of_a_process_that_ended_is_gone(void **state)
{
	uint8_t gc[PYTHON_GC_BYTES];
	uint64_t count = 7;
	pid_t pid = fork();
	int fd;

	(void)state;
	set_counts(gc, 1, 2, 3);
	if (pid == 0)
		for (;;)
			pause();
	fd = memory_of(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(collector_read_count(fd, (uintptr_t)gc, &count), -ESRCH);
	assert_int_equal(count, 7);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generations_are_summed),
		cmocka_unit_test(what_is_no_count_is_refused),
		cmocka_unit_test(memory_of_a_process_that_ended_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
