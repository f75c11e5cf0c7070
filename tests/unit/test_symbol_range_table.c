/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* Ranges that nest, overlap and touch; against a model that looks at all of them. */
#include "process/symbol/range_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "oom.h"

#define NOBODY UINT64_MAX

static uint64_t value_at(const struct range_table *table, uint64_t address)
{
	uint64_t value;

	return range_table_find(table, address, &value, NULL) ? value : NOBODY;
}

static void gap_between_ranges_answers_nothing(void **state)
{
	struct range_entry entries[] = {{.start = 30, .end = 40, .value = 2},
					{.start = 10, .end = 20, .value = 1}};
	struct range_table table;
	uint64_t value, origin;

	(void)state;
	assert_int_equal(range_table_init(&table, entries, 2), 0);
	assert_true(value_at(&table, 9) == NOBODY);
	assert_true(value_at(&table, 10) == 1);
	assert_true(value_at(&table, 19) == 1);
	assert_true(value_at(&table, 20) == NOBODY);
	assert_true(value_at(&table, 29) == NOBODY);
	assert_true(value_at(&table, 40) == NOBODY);
	assert_true(range_table_find(&table, 35, &value, &origin));
	assert_true(value == 2 && origin == 30);
	range_table_done(&table);
}

static void inner_range_answers_and_outer_goes_on_behind_it(void **state)
{
	struct range_entry entries[] = {{.start = 0, .end = 100, .value = 1},
					{.start = 40, .end = 50, .value = 2}};
	struct range_table table;
	uint64_t value, origin;

	(void)state;
	assert_int_equal(range_table_init(&table, entries, 2), 0);
	assert_true(value_at(&table, 39) == 1);
	assert_true(value_at(&table, 45) == 2);
	assert_true(range_table_find(&table, 50, &value, &origin));
	assert_true(value == 1 && origin == 0);
	range_table_done(&table);
}

static void higher_priority_wins_where_both_cover(void **state)
{
	struct range_entry entries[] = {{.start = 0, .end = 60, .value = 2, .priority = 2},
					{.start = 50, .end = 100, .value = 1, .priority = 1}};
	struct range_table table;

	(void)state;
	assert_int_equal(range_table_init(&table, entries, 2), 0);
	assert_true(value_at(&table, 55) == 2);
	assert_true(value_at(&table, 60) == 1);
	range_table_done(&table);
}

static void empty_and_reversed_ranges_are_ignored(void **state)
{
	struct range_entry entries[] = {{.start = 5, .end = 5, .value = 1},
					{.start = 9, .end = 3, .value = 2}};
	struct range_table table;

	(void)state;
	assert_int_equal(range_table_init(&table, entries, 2), 0);
	assert_int_equal(table.count, 0);
	assert_true(value_at(&table, 5) == NOBODY);
	range_table_done(&table);
	assert_int_equal(range_table_init(&table, NULL, 0), 0);
	assert_true(value_at(&table, 0) == NOBODY);
	range_table_done(&table);
}

static void range_to_the_last_address_covers_it_all_but_the_end(void **state)
{
	struct range_entry entries[] = {{.start = 0, .end = UINT64_MAX, .value = 7}};
	struct range_table table;

	(void)state;
	assert_int_equal(range_table_init(&table, entries, 1), 0);
	assert_true(value_at(&table, 0) == 7);
	assert_true(value_at(&table, UINT64_MAX - 1) == 7);
	range_table_done(&table);
}

/* The rule, said simply: of those that cover it the highest priority, then the latest start. */
static const struct range_entry *model(const struct range_entry *entries, size_t count,
				       uint64_t address)
{
	const struct range_entry *best = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct range_entry *e = &entries[i];

		if (address < e->start || address >= e->end)
			continue;
		if (!best || e->priority > best->priority ||
		    (e->priority == best->priority && e->start > best->start))
			best = e;
	}
	return best;
}

static void random_ranges_answer_as_the_model_does(void **state)
{
	enum { SPACE = 200, MAX = 40, ROUNDS = 3000 };
	struct range_entry entries[MAX], copy[MAX];

	(void)state;
	srandom(7);
	for (int round = 0; round < ROUNDS; round++) {
		size_t count = (size_t)random() % MAX;
		bool distinct_priorities = round % 2;
		struct range_table table;

		for (size_t i = 0; i < count; i++) {
			uint64_t start = (uint64_t)random() % SPACE;

			/* distinct starts where the start decides, so that there is one right answer */
			entries[i] = (struct range_entry){
				.start = distinct_priorities ? start : i * 5 + start % 5,
				.value = i,
				.priority = distinct_priorities ? (uint32_t)(i * 7 % MAX) : 0};
			entries[i].end = entries[i].start + (uint64_t)random() % 60;
		}
		memcpy(copy, entries, sizeof(copy));
		assert_int_equal(range_table_init(&table, entries, count), 0);
		for (uint64_t at = 0; at < SPACE + 70; at++) {
			const struct range_entry *want = model(copy, count, at);

			assert_true(value_at(&table, at) == (want ? want->value : NOBODY));
		}
		range_table_done(&table);
	}
}

static void failing_allocation_is_reported(void **state)
{
	struct range_table table;
	int err;

	(void)state;
	for (long n = 1;; n++) {
		struct range_entry entries[] = {{.start = 1, .end = 2, .value = 1}};

		oom_arm(n);
		err = range_table_init(&table, entries, 1);
		if (!oom_disarm())
			break;
		if (!err) /* shrinking failed, which is no harm */
			range_table_done(&table);
		else
			assert_int_equal(err, -ENOMEM);
	}
	assert_int_equal(err, 0);
	range_table_done(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gap_between_ranges_answers_nothing),
		cmocka_unit_test(inner_range_answers_and_outer_goes_on_behind_it),
		cmocka_unit_test(higher_priority_wins_where_both_cover),
		cmocka_unit_test(empty_and_reversed_ranges_are_ignored),
		cmocka_unit_test(range_to_the_last_address_covers_it_all_but_the_end),
		cmocka_unit_test(random_ranges_answer_as_the_model_does),
		cmocka_unit_test(failing_allocation_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
