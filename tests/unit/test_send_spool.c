/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The spool: what is kept, in which order, and what is left of it after kill -9 and damage. */
#include "agent/send/spool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/log.h"
#include "cmocka_all.h"

static const struct spool_limits wide = {1 << 20, 3600 * NS_PER_S};

static void make_folder(char path[64])
{
	snprintf(path, 64, "/tmp/hf-spool-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static void remove_folder(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

static struct spool *open_spool(const char *path, const struct spool_limits *limits)
{
	struct spool *spool = NULL;

	assert_int_equal(spool_open(path, limits, &spool), 0);
	return spool;
}

static void add_text(struct spool *spool, const char *text, uint64_t made_ns)
{
	const struct spool_batch batch = {
		.table = 1, .rows = 7, .made_ns = made_ns, .body = text, .size = strlen(text)};

	assert_int_equal(spool_add(spool, &batch), 0);
}

/* The first one's text, which then goes; "" if there is none. */
static void take_text(struct spool *spool, char text[64])
{
	struct spool_loaded loaded = {0};

	text[0] = '\0';
	if (spool_first(spool, &loaded) != 1)
		return;
	snprintf(text, 64, "%.*s", (int)loaded.batch.size, (const char *)loaded.batch.body);
	assert_int_equal(loaded.batch.table, 1);
	assert_int_equal(loaded.batch.rows, 7);
	assert_true(spool_remove(spool, loaded.number));
	free(loaded.memory);
}

static void batches_come_back_in_order_also_in_another_life(void **state)
{
	struct spool *spool;
	char path[64], text[64];

	(void)state;
	make_folder(path);
	spool = open_spool(path, &wide);
	add_text(spool, "one", 1);
	add_text(spool, "two", 2);
	add_text(spool, "", 3);
	take_text(spool, text);
	assert_string_equal(text, "one");
	spool_close(spool);
	spool = open_spool(path, &wide);
	assert_int_equal(spool_count(spool), 2);
	assert_int_equal(spool_bytes(spool), 2 * 40 + 3);
	add_text(spool, "four", 4);
	take_text(spool, text);
	assert_string_equal(text, "two");
	take_text(spool, text);
	assert_string_equal(text, "");
	take_text(spool, text);
	assert_string_equal(text, "four");
	assert_int_equal(spool_count(spool), 0);
	assert_int_equal(spool_bytes(spool), 0);
	assert_int_equal(spool_take_lost(spool), 0);
	spool_close(spool);
	remove_folder(path);
}

static void a_number_does_not_come_back(void **state)
{
	struct spool_loaded first = {0}, second = {0};
	struct spool *spool;
	char path[64], text[64];

	(void)state;
	make_folder(path);
	spool = open_spool(path, &wide);
	add_text(spool, "one", 1);
	assert_int_equal(spool_first(spool, &first), 1);
	take_text(spool, text);
	assert_false(spool_remove(spool, first.number));
	spool_close(spool);
	spool = open_spool(path, &wide);
	add_text(spool, "two", 2);
	assert_int_equal(spool_first(spool, &second), 1);
	assert_true(second.number > first.number);
	assert_false(spool_remove(spool, first.number));
	assert_int_equal(spool_count(spool), 1);
	free(first.memory);
	free(second.memory);
	spool_close(spool);
	remove_folder(path);
}

static void the_oldest_make_room(void **state)
{
	const struct spool_limits small = {3 * 44, 10};
	struct spool_loaded out = {0};
	struct spool *spool;
	char path[64], text[64];

	(void)state;
	make_folder(path);
	spool = open_spool(path, &small);
	add_text(spool, "aaaa", 1);
	assert_int_equal(spool_first(spool, &out), 1);
	add_text(spool, "bbbb", 2);
	add_text(spool, "cccc", 3);
	add_text(spool, "dddd", 4); /* too many bytes: a goes, though it is being sent */
	assert_int_equal(spool_take_lost(spool), 1);
	assert_memory_equal(out.batch.body, "aaaa", 4);
	assert_false(spool_remove(spool, out.number));
	free(out.memory);
	add_text(spool, "eeee", 13); /* b is 11 older */
	assert_int_equal(spool_take_lost(spool), 1);
	add_text(spool, "ffff", 1000); /* all are */
	assert_int_equal(spool_take_lost(spool), 3);
	assert_int_equal(spool_take_lost(spool), 0);
	take_text(spool, text);
	assert_string_equal(text, "ffff");
	spool_close(spool);
	remove_folder(path);
}

static void one_agent_at_a_time_has_it_and_only_a_folder_will_do(void **state)
{
	struct spool *spool, *other = NULL;
	char path[64], below[96];

	(void)state;
	make_folder(path);
	snprintf(below, sizeof(below), "%s/spool", path);
	spool = open_spool(below, &wide);
	assert_int_equal(spool_open(below, &wide, &other), -EBUSY);
	spool_close(spool);
	snprintf(below, sizeof(below), "%s/none/spool", path);
	assert_int_equal(spool_open(below, &wide, &other), -ENOENT);
	snprintf(below, sizeof(below), "%s/link", path);
	assert_int_equal(symlink("spool", below), 0);
	assert_int_equal(spool_open(below, &wide, &other), -ENOTDIR);
	assert_null(other);
	remove_folder(path);
}

/* The path of the only batch there is. */
static void only_batch(const char *path, char file[128])
{
	char command[160];
	FILE *list;

	snprintf(command, sizeof(command), "ls %s/*.batch", path);
	list = popen(command, "r");
	assert_non_null(list);
	assert_non_null(fgets(file, 128, list));
	file[strcspn(file, "\n")] = '\0';
	pclose(list);
}

static void a_file_cut_or_changed_at_any_byte_is_found_and_costs_only_itself(void **state)
{
	char path[64], file[128], text[64], *whole, *damaged;
	struct spool *spool;
	size_t size;

	(void)state;
	make_folder(path);
	spool = open_spool(path, &wide);
	add_text(spool, "the first batch", 1);
	spool_close(spool);
	only_batch(path, file);
	assert_int_equal(file_read(file, 4096, &whole, &size), 0);
	damaged = malloc(size);
	for (size_t i = 0; i < 2 * size; i++) {
		memcpy(damaged, whole, size);
		damaged[i % size] ^= 0x10;
		assert_int_equal(file_write(file, damaged, i < size ? i : size), 0);
		spool = open_spool(path, &wide);
		add_text(spool, "another", 2);
		take_text(spool, text);
		assert_string_equal(text, "another");
		assert_int_equal(spool_take_lost(spool), 1);
		assert_int_equal(spool_count(spool), 0);
		spool_close(spool);
	}
	free(damaged);
	free(whole);
	remove_folder(path);
}

/* A process that adds numbered batches and says of each when it is kept. */
static void add_and_tell(const char *path, int to)
{
	struct spool *spool = NULL;
	char text[16];

	if (spool_open(path, &wide, &spool))
		_exit(1);
	for (int i = 0;; i++) {
		struct spool_batch batch = {.table = 1, .rows = 7, .made_ns = (uint64_t)i + 1};

		snprintf(text, sizeof(text), "%d", i);
		batch.body = text;
		batch.size = strlen(text);
		if (spool_add(spool, &batch) || write(to, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
}

static void what_was_kept_survives_kill_9(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 20; round++) {
		struct spool *spool;
		char path[64], text[64];
		int fds[2], told = -1, i, next = 0, status;
		pid_t pid;

		make_folder(path);
		assert_int_equal(pipe(fds), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			add_and_tell(path, fds[1]);
		close(fds[1]);
		usleep(3000 + round * 977);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		while (read(fds[0], &i, sizeof(i)) == sizeof(i))
			told = i;
		close(fds[0]);
		spool = open_spool(path, &wide);
		for (;; next++) {
			char wanted[16];

			take_text(spool, text);
			if (!*text)
				break;
			snprintf(wanted, sizeof(wanted), "%d", next);
			assert_string_equal(text, wanted);
		}
		/* one may have been kept and not yet told */
		assert_true(next == told + 1 || next == told + 2);
		assert_int_equal(spool_take_lost(spool), 0);
		spool_close(spool);
		remove_folder(path);
	}
}

static void a_full_disk_takes_no_batch_and_keeps_the_others(void **state)
{
	const struct rlimit full = {64, RLIM_INFINITY};
	struct rlimit before;
	struct spool_batch batch = {.table = 1, .rows = 7, .made_ns = 2};
	struct spool *spool;
	char path[64], text[64];

	(void)state;
	make_folder(path);
	spool = open_spool(path, &wide);
	add_text(spool, "kept", 1);
	batch.body =
		"much more than the sixty-four bytes that a file may have now, which is enough";
	batch.size = strlen(batch.body);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	assert_int_equal(spool_add(spool, &batch), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(spool_count(spool), 1);
	take_text(spool, text);
	assert_string_equal(text, "kept");
	spool_close(spool);
	remove_folder(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_come_back_in_order_also_in_another_life),
		cmocka_unit_test(a_number_does_not_come_back),
		cmocka_unit_test(the_oldest_make_room),
		cmocka_unit_test(one_agent_at_a_time_has_it_and_only_a_folder_will_do),
		cmocka_unit_test(a_file_cut_or_changed_at_any_byte_is_found_and_costs_only_itself),
		cmocka_unit_test(what_was_kept_survives_kill_9),
		cmocka_unit_test(a_full_disk_takes_no_batch_and_keeps_the_others),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
