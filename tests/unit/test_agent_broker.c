/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/broker/broker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "process/python/collector.h"
#include "process/python/object_layout.h"

struct allowed {
	int allowed_pid, next_pid, reloads;
};

static int match(void *user, int pid)
{
	const struct allowed *rules = user;

	return pid == rules->allowed_pid ? 7 : -ENOENT;
}

static const struct rules *parts(void *user)
{
	static const struct rules none;

	(void)user;
	return &none;
}

/* Runs in the broker: what it changes there, nobody here sees. */
static int reload(void *user)
{
	struct allowed *rules = user;

	rules->next_pid = 0;
	return rules->reloads++ ? -EINVAL : 0;
}

/* 7 is a file, 8 there is none of, all else is not the agent's. */
static int open_file(void *user, uint32_t which)
{
	(void)user;
	if (which == 7)
		return open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	return which == 8 ? -ENOENT : -EACCES;
}

static void adopt(void *user)
{
	struct allowed *rules = user;

	rules->allowed_pid = rules->next_pid;
}

static struct broker *start(struct allowed *rules)
{
	const struct broker_options options = {
		.match = match,
		.rules = parts,
		.reload = reload,
		.adopt = adopt,
		.open_file = open_file,
		.user = rules,
	};
	struct broker *broker;

	assert_int_equal(broker_new(&options, &broker, NULL), 0);
	return broker;
}

static void opens_what_may_be_watched_and_nothing_else(void **state)
{
	struct allowed rules = {.allowed_pid = getpid()};
	struct broker *broker = start(&rules);
	struct process_handle handle = PROCESS_HANDLE_INIT;
	struct process_memory memory;
	char *exe;
	int rule = -1;

	(void)state;
	assert_int_equal(broker_open(broker, getpid(), &handle, &exe, &rule), 0);
	assert_non_null(strstr(exe, "test_agent_broker"));
	assert_int_equal(handle.key.pid, getpid());
	assert_int_equal(rule, 7);
	assert_int_equal(process_handle_memory(&handle, false, &memory), 0);
	assert_true(memory.rss_bytes > 0);
	free(exe);
	process_handle_done(&handle);
	assert_int_equal(broker_open(broker, getppid(), &handle, &exe, &rule), -EPERM);
	assert_int_equal(broker_open(broker, 0x7ffffff0, &handle, &exe, &rule), -ESRCH);
	assert_int_equal(broker_open(broker, -1, &handle, &exe, &rule), -ESRCH);
	broker_free(broker);
}

static void rules_hold_once_they_are_adopted_and_a_failed_reload_is_told(void **state)
{
	struct allowed rules = {.allowed_pid = getpid()};
	struct broker *broker = start(&rules);
	struct process_handle handle = PROCESS_HANDLE_INIT;
	char *exe;
	int rule = -1;

	(void)state;
	assert_int_equal(broker_adopt(broker), -EINVAL);
	assert_int_equal(broker_reload(broker), 0);
	assert_int_equal(broker_open(broker, getpid(), &handle, &exe, &rule), 0);
	free(exe);
	process_handle_done(&handle);
	assert_int_equal(broker_adopt(broker), 0);
	assert_int_equal(broker_open(broker, getpid(), &handle, &exe, &rule), -EPERM);
	assert_int_equal(broker_reload(broker), -EINVAL);
	assert_int_equal(broker_adopt(broker), -EINVAL);
	assert_int_equal(rules.allowed_pid, getpid());
	broker_free(broker);
}

static void files_come_as_descriptors_of_the_brokers_opening(void **state)
{
	struct allowed rules = {0};
	struct broker *broker = start(&rules);
	char text[32], wanted[32];
	int fd = -1;

	(void)state;
	assert_int_equal(broker_open_file(broker, 7, &fd), 0);
	assert_true(read(fd, text, sizeof(text)) > 0);
	snprintf(wanted, sizeof(wanted), "%d (", broker_pid(broker));
	assert_memory_equal(text, wanted, strlen(wanted));
	close(fd);
	assert_int_equal(broker_open_file(broker, 8, &fd), -ENOENT);
	assert_int_equal(broker_open_file(broker, 9, &fd), -EACCES);
	/* It goes on. */
	assert_int_equal(broker_open_file(broker, 7, &fd), 0);
	close(fd);
	broker_free(broker);
}

static void broker_is_confined_before_it_is_there(void **state)
{
	struct allowed rules = {0};
	struct broker *broker = start(&rules);
	char path[64], text[4096];
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/status", broker_pid(broker));
	file = fopen(path, "re");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_non_null(strstr(text, "NoNewPrivs:\t1\n"));
	assert_non_null(strstr(text, "Seccomp:\t2\n"));
	broker_free(broker);
}

static void job_starts_only_on_what_may_be_watched(void **state)
{
	struct allowed rules = {.allowed_pid = getpid()};
	struct broker *broker = start(&rules);
	struct process_stat stat;
	struct job_request request = {.kind = JOB_COLLECT};
	pid_t job;
	int fd;

	(void)state;
	assert_int_equal(process_stat_read(getppid(), &stat), 0);
	request.key = stat.key;
	assert_int_equal(broker_start(broker, &request, &job, &fd), -EPERM);
	assert_int_equal(process_stat_read(getpid(), &stat), 0);
	request.key = stat.key;
	request.key.start_ticks++;
	assert_int_equal(broker_start(broker, &request, &job, &fd), -ESRCH);
	request.key = stat.key;
	request.kind = 99;
	assert_int_equal(broker_start(broker, &request, &job, &fd), -EINVAL);
	broker_free(broker);
}

/* Messages of a job, as they come. */
struct heard {
	int count;
	uint32_t last;
};

static int hear(void *user, uint32_t kind, const void *bytes, size_t size)
{
	struct heard *heard = user;

	(void)bytes;
	(void)size;
	heard->count++;
	heard->last = kind;
	return 0;
}

static void job_says_what_it_could_not_do_and_ends(void **state)
{
	struct allowed rules = {.allowed_pid = getpid()};
	struct broker *broker = start(&rules);
	struct process_stat stat;
	struct job_request request = {.kind = JOB_COLLECT, .wait_ns = 1, .memory_bytes = 1 << 24};
	struct job_channel channel;
	struct heard heard = {0};
	pid_t job;
	int fd, err = 0;

	(void)state;
	assert_int_equal(process_stat_read(getpid(), &stat), 0);
	request.key = stat.key;
	/* This is no Python. */
	assert_int_equal(broker_start(broker, &request, &job, &fd), 0);
	job_channel_init(&channel, fd);
	while (!err) {
		struct pollfd polled = {.fd = fd, .events = POLLIN};

		assert_true(poll(&polled, 1, 20000) > 0);
		err = job_channel_read(&channel, hear, &heard);
	}
	assert_int_equal(err, -EPIPE);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.last, JOB_ERROR);
	job_channel_done(&channel);
	broker_free(broker);
}

static void ends_with_its_owner_whatever_becomes_of_that(void **state)
{
	pid_t owner = fork(), broker_id;
	int pipes[2];

	(void)state;
	if (owner == 0)
		_exit(0);
	waitpid(owner, NULL, 0);
	assert_int_equal(pipe(pipes), 0);
	owner = fork();
	if (owner == 0) {
		struct allowed rules = {.allowed_pid = 1};
		struct broker *broker = start(&rules);
		pid_t pid = broker_pid(broker);

		if (write(pipes[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipes[0], &broker_id, sizeof(broker_id)), sizeof(broker_id));
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
	/* It is a child of init now, or of a reaper that may leave it a zombie. */
	for (int i = 0; i < 500; i++) {
		struct process_stat stat;

		if (process_stat_read(broker_id, &stat) || stat.state == 'Z')
			return;
		usleep(10000);
	}
	fail_msg("the broker lives on");
}

/* As an interpreter has it: enabled, not collecting, so many collections of each generation. */
static void make_collector(uint8_t *gc, uint64_t count)
{
	const uint32_t enabled = 1;

	memset(gc, 0, PYTHON_GC_BYTES);
	memcpy(gc + PYTHON_GC_ENABLED, &enabled, sizeof(enabled));
	for (int i = 0; i < 3; i++)
		memcpy(gc + PYTHON_GC_STATS + 24 * i, &count, sizeof(count));
}

static size_t own_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void collections_are_read_of_what_may_be_watched_and_no_descriptor_comes(void **state)
{
	static uint8_t gc[PYTHON_GC_BYTES];
	struct allowed rules = {.allowed_pid = getpid(), .next_pid = 1};
	struct broker *broker = start(&rules);
	struct broker_places places = {.count = 4};
	uint64_t counts[BROKER_PLACES_MAX];
	struct process_stat stat, other;
	size_t before = own_descriptors();

	(void)state;
	make_collector(gc, 7);
	assert_int_equal(process_stat_read(getpid(), &stat), 0);
	assert_int_equal(process_stat_read(getppid(), &other), 0);
	places.items[0] = (struct broker_place){stat.key, (uintptr_t)gc};
	places.items[1] = (struct broker_place){other.key, (uintptr_t)gc};
	places.items[2] = (struct broker_place){stat.key, 1};
	places.items[3] = places.items[0];
	places.items[3].key.start_ticks++;
	for (uint64_t i = 0; i < 3; i++) {
		make_collector(gc, 7 + i);
		assert_int_equal(broker_read_collectors(broker, &places, counts), 0);
		assert_int_equal(counts[0], 3 * (7 + i));
		for (size_t k = 1; k < BROKER_PLACES_MAX; k++)
			assert_true(counts[k] == BROKER_UNKNOWN);
	}
	assert_int_equal(own_descriptors(), before);
	/* More than there is room for is not believed; by other rules it may not be watched any more. */
	places.count = UINT32_MAX;
	assert_int_equal(broker_read_collectors(broker, &places, counts), 0);
	assert_int_equal(broker_reload(broker), 0);
	assert_int_equal(broker_adopt(broker), 0);
	assert_int_equal(broker_read_collectors(broker, &places, counts), 0);
	assert_true(counts[0] == BROKER_UNKNOWN);
	broker_free(broker);
}

/* Real ones are in tests/load/test_oom_kill.c and tests/e2e. */
static void process_that_was_not_killed_is_told_from_one_that_nobody_looked_at(void **state)
{
	struct allowed rules = {.allowed_pid = 1};
	struct broker *broker = start(&rules);
	struct broker_oom_kill kill;
	struct process_stat stat;
	int seen = broker_sees_oom_kills(broker);

	(void)state;
	assert_true(seen == 0 || seen == -EPERM || seen == -ENOENT || geteuid());
	assert_int_equal(process_stat_read(getpid(), &stat), 0);
	assert_int_equal(broker_oom_kill(broker, stat.key, &kill), seen ? -ENOTSUP : -ENOENT);
	broker_free(broker);
}

static void stream_of_nonsense_is_refused(void **state)
{
	const uint32_t huge[2] = {JOB_REPORT, 0xffffffff};
	struct job_channel channel;
	struct heard heard = {0};
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	job_channel_init(&channel, ends[0]);
	assert_int_equal(job_channel_read(&channel, hear, &heard), 0);
	assert_int_equal(job_send(ends[1], JOB_TICK, "abc", 3), 0);
	assert_int_equal(job_channel_read(&channel, hear, &heard), 0);
	assert_int_equal(heard.count, 1);
	assert_int_equal(write(ends[1], huge, sizeof(huge)), sizeof(huge));
	assert_int_equal(job_channel_read(&channel, hear, &heard), -EBADMSG);
	close(ends[1]);
	job_channel_done(&channel);
}

static void error_survives_the_stream_also_where_it_is_cut(void **state)
{
	struct hf_error sent = HF_ERROR_INIT, got = HF_ERROR_INIT;
	const char cut[] = "\x05\0\0\0what\0wh";

	(void)state;
	error_set(&sent, HF_E_PERM, "no");
	job_read_error(cut, sizeof(cut) - 1, &got);
	assert_string_equal(got.what.buf, "what");
	assert_string_equal(got.why.buf, "");
	job_read_error("", 0, &got);
	assert_int_equal(got.code, HF_E_INTERNAL);
	error_done(&sent);
	error_done(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_what_may_be_watched_and_nothing_else),
		cmocka_unit_test(rules_hold_once_they_are_adopted_and_a_failed_reload_is_told),
		cmocka_unit_test(files_come_as_descriptors_of_the_brokers_opening),
		cmocka_unit_test(broker_is_confined_before_it_is_there),
		cmocka_unit_test(job_starts_only_on_what_may_be_watched),
		cmocka_unit_test(job_says_what_it_could_not_do_and_ends),
		cmocka_unit_test(ends_with_its_owner_whatever_becomes_of_that),
		cmocka_unit_test(
			collections_are_read_of_what_may_be_watched_and_no_descriptor_comes),
		cmocka_unit_test(
			process_that_was_not_killed_is_told_from_one_that_nobody_looked_at),
		cmocka_unit_test(stream_of_nonsense_is_refused),
		cmocka_unit_test(error_survives_the_stream_also_where_it_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
