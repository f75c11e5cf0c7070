/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/turn.h"

#include <sys/mman.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "named_child.h"

/* A child that takes a turn if it can, tells whether, and holds it until it is killed. */
static pid_t start_holder(int fd, bool *ret_held)
{
	int ends[2];
	char told;
	pid_t pid;

	assert_return_code(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		int held = 0;

		told = turn_take(fd, &held) ? 'y' : 'n';
		if (write(ends[1], &told, 1) == 1)
			pause();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(read(ends[0], &told, 1), 1);
	close(ends[0]);
	close(ends[1]);
	*ret_held = told == 'y';
	return pid;
}

static void so_many_at_once_and_the_dead_give_theirs_back(void **state)
{
	int fd = memfd_create("turns", MFD_CLOEXEC), held = 0;
	pid_t holders[TURNS_AT_ONCE];
	bool got;

	(void)state;
	for (int i = 0; i < TURNS_AT_ONCE; i++) {
		holders[i] = start_holder(fd, &got);
		assert_true(got);
	}
	assert_false(turn_take(fd, &held));
	end_child(holders[0]);
	assert_true(turn_take(fd, &held));
	/* Ours now: another one has to wait until it is given back. */
	holders[0] = start_holder(fd, &got);
	assert_false(got);
	end_child(holders[0]);
	turn_give(fd, &held, 0);
	assert_int_equal(held, 0);
	holders[0] = start_holder(fd, &got);
	assert_true(got);
	for (int i = 0; i < TURNS_AT_ONCE; i++)
		end_child(holders[i]);
	close(fd);
}

static void a_turn_that_was_dear_rests(void **state)
{
	int fd = memfd_create("turns", MFD_CLOEXEC), held = 0;
	pid_t others[TURNS_AT_ONCE];
	bool got;

	(void)state;
	assert_true(turn_take(fd, &held));
	turn_give(fd, &held, UINT64_C(60000000000));
	/* One less for all. */
	for (int i = 0; i < TURNS_AT_ONCE; i++) {
		others[i] = start_holder(fd, &got);
		assert_int_equal(got, i < TURNS_AT_ONCE - 1);
	}
	for (int i = 0; i < TURNS_AT_ONCE; i++)
		end_child(others[i]);
	for (int i = 1; i < TURNS_AT_ONCE; i++) {
		assert_true(turn_take(fd, &held));
		turn_give(fd, &held, UINT64_MAX);
	}
	assert_false(turn_take(fd, &held));
	close(fd);
}

static void a_rest_beyond_the_bound_is_not_believed(void **state)
{
	const uint64_t forged[] = {UINT64_MAX, UINT64_MAX};
	int fd = memfd_create("turns", MFD_CLOEXEC), held = 0;

	(void)state;
	assert_int_equal(pwrite(fd, forged, sizeof(forged), 0), sizeof(forged));
	assert_true(turn_take(fd, &held));
	close(fd);
}

static void without_a_descriptor_all_may(void **state)
{
	int held = 0;

	(void)state;
	assert_true(turn_take(0, &held));
	turn_give(0, &held, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_at_once_and_the_dead_give_theirs_back),
		cmocka_unit_test(a_turn_that_was_dear_rests),
		cmocka_unit_test(a_rest_beyond_the_bound_is_not_believed),
		cmocka_unit_test(without_a_descriptor_all_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
