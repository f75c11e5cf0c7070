/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts of /proc as they are and as an enemy would like them, and live processes: this one and its children. */
#include "process/proc/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_all.h"

static int parse_stat(const char *text, struct process_stat *ret)
{
	size_t size = strlen(text);
	char *copy = memcpy(malloc(size + 1), text, size);
	int err = process_stat_parse(copy, size, ret);

	free(copy);
	return err;
}

#define STAT_TAIL                                                                      \
	" S 1 42 42 0 -1 4194560 100 200 3 4 50 60 70 80 20 0 7 0 123456 8192000 250 " \
	"18446744073709551615 1 1 0 0 0 0 0 4096 17663 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"

static void stat_fields_are_counted_from_the_last_parenthesis(void **state)
{
	struct process_stat stat;

	(void)state;
	assert_int_equal(parse_stat("42 (redis-server)" STAT_TAIL, &stat), 0);
	assert_int_equal(stat.key.pid, 42);
	assert_int_equal(stat.key.start_ticks, 123456);
	assert_string_equal(stat.comm, "redis-server");
	assert_int_equal(stat.state, 'S');
	assert_int_equal(stat.parent_pid, 1);
	assert_int_equal(stat.minor_faults, 100);
	assert_int_equal(stat.major_faults, 3);
	assert_int_equal(stat.user_ticks, 50);
	assert_int_equal(stat.system_ticks, 60);
	assert_int_equal(stat.thread_count, 7);
	assert_int_equal(stat.vms_bytes, 8192000);
	assert_int_equal(stat.rss_bytes, 250 * (uint64_t)getpagesize());
	assert_false(stat.kernel_thread);
}

static void comm_may_look_like_the_rest_of_the_line(void **state)
{
	struct process_stat stat;

	(void)state;
	assert_int_equal(parse_stat("42 (a) R 9 (b\n)) Z 1)" STAT_TAIL, &stat), 0);
	assert_string_equal(stat.comm, "a) R 9 (b\n)) Z 1");
	assert_int_equal(stat.parent_pid, 1);
	assert_int_equal(parse_stat("42 ()" STAT_TAIL, &stat), 0);
	assert_string_equal(stat.comm, "");
}

static void long_comm_is_cut(void **state)
{
	struct process_stat stat;

	(void)state;
	assert_int_equal(
		parse_stat("42 (kworker/0123456789012345678901234567890123456789012345678901"
			   "23456789012345678901234567890123456789)" STAT_TAIL,
			   &stat),
		0);
	assert_int_equal(strlen(stat.comm), PROCESS_COMM_BYTES - 1);
	assert_int_equal(stat.key.start_ticks, 123456);
}

static void malformed_stat_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"42",
		"42 (",
		"42 )(" STAT_TAIL,
		"42 redis" STAT_TAIL,
		"x (redis)" STAT_TAIL,
		"4294967296 (redis)" STAT_TAIL,
		"42 (redis)",
		"42 (redis) SS 1",
		"42 (redis) S 1 42 42 0 -1 4194560 100 200 3 4 50 60 70 80 20 0 7 0 123456 8192000",
		"42 (redis) S 1 42 42 0 -1 4194560 100 200 3 4 50 60 70 80 20 0 7 0 12345x 8192000 250",
		"42 (redis) S 99999999999 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 7 0 1 8192 250",
		"42 (redis) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 7 0 1 8192 9999999999999999999",
	};
	struct process_stat stat = {.state = '?'};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(parse_stat(cases[i], &stat), -EINVAL);
	assert_int_equal(stat.state, '?');
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void containers_are_known_by_their_cgroup(void **state)
{
	static const struct {
		const char *text, *id;
	} cases[] = {
		{"0::/\n", ""},
		{"", ""},
		{"0::/user.slice/user-1000.slice/session-2.scope\n", ""},
		{"0::/system.slice/docker-" HEX64 ".scope\n", HEX64},
		{"12:memory:/docker/" HEX64 "\n0::/\n", HEX64},
		{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a2b.slice/"
		 "cri-containerd-" HEX64 ".scope\n",
		 HEX64},
		{"0::/machine.slice/libpod-" HEX64 ".scope/container\n", HEX64},
		{"0::/machine.slice/libpod-short.scope/container\n", "libpod-short.scope"},
		{"1:cpu:/docker-x.scope\n0::/docker/" HEX64, HEX64},
		{"0::/docker/" HEX64 "0\n", ""}, /* 65 digits are no id */
		{"0::/docker-.service\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *id = NULL;

		assert_int_equal(process_container_parse(cases[i].text, strlen(cases[i].text), &id),
				 0);
		assert_string_equal(id, cases[i].id);
		free(id);
	}
}

static void cgroup_is_that_of_the_unified_hierarchy_or_of_systemd(void **state)
{
	static const struct {
		const char *text, *path;
	} cases[] = {
		{"0::/system.slice/nginx.service\n", "/system.slice/nginx.service"},
		{"12:cpu:/a\n1:name=systemd:/user.slice/b\n", "/user.slice/b"},
		{"1:name=systemd:/b\n0::/c\n", "/c"},
		{"4:memory:/x\n", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path;

		assert_int_equal(process_cgroup_parse(cases[i].text, strlen(cases[i].text), &path),
				 0);
		assert_string_equal(path, cases[i].path);
		free(path);
	}
}

static void *sleep_on_pipe(void *fd)
{
	char c;

	(void)!read(*(int *)fd, &c, 1);
	return NULL;
}

static void own_stat_tells_name_threads_and_parent(void **state)
{
	struct process_stat stat;
	char saved[16];
	pthread_t thread;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	prctl(PR_GET_NAME, saved);
	prctl(PR_SET_NAME, "a) R 1 (b");
	pthread_create(&thread, NULL, sleep_on_pipe, &fds[0]);
	assert_int_equal(process_stat_read(getpid(), &stat), 0);
	prctl(PR_SET_NAME, saved);
	close(fds[1]);
	pthread_join(thread, NULL);
	close(fds[0]);
	assert_string_equal(stat.comm, "a) R 1 (b");
	assert_int_equal(stat.key.pid, getpid());
	assert_int_equal(stat.parent_pid, getppid());
	assert_true(stat.thread_count >= 2);
	assert_true(stat.rss_bytes > 0 && stat.rss_bytes < stat.vms_bytes);
}

static void start_is_before_now_and_after_the_parents(void **state)
{
	struct process_stat own, parent;
	uint64_t own_ns, parent_ns;

	(void)state;
	assert_int_equal(process_stat_read(getpid(), &own), 0);
	assert_int_equal(process_stat_read(getppid(), &parent), 0);
	assert_int_equal(process_start_wall_ns(&own, &own_ns), 0);
	assert_int_equal(process_start_wall_ns(&parent, &parent_ns), 0);
	assert_true(own_ns <= (uint64_t)time(NULL) * 1000000000 + 1000000000);
	assert_true(own.key.start_ticks >= parent.key.start_ticks);
	assert_true(own_ns + 1000000000 >= parent_ns);
}

static void key_of_another_start_is_another_process(void **state)
{
	struct process_stat stat;

	(void)state;
	assert_int_equal(process_stat_read(getpid(), &stat), 0);
	assert_int_equal(process_key_check(stat.key), 0);
	stat.key.start_ticks++;
	assert_int_equal(process_key_check(stat.key), -ESRCH);
}

static bool holds(const int *pids, size_t count, int pid)
{
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static void children_are_listed_and_gone_when_reaped(void **state)
{
	int fds[2], *pids;
	pid_t first, second;
	size_t count;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	first = fork();
	if (first == 0)
		_exit((int)read(fds[0], &(char){0}, 1));
	second = fork();
	if (second == 0)
		_exit((int)read(fds[0], &(char){0}, 1));
	assert_int_equal(process_children(getpid(), &pids, &count), 0);
	assert_int_equal(count, 2);
	assert_true(holds(pids, count, first) && holds(pids, count, second));
	assert_true(pids[0] < pids[1]);
	free(pids);
	assert_int_equal(process_children(first, &pids, &count), 0);
	assert_int_equal(count, 0);
	free(pids);
	assert_int_equal(process_list(&pids, &count), 0);
	assert_true(holds(pids, count, first) && holds(pids, count, getpid()));
	free(pids);
	(void)!write(fds[1], "xx", 2);
	waitpid(first, NULL, 0);
	waitpid(second, NULL, 0);
	assert_int_equal(process_children(first, &pids, &count), -ESRCH);
	assert_int_equal(process_children(getpid(), &pids, &count), 0);
	assert_int_equal(count, 0);
	free(pids);
	close(fds[0]);
	close(fds[1]);
}

static void gone_process_is_gone_for_every_reader(void **state)
{
	struct process_status status;
	struct process_stat stat;
	pid_t pid = fork();
	uint64_t calls;
	int number;
	char *text;

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	assert_int_equal(process_stat_read(pid, &stat), -ESRCH);
	assert_int_equal(process_exe(pid, &text), -ESRCH);
	assert_int_equal(process_cmdline(pid, &text), -ESRCH);
	assert_int_equal(process_status_read(pid, &status), -ESRCH);
	assert_int_equal(process_io_calls(pid, &calls), -ESRCH);
	assert_int_equal(process_namespace_pid(pid, &number), -ESRCH);
	assert_int_equal(process_container(pid, &text), -ESRCH);
	assert_int_equal(process_open_file(pid, "/etc/passwd"), -ESRCH);
	assert_int_equal(process_open_mapped(pid, 0x1000, 0x2000), -ESRCH);
	assert_int_equal(process_read_memory(pid, 0x1000, &number, 4), -ESRCH);
}

static void links_texts_and_status_are_read(void **state)
{
	char *text, target[4096] = {0};
	struct process_status status;
	int number;

	(void)state;
	assert_true(readlink("/proc/self/exe", target, sizeof(target) - 1) > 0);
	assert_int_equal(process_exe(getpid(), &text), 0);
	assert_string_equal(text, target);
	free(text);
	assert_int_equal(process_cmdline(getpid(), &text), 0);
	assert_non_null(strstr(text, "test_proc_process"));
	free(text);
	assert_int_equal(process_status_read(getpid(), &status), 0);
	assert_int_equal(status.uid, getuid());
	assert_int_equal(status.tracer_pid, 0);
	assert_int_equal(process_namespace_pid(getpid(), &number), 0);
	assert_int_equal(number, getpid());
	assert_int_equal(process_container(getpid(), &text), 0);
	free(text);
}

static void zombie_has_a_stat_and_an_empty_command_line(void **state)
{
	struct process_stat stat;
	pid_t pid = fork();
	siginfo_t info;
	char *text;

	(void)state;
	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	assert_int_equal(process_stat_read(pid, &stat), 0);
	assert_int_equal(stat.state, 'Z');
	assert_int_equal(process_cmdline(pid, &text), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(process_exe(pid, &text), -ENOENT);
	waitpid(pid, NULL, 0);
}

static void pid_inside_a_namespace_is_its_own(void **state)
{
	pid_t pid, child = 0;
	int *pids, number, fds[2], status;
	size_t count;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		if (unshare(CLONE_NEWPID) != 0)
			_exit(7);
		child = fork();
		if (child != 0)
			waitpid(child, NULL, 0);
		else
			(void)!read(fds[0], &(char){0}, 1);
		_exit(0);
	}
	close(fds[0]);
	for (count = 0; count == 0 && waitpid(pid, &status, WNOHANG) == 0; sched_yield()) {
		assert_int_equal(process_children(pid, &pids, &count), 0);
		child = count ? pids[0] : 0;
		free(pids);
	}
	if (count == 0) {
		close(fds[1]);
		skip_because("no right to make a pid namespace");
	}
	assert_int_equal(process_namespace_pid(child, &number), 0);
	assert_int_equal(number, 1);
	close(fds[1]);
	waitpid(pid, NULL, 0);
}

static void only_regular_files_are_opened(void **state)
{
	char directory[] = "/tmp/holdfast-proc-XXXXXX", name[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(name, sizeof(name), "%s/fifo", directory);
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_int_equal(process_open_file(getpid(), name), -EINVAL);
	unlink(name);
	assert_int_equal(process_open_file(getpid(), "/dev/null"), -EINVAL);
	assert_int_equal(process_open_file(getpid(), "/tmp"), -EINVAL);
	assert_int_equal(process_open_file(getpid(), "/nonexistent/file"), -ENOENT);
	snprintf(name, sizeof(name), "%s/link", directory);
	assert_int_equal(symlink("/proc/self/exe", name), 0);
	assert_int_equal(process_open_file(getpid(), name), -ELOOP);
	unlink(name);
	fd = process_open_file(getpid(), "/etc/passwd");
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	rmdir(directory);
}

/* A child in a root of its own, with a link in it that points to the outside by its absolute path. */
static void links_do_not_leave_the_targets_root(void **state)
{
	char directory[] = "/tmp/holdfast-root-XXXXXX", name[64], text[8] = {0};
	int ready[2], done[2], fd, status;
	char answer = 'n';
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(name, sizeof(name), "%s/hosts", directory);
	fd = open(name, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "inside", 6), 6);
	close(fd);
	snprintf(name, sizeof(name), "%s/link", directory);
	assert_int_equal(symlink("../../../hosts", name), 0);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(done), 0);
	pid = fork();
	if (pid == 0) {
		answer = chroot(directory) == 0 && chdir("/") == 0 ? 'y' : 'n';
		(void)!write(ready[1], &answer, 1);
		close(done[1]);
		(void)!read(done[0], &answer, 1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &answer, 1), 1);
	fd = answer == 'y' ? process_open_file(pid, "/link") : -1;
	if (fd >= 0)
		assert_int_equal(read(fd, text, 6), 6);
	close(fd);
	close(done[1]);
	waitpid(pid, &status, 0);
	close(done[0]);
	close(ready[0]);
	close(ready[1]);
	unlink(name);
	snprintf(name, sizeof(name), "%s/hosts", directory);
	unlink(name);
	rmdir(directory);
	if (answer != 'y')
		skip_because("no right to chroot");
	assert_string_equal(text, "inside");
}

static void mapped_file_is_opened_after_it_was_deleted(void **state)
{
	char path[] = "/tmp/holdfast-mapped-XXXXXX", text[5] = {0};
	int file = mkstemp(path), fd;
	size_t page = (size_t)getpagesize();
	uintptr_t start;

	(void)state;
	assert_int_equal(write(file, "text", 4), 4);
	start = (uintptr_t)mmap(NULL, page, PROT_READ, MAP_PRIVATE, file, 0);
	close(file);
	unlink(path);
	fd = process_open_mapped(getpid(), start, start + page);
	if (fd == -EACCES) {
		munmap((void *)start, page);
		skip_because("no right to map_files");
	}
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, 4), 4);
	assert_string_equal(text, "text");
	close(fd);
	assert_int_equal(process_open_mapped(getpid(), start, start + 2 * page), -ENOENT);
	munmap((void *)start, page);
}

static void memory_is_read_wholly_or_not_at_all(void **state)
{
	size_t page = (size_t)getpagesize();
	char *pages =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char copy[8];

	(void)state;
	munmap(pages + page, page);
	memcpy(pages + page - 8, "at end!", 8);
	assert_int_equal(process_read_memory(getpid(), (uintptr_t)pages + page - 8, copy, 8), 0);
	assert_string_equal(copy, "at end!");
	assert_int_equal(process_read_memory(getpid(), (uintptr_t)pages + page - 4, copy, 8),
			 -EFAULT);
	assert_int_equal(process_read_memory(getpid(), 0, copy, 8), -EFAULT);
	assert_int_equal(process_read_memory(getpid(), UINT64_MAX - 3, copy, 8), -EFAULT);
	assert_int_equal(process_read_memory(getpid(), 0, copy, 0), 0);
	munmap(pages, page);
}

static void system_calls_that_read_and_write_are_counted(void **state)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint64_t before, after;

	(void)state;
	assert_int_equal(process_io_calls(getpid(), &before), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(process_io_calls(getpid(), &after), 0);
	assert_in_range(after - before, 100, 110);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroup_is_that_of_the_unified_hierarchy_or_of_systemd),
		cmocka_unit_test(stat_fields_are_counted_from_the_last_parenthesis),
		cmocka_unit_test(comm_may_look_like_the_rest_of_the_line),
		cmocka_unit_test(long_comm_is_cut),
		cmocka_unit_test(malformed_stat_is_refused),
		cmocka_unit_test(containers_are_known_by_their_cgroup),
		cmocka_unit_test(own_stat_tells_name_threads_and_parent),
		cmocka_unit_test(start_is_before_now_and_after_the_parents),
		cmocka_unit_test(key_of_another_start_is_another_process),
		cmocka_unit_test(children_are_listed_and_gone_when_reaped),
		cmocka_unit_test(gone_process_is_gone_for_every_reader),
		cmocka_unit_test(links_texts_and_status_are_read),
		cmocka_unit_test(zombie_has_a_stat_and_an_empty_command_line),
		cmocka_unit_test(pid_inside_a_namespace_is_its_own),
		cmocka_unit_test(only_regular_files_are_opened),
		cmocka_unit_test(links_do_not_leave_the_targets_root),
		cmocka_unit_test(mapped_file_is_opened_after_it_was_deleted),
		cmocka_unit_test(memory_is_read_wholly_or_not_at_all),
		cmocka_unit_test(system_calls_that_read_and_write_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
