/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "cmocka_all.h"

static void now_is_the_monotonic_clock(void **state)
{
	struct timespec before, after;
	uint64_t now;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &before);
	now = clock_now_ns();
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(now >= (uint64_t)before.tv_sec * NS_PER_S + (uint64_t)before.tv_nsec);
	assert_true(now <= (uint64_t)after.tv_sec * NS_PER_S + (uint64_t)after.tv_nsec);
}

static void a_monotonic_time_of_the_past_has_a_wall_time_of_the_past(void **state)
{
	uint64_t wall = clock_wall_ns();
	uint64_t an_hour_ago = clock_wall_of_monotonic_ns(clock_now_ns() - 3600 * NS_PER_S);

	(void)state;
	assert_true(an_hour_ago < wall - 3500 * NS_PER_S);
	assert_true(an_hour_ago > wall - 3700 * NS_PER_S);
}

static void wall_times_are_rfc3339_in_utc(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	clock_add_rfc3339(&sb, 0);
	assert_string_equal(sb.buf, "1970-01-01T00:00:00.000Z");
	strbuf_reset(&sb);
	clock_add_rfc3339(&sb, 1709210096 * NS_PER_S + 987654321); /* a leap day */
	assert_string_equal(sb.buf, "2024-02-29T12:34:56.987Z");
	strbuf_reset(&sb);
	clock_add_rfc3339(&sb, UINT64_MAX);
	assert_string_equal(sb.buf, "2554-07-21T23:34:33.709Z");
	strbuf_done(&sb);
}

static void durations_read_well(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1000, "1.00 us"},
		{12340000, "12.3 ms"},
		{850 * NS_PER_MS, "850 ms"},
		{1500 * NS_PER_MS, "1.50 s"},
		{125 * NS_PER_S, "2 m 05 s"},
		{8400 * NS_PER_S, "2 h 20 m"},
		{100 * 3600 * NS_PER_S, "4 d 4 h"},
		{UINT64_MAX, "213503 d 23 h"},
	};
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strbuf_reset(&sb);
		clock_add_duration(&sb, cases[i].ns);
		assert_string_equal(sb.buf, cases[i].text);
	}
	strbuf_done(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(now_is_the_monotonic_clock),
		cmocka_unit_test(a_monotonic_time_of_the_past_has_a_wall_time_of_the_past),
		cmocka_unit_test(wall_times_are_rfc3339_in_utc),
		cmocka_unit_test(durations_read_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
