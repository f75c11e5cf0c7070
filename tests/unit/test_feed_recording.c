/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the writer writes the reader reads, in order; and what is cut off, damaged or no recording. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/feed/record_reader.h"
#include "capture/feed/record_writer.h"
#include "cmocka_all.h"

#define EVENTS 50000 /* more than one block of them */

struct seen {
	uint64_t events, last_ns;
	char blocks[16]; /* kinds in order, as digits; events between them are not in here */
	size_t count;
	int answer; /* of the block handler */
};

static char folder[] = "/tmp/hf-recording-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/a.hfrec", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static int see_event(void *user, const struct hf_event *event)
{
	struct seen *seen = user;

	assert_true(event->time_ns > seen->last_ns);
	seen->last_ns = event->time_ns;
	seen->events++;
	return 0;
}

static int see_block(void *user, uint32_t kind, const void *bytes, size_t size)
{
	struct seen *seen = user;

	(void)bytes;
	(void)size;
	assert_true(seen->count < sizeof(seen->blocks) - 1);
	seen->blocks[seen->count++] = (char)('0' + kind);
	return seen->answer;
}

static int read_back(struct seen *seen, struct record_result *ret)
{
	struct record_handler handler = {{see_event, seen}, see_block, seen};
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	assert_true(fd >= 0);
	err = record_read(fd, &handler, ret);
	close(fd);
	return err;
}

static void put_event(struct record_writer *writer, uint64_t time_ns)
{
	struct hf_event_free event = {
		.h = {.kind = HF_EVENT_FREE, .size_bytes = sizeof(event), .time_ns = time_ns},
		.address = 0x1000,
	};

	assert_int_equal(record_writer_event(writer, &event.h), 0);
}

/* One event waits for the file, then META, names, many events, and the end unless it is @killed. */
static void write_recording(bool killed)
{
	struct record_writer *writer;

	assert_int_equal(record_writer_new(&writer), 0);
	put_event(writer, 1);
	assert_int_equal(record_writer_open(writer, path, "{}", 2), 0);
	assert_int_equal(record_writer_block(writer, HF_RECORD_NAMES, "x", 1), 0);
	for (uint64_t i = 2; i <= EVENTS; i++)
		put_event(writer, i);
	assert_int_equal(record_writer_block(writer, HF_RECORD_MAPS, "12345678", 8), 0);
	assert_true(record_writer_bytes(writer) > 0);
	if (!killed)
		assert_int_equal(record_writer_close(writer), 0);
	record_writer_free(writer);
}

static void everything_comes_back_in_order(void **state)
{
	struct seen seen = {0};
	struct record_result result;
	struct stat status;

	(void)state;
	write_recording(false);
	assert_int_equal(read_back(&seen, &result), 0);
	assert_int_equal(result.end, RECORD_WHOLE);
	assert_int_equal(seen.events, EVENTS);
	assert_string_equal(seen.blocks, "2450");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_writer_that_was_killed_leaves_what_it_wrote(void **state)
{
	struct seen seen = {0};
	struct record_result result;

	(void)state;
	write_recording(true);
	assert_int_equal(read_back(&seen, &result), 0);
	assert_int_equal(result.end, RECORD_CUT_OFF);
	assert_int_equal(seen.events, EVENTS);
	assert_string_equal(seen.blocks, "245");
}

static void a_cut_loses_only_what_is_behind_the_last_whole_block(void **state)
{
	struct record_result result;
	struct seen seen = {0};
	struct stat status;

	(void)state;
	write_recording(false);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(truncate(path, status.st_size - 40), 0);
	assert_int_equal(read_back(&seen, &result), 0);
	assert_int_equal(result.end, RECORD_CUT_OFF);
	assert_string_equal(seen.blocks, "24");
	assert_int_equal(seen.events, EVENTS);
	assert_true(result.read_bytes < (uint64_t)status.st_size - 40);
}

static void one_wrong_bit_is_damage_and_nothing_behind_it_is_believed(void **state)
{
	struct record_result result;
	struct seen seen = {0};
	struct stat status;
	unsigned char byte;
	int fd;

	(void)state;
	write_recording(false);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(pread(fd, &byte, 1, status.st_size / 2), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, status.st_size / 2), 1);
	close(fd);
	assert_int_equal(read_back(&seen, &result), 0);
	assert_int_equal(result.end, RECORD_DAMAGED);
	assert_string_equal(seen.blocks, "24");
	assert_true(seen.events < EVENTS);
}

static void a_block_that_makes_no_sense_is_damage_and_other_failures_are_passed_on(void **state)
{
	struct seen no_sense = {.answer = -EILSEQ}, no_memory = {.answer = -ENOMEM};
	struct record_result result;

	(void)state;
	write_recording(false);
	assert_int_equal(read_back(&no_sense, &result), 0);
	assert_int_equal(result.end, RECORD_DAMAGED);
	assert_string_equal(no_sense.blocks, "2");
	assert_int_equal(read_back(&no_memory, &result), -ENOMEM);
}

static void other_files_and_versions_are_refused(void **state)
{
	const uint32_t version = HF_RECORD_VERSION + 1;
	struct record_result result;
	struct seen seen = {0};
	int fd;

	(void)state;
	write_recording(false);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &version, 4, 8), 4);
	assert_int_equal(read_back(&seen, &result), -ENOTSUP);
	assert_int_equal(pwrite(fd, "PK", 2, 0), 2);
	assert_int_equal(read_back(&seen, &result), -EBADMSG);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(read_back(&seen, &result), -EBADMSG);
	close(fd);
	assert_int_equal(seen.count, 0);
}

static void links_and_what_is_no_file_are_not_written_to(void **state)
{
	struct record_writer *writer;

	(void)state;
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(record_writer_new(&writer), 0);
	assert_int_equal(record_writer_open(writer, path, "{}", 2), -ELOOP);
	record_writer_free(writer);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(record_writer_new(&writer), 0);
	assert_int_equal(record_writer_open(writer, path, "{}", 2), -EEXIST);
	record_writer_free(writer);
}

static void the_first_failure_stays(void **state)
{
	static char big[HF_RECORD_BLOCK_MAX + 1];
	struct record_writer *writer;

	(void)state;
	unlink(path);
	assert_int_equal(record_writer_new(&writer), 0);
	assert_int_equal(record_writer_block(writer, HF_RECORD_MAPS, big, sizeof(big)), -E2BIG);
	put_event(writer, 1); /* which ended nothing */
	assert_int_equal(record_writer_open(writer, "/nonexistent/a", "{}", 2), -ENOENT);
	assert_int_equal(record_writer_block(writer, HF_RECORD_MAPS, "", 0), -ENOENT);
	assert_int_equal(record_writer_close(writer), -ENOENT);
	record_writer_free(writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_back_in_order),
		cmocka_unit_test(a_writer_that_was_killed_leaves_what_it_wrote),
		cmocka_unit_test(a_cut_loses_only_what_is_behind_the_last_whole_block),
		cmocka_unit_test(one_wrong_bit_is_damage_and_nothing_behind_it_is_believed),
		cmocka_unit_test(
			a_block_that_makes_no_sense_is_damage_and_other_failures_are_passed_on),
		cmocka_unit_test(other_files_and_versions_are_refused),
		cmocka_unit_test(links_and_what_is_no_file_are_not_written_to),
		cmocka_unit_test(the_first_failure_stays),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
