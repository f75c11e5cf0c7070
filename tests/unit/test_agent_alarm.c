/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/alarm.h"

#include "cmocka_all.h"

#define SECOND 1000000000ULL

static void begins_at_the_limit_and_is_told_once(void **state)
{
	struct alarm alarm = {.firing = false};

	(void)state;
	assert_int_equal(alarm_update(&alarm, 99, 100, SECOND), ALARM_SAME);
	assert_int_equal(alarm_update(&alarm, 100, 100, 2 * SECOND), ALARM_BEGINS);
	assert_int_equal(alarm_update(&alarm, 150, 100, 3 * SECOND), ALARM_SAME);
	assert_true(alarm.firing);
}

static void hovering_around_the_limit_does_not_end_it(void **state)
{
	struct alarm alarm = {.firing = false};
	uint64_t now = SECOND;

	(void)state;
	alarm_update(&alarm, 100, 100, now);
	for (int i = 0; i < 200; i++) {
		now += SECOND;
		assert_int_equal(alarm_update(&alarm, i % 2 ? 96 : 104, 100, now), ALARM_SAME);
	}
	/* Short dips below do not either. */
	for (int i = 0; i < 20; i++) {
		now += ALARM_END_AFTER_NS - SECOND;
		assert_int_equal(alarm_update(&alarm, i % 2 ? 96 : 50, 100, now), ALARM_SAME);
	}
}

static void ends_when_it_stays_below_for_a_while(void **state)
{
	struct alarm alarm = {.firing = false};

	(void)state;
	alarm_update(&alarm, 100, 100, SECOND);
	assert_int_equal(alarm_update(&alarm, 90, 100, 2 * SECOND), ALARM_SAME);
	assert_int_equal(alarm_update(&alarm, 90, 100, ALARM_END_AFTER_NS + SECOND), ALARM_SAME);
	assert_int_equal(alarm_update(&alarm, 90, 100, ALARM_END_AFTER_NS + 2 * SECOND),
			 ALARM_ENDS);
	assert_false(alarm.firing);
	assert_int_equal(alarm_update(&alarm, 100, 100, ALARM_END_AFTER_NS + 3 * SECOND),
			 ALARM_BEGINS);
}

static void without_a_limit_nothing_fires_and_what_fires_ends(void **state)
{
	struct alarm alarm = {.firing = false};

	(void)state;
	assert_int_equal(alarm_update(&alarm, 1e18, 0, SECOND), ALARM_SAME);
	alarm_update(&alarm, 100, 100, SECOND);
	assert_int_equal(alarm_update(&alarm, 100, 0, 2 * SECOND), ALARM_ENDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_at_the_limit_and_is_told_once),
		cmocka_unit_test(hovering_around_the_limit_does_not_end_it),
		cmocka_unit_test(ends_when_it_stays_below_for_a_while),
		cmocka_unit_test(without_a_limit_nothing_fires_and_what_fires_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
