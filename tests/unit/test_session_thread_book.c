/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rules by thread a thread fits, as its name changes and it ends. What it can't find: a wrong /proc (test_proc_process). */
#include "session/thread_book.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"
#include "process/proc/process.h"

#define S UINT64_C(1000000000)

static const struct component_rule rules[] = {
	{.name = "engine", .thread = "engine-*"},
	{.name = "main", .function = "main"},
	{.name = "all", .thread = "*"},
};
static const struct component_rules all = {rules, 3};

/* The names that threads have now; "": it is gone. */
static struct {
	const char *name;
	int reads;
} world[10];

static int read_name(int pid, uint32_t tid, char *ret)
{
	(void)pid;
	world[tid % 10].reads++;
	if (!world[tid % 10].name)
		return -ESRCH;
	snprintf(ret, PROCESS_COMM_BYTES, "%s", world[tid % 10].name);
	return 0;
}

static struct thread_book *new_book(void)
{
	struct thread_book *book;

	memset(world, 0, sizeof(world));
	assert_int_equal(thread_book_new(&all, read_name, &book), 0);
	return book;
}

static void a_thread_fits_the_rules_of_its_name(void **state)
{
	struct thread_book *book = new_book();

	(void)state;
	world[1].name = "engine-1";
	world[2].name = "other";
	assert_int_equal(thread_book_rules(book, 7, 1, S), 5);
	assert_int_equal(thread_book_rules(book, 7, 2, S), 4);
	assert_int_equal(thread_book_rules(book, 7, 1, S + 1), 5);
	assert_int_equal(world[1].reads, 1);
	assert_int_equal(thread_book_unnamed(book), 0);
	thread_book_free(book);
}

static void a_renamed_one_is_seen_so_a_second_later(void **state)
{
	struct thread_book *book = new_book();

	(void)state;
	world[1].name = "plugin";
	assert_int_equal(thread_book_rules(book, 7, 1, S), 4);
	world[1].name = "engine-9";
	assert_int_equal(thread_book_rules(book, 7, 1, 2 * S - 1), 4);
	assert_int_equal(thread_book_rules(book, 7, 1, 2 * S), 5);
	thread_book_free(book);
}

static void one_that_is_gone_when_it_is_read_anew_keeps_its_name(void **state)
{
	struct thread_book *book = new_book();

	(void)state;
	world[1].name = "engine-1";
	assert_int_equal(thread_book_rules(book, 7, 1, S), 5);
	world[1].name = NULL;
	assert_int_equal(thread_book_rules(book, 7, 1, 3 * S), 5);
	thread_book_free(book);
}

static void the_number_of_one_that_ended_may_come_again(void **state)
{
	struct thread_book *book = new_book();

	(void)state;
	world[1].name = "engine-1";
	world[2].name = "other";
	thread_book_rules(book, 7, 1, S);
	thread_book_rules(book, 7, 2, S);
	thread_book_forget(book, 1);
	thread_book_forget(book, 1);
	world[1].name = "plugin";
	assert_int_equal(thread_book_rules(book, 7, 1, S + 1), 4);
	assert_int_equal(thread_book_rules(book, 7, 2, S + 1), 4);
	/* Its end was lost. */
	world[1].name = "engine-2";
	assert_int_equal(thread_book_rules(book, 8, 1, S + 2), 5);
	thread_book_free(book);
}

static void what_has_no_name_is_counted_and_not_asked_at_once_again(void **state)
{
	struct thread_book *book = new_book();

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(thread_book_rules(book, 7, 3, S + (uint64_t)i), 0);
	assert_int_equal(thread_book_unnamed(book), 5);
	assert_int_equal(world[3].reads, 1);
	thread_book_free(book);
}

static void threads_and_readings_are_bounded(void **state)
{
	struct thread_book *book = new_book();
	int before;

	(void)state;
	for (int i = 0; i < 10; i++)
		world[i].name = "engine-1";
	for (uint32_t tid = 1; tid <= THREADS_MAX; tid++)
		assert_int_equal(thread_book_rules(book, 7, tid, S), 5);
	assert_int_equal(thread_book_rules(book, 7, THREADS_MAX + 1, S), 0);
	assert_int_equal(thread_book_unnamed(book), 1);
	before = world[1].reads;
	for (uint32_t tid = 1; tid <= THREADS_MAX; tid++)
		thread_book_rules(book, 7, tid, 2 * S);
	assert_in_range(world[1].reads - before, 1, THREAD_RENAMES_MAX);
	thread_book_free(book);
}

static void the_readers_name_of_this_thread_is_true(void **state)
{
	char name[PROCESS_COMM_BYTES], again[PROCESS_COMM_BYTES];
	FILE *file = fopen("/proc/self/comm", "r");

	(void)state;
	assert_non_null(file);
	assert_non_null(fgets(again, sizeof(again), file));
	fclose(file);
	again[strcspn(again, "\n")] = '\0';
	assert_int_equal(process_thread_comm(getpid(), (uint32_t)getpid(), name), 0);
	assert_string_equal(name, again);
	assert_int_equal(process_thread_comm(getpid(), 1, name), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_fits_the_rules_of_its_name),
		cmocka_unit_test(a_renamed_one_is_seen_so_a_second_later),
		cmocka_unit_test(one_that_is_gone_when_it_is_read_anew_keeps_its_name),
		cmocka_unit_test(the_number_of_one_that_ended_may_come_again),
		cmocka_unit_test(what_has_no_name_is_counted_and_not_asked_at_once_again),
		cmocka_unit_test(threads_and_readings_are_bounded),
		cmocka_unit_test(the_readers_name_of_this_thread_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
