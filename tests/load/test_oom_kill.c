// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's kills for memory, real ones, in a memory cgroup of the test's own. What this cannot find: a kill for the whole machine's
 * memory, which goes through the same tracepoint, and kernels before 6.9, which tell a pid only ("make kernel-matrix" boots one).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <holdfast/oom.h>

#include "base/clock.h"
#include "capture/probe/oom.h"
#include "cmocka_all.h"

#define LIMIT_BYTES (8u << 20)

struct group {
	char path[256];
	bool unified;
};

static bool write_file(const char *folder, const char *name, const char *text)
{
	char path[300];
	int fd;
	bool done;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return done;
}

/* A new one below the first hierarchy that has the controller. False: there is none. */
static bool make_group(struct group *group)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;
	char limit[32];
	bool made = false;

	snprintf(limit, sizeof(limit), "%u", LIMIT_BYTES);
	while (mounts && !made && (entry = getmntent(mounts))) {
		group->unified = !strcmp(entry->mnt_type, "cgroup2");
		if (!group->unified &&
		    (strcmp(entry->mnt_type, "cgroup") != 0 || !hasmntopt(entry, "memory")))
			continue;
		if (group->unified)
			write_file(entry->mnt_dir, "cgroup.subtree_control", "+memory");
		snprintf(group->path, sizeof(group->path), "%s/holdfast-test-%d", entry->mnt_dir,
			 getpid());
		if (mkdir(group->path, 0700) < 0)
			continue;
		made = write_file(group->path,
				  group->unified ? "memory.max" : "memory.limit_in_bytes", limit);
		if (!made)
			rmdir(group->path);
	}
	if (mounts)
		endmntent(mounts);
	return made;
}

static void remove_group(const struct group *group)
{
	for (int i = 0; i < 100 && rmdir(group->path) < 0 && errno == EBUSY; i++)
		usleep(10000);
}

/* Touches @bytes when it is told to, and then waits. */
static pid_t start(const struct group *group, size_t bytes, int *ret_go)
{
	int pipes[2], said[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!write_file(group->path, "cgroup.procs", "0") || write(said[1], "x", 1) != 1 ||
		    read(pipes[0], &c, 1) != 1)
			_exit(1);
		memset(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0),
		       1, bytes);
		for (;;)
			pause();
	}
	assert_int_equal(read(said[0], &c, 1), 1);
	close(said[0]);
	close(said[1]);
	close(pipes[0]);
	*ret_go = pipes[1];
	return pid;
}

static void tell_to_go(int go)
{
	assert_int_equal(write(go, "x", 1), 1);
	close(go);
}

/* Its key; its wait status is SIGKILL's. */
static struct process_key killed(const struct group *group)
{
	struct process_stat stat;
	int go, status;
	pid_t pid = start(group, 4 * (size_t)LIMIT_BYTES, &go);

	assert_int_equal(process_stat_read(pid, &stat), 0);
	tell_to_go(go);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return stat.key;
}

struct fixture {
	struct group group;
	struct oom_watch *watch;
};

static int begin(void **state)
{
	static struct fixture fixture;
	struct hf_error error = HF_ERROR_INIT;

	*state = NULL;
	if (!make_group(&fixture.group))
		return 0;
	*state = &fixture;
	if (oom_watch_new(&fixture.watch, &error)) {
		print_error("%s: %s\n", error.what.buf, error.why.buf);
		remove_group(&fixture.group);
		return -1;
	}
	return 0;
}

static int finish(void **state)
{
	struct fixture *fixture = *state;

	if (!fixture)
		return 0;
	oom_watch_free(fixture->watch);
	remove_group(&fixture->group);
	return 0;
}

static struct fixture *fixture_of(void **state)
{
	if (!*state) {
		print_message("skip: no memory cgroup can be made here\n");
		skip();
	}
	return *state;
}

static void who_was_chosen_is_known_when_it_is_gone(void **state)
{
	struct fixture *fixture = fixture_of(state);
	uint64_t before_ns = clock_now_ns();
	struct process_key key = killed(&fixture->group), other = key;
	struct oom_kill kill;

	assert_int_equal(oom_watch_find(fixture->watch, key, &kill), 0);
	assert_true(kill.time_ns >= before_ns && kill.time_ns <= clock_now_ns());
	/* What it holds in pages, the kernel's own excluded; and what it mapped of files. */
	if (kill.rss_bytes) {
		assert_true(kill.rss_bytes >= LIMIT_BYTES / 2);
		assert_true(kill.rss_bytes < 4 * (uint64_t)LIMIT_BYTES);
	}
	other.pid++;
	assert_int_equal(oom_watch_find(fixture->watch, other, &kill), -ENOENT);
}

static void later_process_with_its_pid_was_not_killed(void **state)
{
	struct fixture *fixture = fixture_of(state);
	struct process_key key = killed(&fixture->group);
	struct oom_kill kill;

	key.start_ticks++;
	if (!oom_watch_find(fixture->watch, key, &kill) && !kill.rss_bytes) {
		print_message("skip: this kernel tells a pid only\n");
		skip();
	}
	assert_int_equal(oom_watch_find(fixture->watch, key, &kill), -ENOENT);
}

static void other_ends_are_none_of_the_kernels(void **state)
{
	struct fixture *fixture = fixture_of(state);
	struct process_stat stat;
	struct oom_kill found;
	int go;
	pid_t pid = start(&fixture->group, 4096, &go);

	assert_int_equal(process_stat_read(pid, &stat), 0);
	tell_to_go(go);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(oom_watch_find(fixture->watch, stat.key, &found), -ENOENT);
}

static void newest_kills_are_kept_and_no_more(void **state)
{
	struct fixture *fixture = fixture_of(state);
	struct process_key first = killed(&fixture->group), second = killed(&fixture->group), last;
	struct oom_kill kill;

	for (int i = 0; i < HF_OOM_KILLS - 1; i++)
		last = killed(&fixture->group);
	assert_int_equal(oom_watch_find(fixture->watch, first, &kill), -ENOENT);
	assert_int_equal(oom_watch_find(fixture->watch, second, &kill), 0);
	assert_int_equal(oom_watch_find(fixture->watch, last, &kill), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_was_chosen_is_known_when_it_is_gone),
		cmocka_unit_test(later_process_with_its_pid_was_not_killed),
		cmocka_unit_test(other_ends_are_none_of_the_kernels),
		cmocka_unit_test(newest_kills_are_kept_and_no_more),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
