/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>

#include "cmocka_all.h"

static int freed_count;

static void counted_free(char *p)
{
	freed_count++;
	free(p);
}
DEFINE_CLEANUP(char *, counted_free);

static void guards_release_at_the_end_of_the_scope(void **state)
{
	int fd_number;

	(void)state;
	freed_count = 0;
	{
		_cleanup_(counted_freep) char *p = strdup("x");
		_cleanup_(counted_freep) char *none = NULL;
		_cleanup_free_ char *plain = strdup("y");
		_cleanup_close_ int fd = open("/dev/null", O_RDONLY);
		_cleanup_close_ int no_fd = -1;
		_cleanup_fclose_ FILE *no_file = NULL;

		(void)none;
		(void)no_fd;
		(void)no_file;
		assert_non_null(p);
		assert_non_null(plain);
		fd_number = fd;
		assert_true(fcntl(fd_number, F_GETFD) >= 0);
		errno = 55;
	}
	assert_int_equal(errno, 55);
	assert_int_equal(freed_count, 1);
	assert_int_equal(fcntl(fd_number, F_GETFD), -1);
}

static char *given_away(void)
{
	_cleanup_(counted_freep) char *p = strdup("kept");

	return_ptr(p);
}

static void what_is_given_away_is_not_released(void **state)
{
	char *p, *q;
	int fd = 9;

	(void)state;
	freed_count = 0;
	p = given_away();
	assert_int_equal(freed_count, 0);
	assert_string_equal(p, "kept");
	q = no_free_ptr(p);
	assert_null(p);
	free(q);
	assert_int_equal(take_fd(&fd), 9);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guards_release_at_the_end_of_the_scope),
		cmocka_unit_test(what_is_given_away_is_not_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
