/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "base/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "oom.h"

/* Each test runs in an empty directory of its own. */
static int enter_directory(void **state)
{
	char *dir = strdup("/tmp/holdfast-test-XXXXXX");

	*state = dir;
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int leave_directory(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf -- '%s'", (char *)*state);
	free(*state);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static int entries(void)
{
	FILE *list = popen("ls -A | wc -l", "r");
	int count = -1;

	if (fscanf(list, "%d", &count) != 1)
		count = -1;
	pclose(list);
	return count;
}

static void a_written_file_reads_back_and_is_private(void **state)
{
	char *data = NULL;
	size_t size = 0;
	struct stat st;

	(void)state;
	umask(0);
	assert_int_equal(file_write("report", "one\0two", 7), 0);
	assert_int_equal(stat("report", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_read("report", 7, &data, &size), 0);
	assert_int_equal(size, 7);
	assert_memory_equal(data, "one\0two", 8);
	free(data);
	/* again, over the old one, with nothing left beside it */
	assert_int_equal(file_write("./report", "x", 1), 0);
	assert_int_equal(entries(), 1);
}

static void the_old_file_stays_until_the_new_one_is_complete(void **state)
{
	struct file_writer w = FILE_WRITER_INIT;
	char *data;
	size_t size;

	(void)state;
	assert_int_equal(file_write("report", "old", 3), 0);
	assert_int_equal(file_writer_open(&w, "report"), 0);
	assert_int_equal(write_full(w.fd, "half", 4), 0);
	assert_int_equal(file_read("report", 100, &data, &size), 0);
	assert_string_equal(data, "old");
	free(data);
	file_writer_abort(&w);
	assert_int_equal(entries(), 1);
	file_writer_abort(&w);
	assert_int_equal(file_writer_commit(&w), -EBADF);
}

static void a_link_is_never_followed(void **state)
{
	struct file_writer w = FILE_WRITER_INIT;
	char *data;
	size_t size;

	(void)state;
	assert_int_equal(file_write("victim", "precious", 8), 0);
	assert_int_equal(symlink("victim", "report"), 0);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(file_writer_open(&w, "report"), -ELOOP);
	assert_int_equal(file_writer_open(&w, "dangling"), -ELOOP);
	assert_int_equal(w.fd, -1);
	assert_int_equal(access("nowhere", F_OK), -1);
	/* a link that appears in between is replaced, not followed */
	assert_int_equal(file_writer_open(&w, "late"), 0);
	assert_int_equal(symlink("victim", "late"), 0);
	assert_int_equal(write_full(w.fd, "new", 3), 0);
	assert_int_equal(file_writer_commit(&w), 0);
	assert_int_equal(file_read("victim", 100, &data, &size), 0);
	assert_string_equal(data, "precious");
	free(data);
	/* hard links keep the old content too */
	assert_int_equal(link("victim", "hard"), 0);
	assert_int_equal(file_write("hard", "new", 3), 0);
	assert_int_equal(file_read("victim", 100, &data, &size), 0);
	assert_string_equal(data, "precious");
	free(data);
}

static void devices_and_fifos_are_written_in_place(void **state)
{
	char text[8] = "";
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(file_write("/dev/null", "x", 1), 0);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(mkfifo("fifo", 0600), 0);
	fd = open("fifo", O_RDONLY | O_NONBLOCK);
	assert_int_equal(file_write("fifo", "hello", 5), 0);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	close(fd);
	assert_int_equal(entries(), 1);
}

static void places_that_cannot_be_written_say_why(void **state)
{
	(void)state;
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(file_write("dir", "x", 1), -EISDIR);
	assert_int_equal(file_write("dir/", "x", 1), -EISDIR);
	assert_int_equal(file_write("..", "x", 1), -EISDIR);
	assert_int_equal(file_write("", "x", 1), -EISDIR);
	assert_int_equal(file_write("missing/report", "x", 1), -ENOENT);
	assert_int_equal(file_write("/proc/report", "x", 1), -ENOENT);
	assert_int_equal(entries(), 1);
}

static void a_long_name_has_a_temporary_name_that_fits(void **state)
{
	char name[256];

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	assert_int_equal(file_write(name, "x", 1), 0);
	assert_int_equal(access(name, F_OK), 0);
	assert_int_equal(entries(), 1);
}

static void reading_keeps_to_its_limit(void **state)
{
	char *data = NULL;
	size_t size = 77;
	char big[20000];

	(void)state;
	memset(big, 'b', sizeof(big));
	assert_int_equal(file_write("big", big, sizeof(big)), 0);
	assert_int_equal(file_read("big", sizeof(big) - 1, &data, &size), -EFBIG);
	assert_null(data);
	assert_int_equal(size, 77);
	assert_int_equal(file_read("big", sizeof(big), &data, &size), 0);
	assert_int_equal(size, sizeof(big));
	free(data);
	assert_int_equal(file_read("/dev/zero", 100000, &data, &size), -EFBIG);
	assert_int_equal(file_read("missing", 100, &data, &size), -ENOENT);
	/* /proc tells a size of 0 */
	assert_int_equal(file_read("/proc/self/stat", 100000, &data, &size), 0);
	assert_true(size > 20);
	free(data);
	assert_int_equal(file_write("empty", "", 0), 0);
	assert_int_equal(file_read("empty", 0, &data, &size), 0);
	assert_string_equal(data, "");
	free(data);
}

static void reading_is_relative_to_a_directory_or_goes_on_from_an_offset(void **state)
{
	int dir = open("/proc/self", O_PATH | O_DIRECTORY), fd;
	char *data;
	size_t size;

	(void)state;
	assert_int_equal(file_read_at(dir, "comm", 100, &data, &size), 0);
	assert_int_equal(data[size - 1], '\n');
	free(data);
	close(dir);
	assert_int_equal(file_write("ten", "0123456789", 10), 0);
	fd = open("ten", O_RDONLY);
	assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
	assert_int_equal(file_read_fd(fd, 4, &data, &size), 0);
	assert_string_equal(data, "6789");
	free(data);
	close(fd);
}

static void pread_tells_how_much_there_was(void **state)
{
	char buffer[16];
	size_t got = 0;
	int fd;

	(void)state;
	assert_int_equal(file_write("ten", "0123456789", 10), 0);
	fd = open("ten", O_RDONLY);
	assert_int_equal(pread_full(fd, buffer, 4, 3, &got), 0);
	assert_int_equal(got, 4);
	assert_memory_equal(buffer, "3456", 4);
	assert_int_equal(pread_full(fd, buffer, 16, 8, &got), 0);
	assert_int_equal(got, 2);
	assert_int_equal(pread_full(fd, buffer, 4, UINT64_MAX - 1, &got), -EOVERFLOW);
	assert_int_equal(got, 2);
	close(fd);
	assert_int_equal(pread_full(-1, buffer, 4, 0, &got), -EBADF);
}

static void without_memory_nothing_is_left_behind(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		char *data = NULL;
		size_t size;
		int err;

		oom_arm(n);
		err = file_write("report", "x", 1);
		if (!err)
			err = file_read("report", 100, &data, &size);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			free(data);
			assert_true(n > 3);
			return;
		}
		assert_int_equal(err, -ENOMEM);
		assert_null(data);
		unlink("report");
		assert_int_equal(entries(), 0);
	}
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(a_written_file_reads_back_and_is_private),
		IN_DIRECTORY(the_old_file_stays_until_the_new_one_is_complete),
		IN_DIRECTORY(a_link_is_never_followed),
		IN_DIRECTORY(devices_and_fifos_are_written_in_place),
		IN_DIRECTORY(places_that_cannot_be_written_say_why),
		IN_DIRECTORY(a_long_name_has_a_temporary_name_that_fits),
		IN_DIRECTORY(reading_keeps_to_its_limit),
		IN_DIRECTORY(reading_is_relative_to_a_directory_or_goes_on_from_an_offset),
		IN_DIRECTORY(pread_tells_how_much_there_was),
		IN_DIRECTORY(without_memory_nothing_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
