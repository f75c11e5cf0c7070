/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"

#include <errno.h>

#include "base/cleanup.h"
#include "cmocka_all.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct u64_case {
	const char *text;
	int err;
	uint64_t value;
};

static void check_u64(int (*parse)(const char *, uint64_t *), const struct u64_case *cases,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = 4242;

		assert_int_equal(parse(cases[i].text, &value), cases[i].err);
		assert_true(value == (cases[i].err ? 4242 : cases[i].value));
	}
}

static void sizes_are_binary_with_or_without_unit(void **state)
{
	static const struct u64_case cases[] = {
		{"0", 0, 0},
		{"100", 0, 100},
		{"64k", 0, 65536},
		{"64K", 0, 65536},
		{"1KiB", 0, 1024},
		{"1kb", 0, 1024},
		{"2 MiB", 0, 2 << 20},
		{"1.5GiB", 0, 3ULL << 29},
		{"0.1KiB", 0, 102},
		{"12B", 0, 12},
		{"16777215T", 0, 16777215ULL << 40},
		{"16777216T", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1  K", -EINVAL, 0},
		{"1.K", -EINVAL, 0},
		{".5K", -EINVAL, 0},
		{"1.5", -EINVAL, 0},
		{"1.5B", -EINVAL, 0},
		{"1Ki", -EINVAL, 0},
		{"1KiBs", -EINVAL, 0},
		{"1K1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"lots", -EINVAL, 0},
		{"nan", -EINVAL, 0},
	};

	(void)state;
	check_u64(units_parse_size, cases, COUNT(cases));
}

static void durations_need_a_unit_and_may_be_compound(void **state)
{
	static const struct u64_case cases[] = {
		{"60s", 0, 60000000000},
		{"5m", 0, 300000000000},
		{"5min", 0, 300000000000},
		{"10ms", 0, 10000000},
		{"1m30s", 0, 90000000000},
		{"1.5s", 0, 1500000000},
		{"2 h", 0, 7200000000000},
		{"7d", 0, 604800000000000},
		{"100us", 0, 100000},
		{"3ns", 0, 3},
		{"0", 0, 0},
		{"0s", 0, 0},
		{"60", -EINVAL, 0},
		{"soon", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-5s", -EINVAL, 0},
		{"5 s ", -EINVAL, 0},
		{"5mm", -EINVAL, 0},
		{"1m30", -EINVAL, 0},
		{"1e9s", -EINVAL, 0},
		{"999999999d", -ERANGE, 0},
		{"213503d24h", -ERANGE, 0},
		{"99999999999999999999s", -ERANGE, 0},
	};

	(void)state;
	check_u64(units_parse_duration, cases, COUNT(cases));
}

static void counts_are_plain_decimal(void **state)
{
	static const struct u64_case cases[] = {
		{"0", 0, 0},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1k", -EINVAL, 0},
		{" 1", -EINVAL, 0},
	};

	(void)state;
	check_u64(units_parse_u64, cases, COUNT(cases));
}

static void bare_numbers_are_scaled_and_have_no_unit(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_int_equal(units_parse_scaled("0.5", 1000000000, &value), 0);
	assert_int_equal(value, 500000000);
	assert_int_equal(units_parse_scaled("500.0", 1 << 20, &value), 0);
	assert_int_equal(value, 500 << 20);
	assert_int_equal(units_parse_scaled("0.0000001", 100, &value), 0);
	assert_int_equal(value, 0);
	value = 7;
	assert_int_equal(units_parse_scaled("5s", 1, &value), -EINVAL);
	assert_int_equal(units_parse_scaled("-5", 1, &value), -EINVAL);
	assert_int_equal(units_parse_scaled("", 1, &value), -EINVAL);
	assert_int_equal(units_parse_scaled("99999999999999999", 1 << 20, &value), -ERANGE);
	assert_int_equal(value, 7);
}

static void percents_and_rates(void **state)
{
	static const struct {
		int (*parse)(const char *, double *);
		const char *text;
		int err;
		double value;
	} cases[] = {
		{units_parse_percent, "2%", 0, 2},
		{units_parse_percent, "0.5%", 0, 0.5},
		{units_parse_percent, "2", 0, 2},
		{units_parse_percent, "2 %", 0, 2},
		{units_parse_percent, "-3%", -EINVAL, 0},
		{units_parse_percent, "%", -EINVAL, 0},
		{units_parse_percent, "2%%", -EINVAL, 0},
		{units_parse_percent, "inf", -EINVAL, 0},
		{units_parse_rate, "1MiB/min", 0, 1048576 / 60.0},
		{units_parse_rate, "60k/m", 0, 1024},
		{units_parse_rate, "5/s", 0, 5},
		{units_parse_rate, "0B/h", 0, 0},
		{units_parse_rate, "1MiB", -EINVAL, 0},
		{units_parse_rate, "1MiB/", -EINVAL, 0},
		{units_parse_rate, "1MiB/fortnight", -EINVAL, 0},
		{units_parse_rate, "1MiB/min/s", -EINVAL, 0},
		{units_parse_rate, "-1MiB/min", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		double value = -7;

		assert_int_equal(cases[i].parse(cases[i].text, &value), cases[i].err);
		assert_true(value == (cases[i].err ? -7 : cases[i].value));
	}
}

static void printed_sizes_and_durations_parse_back(void **state)
{
	static const uint64_t values[] = {
		0,          1,           1023,        1024,          1500,           1 << 30,
		3ULL << 29, 60000000000, 90000000000, 3600000000000, 86400000000000, 10000000,
		UINT64_MAX};
	struct strbuf sb = STRBUF_INIT;
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		strbuf_reset(&sb);
		units_add_size(&sb, values[i]);
		assert_int_equal(units_parse_size(sb.buf, &back), 0);
		assert_true(back == values[i]);
		strbuf_reset(&sb);
		units_add_duration(&sb, values[i]);
		assert_int_equal(units_parse_duration(sb.buf, &back), 0);
		assert_true(back == values[i]);
	}
	strbuf_done(&sb);
}

static void quantities_print_as_in_the_documentation(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	units_add_size(&sb, 1 << 30);
	strbuf_addch(&sb, ' ');
	units_add_duration(&sb, 60000000000);
	strbuf_addch(&sb, ' ');
	units_add_percent(&sb, 2);
	strbuf_addch(&sb, ' ');
	units_add_percent(&sb, 0.25);
	strbuf_addstr(&sb, " | ");
	units_add_rate(&sb, 3.98 * 1048576 / 60);
	strbuf_addstr(&sb, " | ");
	units_add_rate(&sb, -0.2);
	assert_string_equal(sb.buf, "1GiB 60s 2% 0.25% | +3.98 MiB/min | -12.0 B/min");
	strbuf_done(&sb);
}

static void about_how_long_in_one_unit(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {{0.4, "0 s"},      {119, "119 s"},   {150, "2 min"},
		     {7000, "117 min"}, {12240, "3.4 h"}, {1036800, "12 d"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(strbuf_done) struct strbuf sb = STRBUF_INIT;

		units_add_about(&sb, cases[i].seconds);
		assert_string_equal(sb.buf, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(about_how_long_in_one_unit),
		cmocka_unit_test(sizes_are_binary_with_or_without_unit),
		cmocka_unit_test(durations_need_a_unit_and_may_be_compound),
		cmocka_unit_test(counts_are_plain_decimal),
		cmocka_unit_test(bare_numbers_are_scaled_and_have_no_unit),
		cmocka_unit_test(percents_and_rates),
		cmocka_unit_test(printed_sizes_and_durations_parse_back),
		cmocka_unit_test(quantities_print_as_in_the_documentation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
