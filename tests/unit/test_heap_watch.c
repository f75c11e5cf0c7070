/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks of this process, watched as if they were another's. */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account/heap/watch.h"

static uint64_t block[8];

static struct watch *watch_one(void *address, uint64_t size_bytes)
{
	struct watched_block watched = {(uintptr_t)address, 1, size_bytes, 0, false};
	struct watched_blocks gone = VEC_INIT;
	struct watch *watch;

	assert_int_equal(watch_new(getpid(), 4, &watch), 0);
	assert_int_equal(watch_add(watch, &watched, 1, &gone), 0);
	assert_int_equal(gone.count, 0);
	return watch;
}

static size_t gone_after_poll(struct watch *watch)
{
	struct watched_blocks gone = VEC_INIT;
	size_t count;

	assert_int_equal(watch_poll(watch, &gone), 0);
	count = gone.count;
	vec_done(&gone);
	return count;
}

static size_t doubts(struct watch *watch)
{
	struct watched_blocks list = VEC_INIT;
	size_t count;

	assert_int_equal(watch_doubts(watch, &list), 0);
	count = list.count;
	vec_done(&list);
	return count;
}

static void a_block_that_stays_as_it_is_stays(void **state)
{
	struct watch *watch = watch_one(block, sizeof(block));

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(gone_after_poll(watch), 0);
	assert_int_equal(doubts(watch), 0);
	watch_free(watch);
}

static void one_that_is_filled_once_stays_but_proves_nothing(void **state)
{
	struct watch *watch = watch_one(block, sizeof(block));

	(void)state;
	memset(block, 0x55, sizeof(block));
	assert_int_equal(gone_after_poll(watch), 0);
	assert_int_equal(gone_after_poll(watch), 0);
	assert_int_equal(doubts(watch), 1);
	watch_free(watch);
}

static void one_whose_counter_runs_stays_and_is_beyond_doubt(void **state)
{
	struct watch *watch = watch_one(block, sizeof(block));

	(void)state;
	for (int i = 0; i < 5; i++) {
		block[3]++;
		assert_int_equal(gone_after_poll(watch), 0);
	}
	assert_int_equal(doubts(watch), 0);
	watch_free(watch);
}

static void one_whose_first_words_changed_may_have_been_freed(void **state)
{
	struct watch *watch = watch_one(block, sizeof(block));

	(void)state;
	/* As free() and malloc() leave it, and a short text written into it. */
	block[0]++;
	block[1]++;
	assert_int_equal(gone_after_poll(watch), 0);
	assert_int_equal(doubts(watch), 1);
	watch_free(watch);
}

static void one_that_is_other_again_and_again_is_gone(void **state)
{
	struct watch *watch = watch_one(block, sizeof(block));

	(void)state;
	memset(block, 1, sizeof(block));
	assert_int_equal(gone_after_poll(watch), 0);
	memset(block, 2, sizeof(block));
	assert_int_equal(gone_after_poll(watch), 1);
	assert_int_equal(gone_after_poll(watch), 0);
	watch_free(watch);
}

static void memory_that_was_unmapped_is_gone(void **state)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct watch *watch = watch_one(page, 64);

	(void)state;
	munmap(page, 4096);
	assert_int_equal(gone_after_poll(watch), 1);
	watch_free(watch);
}

static void the_reading_ends_with_the_block(void **state)
{
	uint64_t small[2] = {1, 2};
	struct watch *watch = watch_one(small, 8);

	(void)state;
	small[1] = 3; /* a neighbour's */
	assert_int_equal(gone_after_poll(watch), 0);
	assert_int_equal(doubts(watch), 0);
	watch_free(watch);
}

static void what_does_not_fit_is_told(void **state)
{
	struct watched_block many[6] = {{0}};
	struct watched_blocks gone = VEC_INIT;
	struct watch *watch;

	(void)state;
	for (int i = 0; i < 6; i++)
		many[i] = (struct watched_block){(uintptr_t)block, (uint64_t)i, 64, 0, false};
	assert_int_equal(watch_new(getpid(), 4, &watch), 0);
	assert_int_equal(watch_add(watch, many, 6, &gone), -ENOSPC);
	assert_int_equal(gone.count, 2);
	assert_int_equal(gone.items[0].born_ns, 4);
	vec_done(&gone);
	watch_free(watch);
}

static void those_that_are_not_kept_are_watched_no_more(void **state)
{
	uint64_t other[8] = {0};
	struct watched_block two[2] = {{(uintptr_t)block, 1, 64, 0, false},
				       {(uintptr_t)other, 2, 64, 0, false}};
	struct watched_blocks list = VEC_INIT;
	uint8_t keeps[2];
	struct watch *watch;

	(void)state;
	assert_int_equal(watch_new(getpid(), 4, &watch), 0);
	assert_int_equal(watch_add(watch, two, 2, &list), 0);
	assert_int_equal(watch_list(watch, &list), 0);
	assert_int_equal(list.count, 2);
	assert_true(list.items[0].address < list.items[1].address);
	keeps[0] = list.items[0].born_ns == 2;
	keeps[1] = list.items[1].born_ns == 2;
	watch_keep(watch, keeps);
	vec_clear(&list);
	assert_int_equal(watch_list(watch, &list), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].born_ns, 2);
	vec_done(&list);
	watch_free(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_that_stays_as_it_is_stays),
		cmocka_unit_test(one_that_is_filled_once_stays_but_proves_nothing),
		cmocka_unit_test(one_whose_counter_runs_stays_and_is_beyond_doubt),
		cmocka_unit_test(one_whose_first_words_changed_may_have_been_freed),
		cmocka_unit_test(one_that_is_other_again_and_again_is_gone),
		cmocka_unit_test(memory_that_was_unmapped_is_gone),
		cmocka_unit_test(the_reading_ends_with_the_block),
		cmocka_unit_test(what_does_not_fit_is_told),
		cmocka_unit_test(those_that_are_not_kept_are_watched_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
