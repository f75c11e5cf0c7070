/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/history.h"

#include <errno.h>
#include <string.h>

#include "cmocka_all.h"

#define SECOND 1000000000ULL
#define MIB    1048576.0

static void slope_of_a_straight_line_is_told_over_any_window(void **state)
{
	struct history history = {.first_ns = 0};
	struct trend trend;
	uint64_t now = 1000 * SECOND;

	(void)state;
	for (int i = 0; i < 3600; i++) {
		now += SECOND;
		history_add(&history, now, (uint64_t)(100 * MIB + i * 0.5 * MIB));
	}
	for (int minutes = 1; minutes <= 60; minutes *= 2) {
		assert_int_equal(
			history_fit(&history, now, (uint64_t)minutes * 60 * SECOND, &trend), 0);
		assert_float_equal(trend.slope_per_second, 0.5 * MIB, 0.01 * MIB);
		assert_true(trend.low <= 0.5 * MIB && trend.high >= 0.5 * MIB);
	}
}

static void sawtooth_does_not_grow_but_one_on_a_slope_does(void **state)
{
	struct history flat = {.first_ns = 0}, rising = {.first_ns = 0};
	struct trend trend;
	uint64_t now = 1000 * SECOND;

	(void)state;
	for (int i = 0; i < 1800; i++) {
		double tooth = (i % 37) * 2 * MIB;

		now += SECOND;
		history_add(&flat, now, (uint64_t)(100 * MIB + tooth));
		history_add(&rising, now, (uint64_t)(100 * MIB + tooth + i * 0.1 * MIB));
	}
	assert_int_equal(history_fit(&flat, now, 1200 * SECOND, &trend), 0);
	assert_true(trend.low <= 0);
	assert_int_equal(history_fit(&rising, now, 1200 * SECOND, &trend), 0);
	assert_true(trend.low > 0);
	assert_float_equal(trend.slope_per_second, 0.1 * MIB, 0.03 * MIB);
}

static void too_little_is_said_to_be_too_little(void **state)
{
	struct history history = {.first_ns = 0};
	struct trend trend;
	uint64_t now = 5 * SECOND;

	(void)state;
	assert_int_equal(history_fit(&history, now, 60 * SECOND, &trend), -ENODATA);
	for (int i = 0; i < 20; i++)
		history_add(&history, now += SECOND, 1 << 20);
	assert_int_equal(history_fit(&history, now, 60 * SECOND, &trend), -ENODATA);
	for (int i = 0; i < 20; i++)
		history_add(&history, now += SECOND, 1 << 20);
	assert_int_equal(history_fit(&history, now, 60 * SECOND, &trend), 0);
	assert_float_equal(trend.slope_per_second, 0, 0);
}

static void sparkline_keeps_peaks_and_forgets_what_is_old(void **state)
{
	struct history history = {.first_ns = 0};
	uint64_t line[60], now = 100 * SECOND, most = 0;
	size_t count;

	(void)state;
	for (int i = 0; i < 7200; i++) {
		/* A peak of one reading, half an hour ago, and a larger one before. */
		uint64_t bytes = i == 5400 ? 900u << 20 : i == 1000 ? 2000u << 20 : 100u << 20;

		history_add(&history, now += SECOND, bytes);
	}
	count = history_line(&history, now, 3600 * SECOND, line, 60);
	assert_true(count > 30 && count <= 60);
	for (size_t i = 0; i < count; i++)
		if (line[i] > most)
			most = line[i];
	assert_int_equal(most, 900u << 20);
	assert_int_equal(history_line(&history, now, 3600 * SECOND, line, 1), 1);
	assert_int_equal(line[0], 900u << 20);
}

static void time_that_goes_back_is_not_believed(void **state)
{
	struct history history = {.first_ns = 0};
	uint64_t line[8];

	(void)state;
	history_add(&history, 100 * SECOND, 1 << 20);
	history_add(&history, 90 * SECOND, 2 << 20);
	history_add(&history, 200 * SECOND, 3 << 20);
	history_add(&history, 150 * SECOND, 4 << 20);
	assert_int_equal(history_line(&history, 300 * SECOND, 1000 * SECOND, line, 8), 2);
	assert_int_equal(line[0], 1 << 20);
	assert_int_equal(line[1], 3 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slope_of_a_straight_line_is_told_over_any_window),
		cmocka_unit_test(sawtooth_does_not_grow_but_one_on_a_slope_does),
		cmocka_unit_test(too_little_is_said_to_be_too_little),
		cmocka_unit_test(sparkline_keeps_peaks_and_forgets_what_is_old),
		cmocka_unit_test(time_that_goes_back_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
