/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "base/mailbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cmocka_all.h"
#include "oom.h"

#define POSTERS 3
#define POSTS   20000

static bool readable(const struct mailbox *m)
{
	struct pollfd p = {.fd = mailbox_fd(m), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void messages_come_in_the_order_they_were_posted(void **state)
{
	struct mailbox *m;
	int messages[5];

	(void)state;
	assert_int_equal(mailbox_new(3, &m), 0);
	for (int round = 0; round < 4; round++) {
		assert_false(readable(m));
		assert_int_equal(mailbox_post(m, &messages[0]), 0);
		assert_int_equal(mailbox_post(m, &messages[1]), 0);
		assert_true(readable(m));
		assert_ptr_equal(mailbox_take(m), &messages[0]);
		assert_true(readable(m));
		assert_ptr_equal(mailbox_take(m), &messages[1]);
		assert_null(mailbox_take(m));
	}
	mailbox_free(m, NULL);
}

static void a_full_one_refuses_and_counts(void **state)
{
	struct mailbox *m;
	int message;

	(void)state;
	assert_int_equal(mailbox_new(2, &m), 0);
	assert_int_equal(mailbox_post(m, &message), 0);
	assert_int_equal(mailbox_post(m, &message), 0);
	assert_int_equal(mailbox_post(m, &message), -ENOBUFS);
	assert_int_equal(mailbox_post(m, &message), -ENOBUFS);
	assert_int_equal(mailbox_refused_count(m), 2);
	assert_non_null(mailbox_take(m));
	assert_int_equal(mailbox_post(m, &message), 0);
	mailbox_free(m, NULL);
}

static void what_was_not_taken_is_freed(void **state)
{
	struct mailbox *m;

	(void)state;
	assert_int_equal(mailbox_new(2, &m), 0);
	assert_int_equal(mailbox_post(m, malloc(10)), 0);
	mailbox_free(m, free);
	mailbox_free(NULL, free);
}

static void a_closed_one_gives_what_it_has_and_takes_no_more(void **state)
{
	struct mailbox *m;
	int message;

	(void)state;
	assert_int_equal(mailbox_new(2, &m), 0);
	assert_int_equal(mailbox_post(m, &message), 0);
	mailbox_close(m);
	assert_int_equal(mailbox_post(m, &message), -EPIPE);
	assert_int_equal(mailbox_refused_count(m), 0);
	assert_ptr_equal(mailbox_wait(m, UINT64_MAX), &message);
	/* does not hang */
	assert_null(mailbox_wait(m, UINT64_MAX));
	assert_true(readable(m));
	mailbox_free(m, NULL);
}

static void waiting_ends_with_the_timeout(void **state)
{
	struct mailbox *m;
	uint64_t before = clock_now_ns();

	(void)state;
	assert_int_equal(mailbox_new(2, &m), 0);
	assert_null(mailbox_wait(m, 5 * NS_PER_MS));
	assert_true(clock_now_ns() - before >= 5 * NS_PER_MS);
	mailbox_free(m, NULL);
}

static void impossible_ones_are_refused(void **state)
{
	struct mailbox *m = NULL;

	(void)state;
	assert_int_equal(mailbox_new(0, &m), -EINVAL);
	assert_int_equal(mailbox_new(SIZE_MAX, &m), -ENOMEM);
	assert_int_equal(mailbox_new(SIZE_MAX / 8, &m), -ENOMEM);
	oom_arm(1);
	assert_int_equal(mailbox_new(1, &m), -ENOMEM);
	assert_true(oom_disarm());
	assert_null(m);
	assert_int_equal(mailbox_new(1, &m), 0);
	assert_int_equal(mailbox_post(m, NULL), -EINVAL);
	mailbox_free(m, NULL);
}

struct letter {
	int poster;
	int number;
};

struct poster {
	struct mailbox *mailbox;
	int number;
};

static void *post_all(void *user)
{
	const struct poster *poster = user;

	for (int i = 0; i < POSTS; i++) {
		struct letter *letter = malloc(sizeof(*letter));

		*letter = (struct letter){poster->number, i};
		while (mailbox_post(poster->mailbox, letter) == -ENOBUFS)
			sched_yield();
	}
	return NULL;
}

static void nothing_is_lost_or_reordered_between_threads(void **state)
{
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];
	int next[POSTERS] = {0};
	struct mailbox *m;

	(void)state;
	assert_int_equal(mailbox_new(64, &m), 0);
	for (int i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){m, i};
		assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
	}
	for (int i = 0; i < POSTERS * POSTS; i++) {
		struct letter *letter = mailbox_wait(m, 60 * NS_PER_S);

		assert_non_null(letter);
		assert_int_equal(letter->number, next[letter->poster]++);
		free(letter);
	}
	for (int i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	assert_null(mailbox_take(m));
	assert_false(readable(m));
	mailbox_free(m, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_in_the_order_they_were_posted),
		cmocka_unit_test(a_full_one_refuses_and_counts),
		cmocka_unit_test(what_was_not_taken_is_freed),
		cmocka_unit_test(a_closed_one_gives_what_it_has_and_takes_no_more),
		cmocka_unit_test(waiting_ends_with_the_timeout),
		cmocka_unit_test(impossible_ones_are_refused),
		cmocka_unit_test(nothing_is_lost_or_reordered_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
