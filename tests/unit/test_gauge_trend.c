/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "account/gauge/trend.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "cmocka_all.h"
#include "oom.h"

#define SECOND     UINT64_C(1000000000)
#define MAX_POINTS 512

struct points {
	uint64_t time_ns[MAX_POINTS];
	double y[MAX_POINTS];
	size_t count;
	uint64_t state;
};

static double uniform(struct points *p)
{
	return (double)(random_next(&p->state) >> 11) / 9007199254740992.0;
}

/* Box and Muller. */
static double gaussian(struct points *p)
{
	double radius = sqrt(-2 * log(uniform(p) + 1e-300));

	return radius * cos(6.283185307179586 * uniform(p));
}

static void at_each_second(struct points *p, size_t count)
{
	p->count = count;
	for (size_t i = 0; i < count; i++)
		p->time_ns[i] = (1000000 + i) * SECOND;
}

static struct trend fit(const struct points *p)
{
	struct trend trend;

	assert_int_equal(trend_fit(p->time_ns, p->y, p->count, &trend), 0);
	assert_true(trend.low <= trend.slope_per_second && trend.slope_per_second <= trend.high);
	return trend;
}

static void assert_near(double got, double want)
{
	if (fabs(got - want) > 1e-6 * (1 + fabs(want)))
		fail_msg("got %.9g, want %.9g", got, want);
}

static void an_exact_line_has_its_slope_and_no_doubt(void **state)
{
	struct points p;
	struct trend trend;

	(void)state;
	for (size_t n = 3; n <= 60; n++) {
		at_each_second(&p, n);
		for (size_t i = 0; i < n; i++)
			p.y[i] = 1e9 + 4.5 * (double)i;
		trend = fit(&p);
		assert_near(trend.slope_per_second, 4.5);
		assert_near(trend.low, 4.5);
		assert_near(trend.high, 4.5);
		assert_near(trend.first_third_slope, n < 9 ? 0 : 4.5);
		assert_near(trend.last_third_slope, n < 9 ? 0 : 4.5);
		assert_true((trend.z > 1.96) == (n >= 5)); /* four points in order prove nothing */
	}
}

/* Worked by hand: y 1 3 2 5, seconds 0 1 2 4. Slopes 2 .5 1 -1 .667 1.5; S = 4, variance 52/6. */
static void a_small_example_agrees_with_the_book(void **state)
{
	struct points p = {
		.time_ns = {0, SECOND, 2 * SECOND, 4 * SECOND}, .y = {1, 3, 2, 5}, .count = 4};
	struct trend trend = fit(&p);

	(void)state;
	assert_near(trend.slope_per_second, (2.0 / 3 + 1) / 2);
	assert_near(trend.z, 3 / sqrt(52.0 / 6));
	assert_near(trend.low, -1);
	assert_near(trend.high, 2);
}

static void times_need_not_be_even(void **state)
{
	struct points p = {.state = 99};
	uint64_t time = 5;

	(void)state;
	p.count = 100;
	for (size_t i = 0; i < p.count; i++) {
		time += 1 + (uint64_t)(uniform(&p) * 3e9);
		p.time_ns[i] = time;
		p.y[i] = -3.25 * (double)time / 1e9;
	}
	assert_near(fit(&p).slope_per_second, -3.25);
	assert_true(fit(&p).z < -1.96);
}

static void the_interval_covers_the_truth(void **state)
{
	struct points p = {.state = 20250101};
	int covered = 0, runs = 500;
	double widest = 0;

	(void)state;
	for (int run = 0; run < runs; run++) {
		struct trend trend;

		at_each_second(&p, 40);
		for (size_t i = 0; i < p.count; i++)
			p.y[i] = 700 + 2.5 * (double)i + 20 * gaussian(&p);
		trend = fit(&p);
		covered += trend.low <= 2.5 && 2.5 <= trend.high;
		widest = fmax(widest, trend.high - trend.low);
	}
	print_message("# covered %d of %d, widest %.2f\n", covered, runs, widest);
	assert_true(covered >= runs * 93 / 100);
	assert_true(covered < runs); /* an interval that always covers says too little */
	assert_true(widest < 2.5);
}

static void noise_alone_is_seldom_called_rising(void **state)
{
	struct points p = {.state = 777};
	int rising = 0, falling = 0;

	(void)state;
	for (int run = 0; run < 500; run++) {
		struct trend trend;

		at_each_second(&p, 60);
		for (size_t i = 0; i < p.count; i++)
			p.y[i] = gaussian(&p);
		trend = fit(&p);
		rising += trend.z > 1.96;
		falling += trend.z < -1.96;
	}
	assert_true(rising < 500 * 4 / 100 && falling < 500 * 4 / 100);
	assert_true(rising + falling > 0);
}

static void equal_values_have_no_trend(void **state)
{
	struct points p;
	struct trend trend;

	(void)state;
	at_each_second(&p, 50);
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 12345;
	trend = fit(&p);
	assert_true(trend.slope_per_second == 0 && trend.z == 0);
	assert_true(trend.low == 0 && trend.high == 0);
}

/* Two values, 0 and then 1, half of the points each: ties of 5 and 5. S = 25, variance 125 - 2 * 300/18. */
static void ties_lessen_the_variance(void **state)
{
	struct points p;

	(void)state;
	at_each_second(&p, 10);
	for (size_t i = 0; i < 10; i++)
		p.y[i] = i >= 5;
	assert_near(fit(&p).z, 24 / sqrt((10.0 * 9 * 25 - 2 * (5 * 4 * 15)) / 18));
}

static void one_wild_value_does_not_move_the_slope(void **state)
{
	struct points p;

	(void)state;
	at_each_second(&p, 30);
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 10 * (double)i;
	p.y[17] = 1e12;
	assert_near(fit(&p).slope_per_second, 10);
}

static void a_sawtooth_does_not_rise(void **state)
{
	struct points p;
	struct trend trend;

	(void)state;
	for (size_t period = 4; period <= 16; period++) {
		at_each_second(&p, period * 10);
		for (size_t i = 0; i < p.count; i++)
			p.y[i] = 1000 * (double)(i % period);
		trend = fit(&p);
		assert_true(trend.z < 1.96);
		assert_true(trend.low <= 0);
	}
}

static void a_warm_up_slows_down(void **state)
{
	struct points p = {.state = 31337};
	struct trend trend;

	(void)state;
	at_each_second(&p, 120);
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1e6 * log(1 + (double)i) + 1e4 * gaussian(&p);
	trend = fit(&p);
	assert_true(trend.z > 1.96);
	assert_true(trend.last_third_slope > 0);
	assert_true(trend.last_third_slope < trend.first_third_slope / 2);
}

static void a_step_rises_once_and_its_ends_are_flat(void **state)
{
	struct points p;
	struct trend trend;

	(void)state;
	at_each_second(&p, 90);
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = i < 45 ? 0 : 1e6;
	trend = fit(&p);
	assert_true(trend.first_third_slope == 0 && trend.last_third_slope == 0);
}

static void what_cannot_be_fitted_is_an_error(void **state)
{
	struct points p;
	struct trend trend = {.z = 42};
	static uint64_t time_ns[MAX_POINTS + 1];
	static double y[MAX_POINTS + 1];

	(void)state;
	at_each_second(&p, 5);
	for (size_t i = 0; i < 5; i++)
		p.y[i] = (double)i;
	assert_int_equal(trend_fit(p.time_ns, p.y, 0, &trend), -EINVAL);
	assert_int_equal(trend_fit(p.time_ns, p.y, 2, &trend), -EINVAL);
	p.y[3] = NAN;
	assert_int_equal(trend_fit(p.time_ns, p.y, 5, &trend), -EINVAL);
	p.y[3] = INFINITY;
	assert_int_equal(trend_fit(p.time_ns, p.y, 5, &trend), -EINVAL);
	p.y[3] = 3;
	p.time_ns[3] = 0;
	assert_int_equal(trend_fit(p.time_ns, p.y, 5, &trend), -EINVAL);
	assert_int_equal(trend_fit(time_ns, y, 5, &trend), -EINVAL); /* all at one time */
	assert_int_equal(trend_fit(time_ns, y, MAX_POINTS + 1, &trend), -E2BIG);
	time_ns[MAX_POINTS - 1] = 1;
	assert_true(trend.z == 42);
	assert_int_equal(trend_fit(time_ns, y, MAX_POINTS, &trend), 0);
}

static void without_memory_nothing_is_touched(void **state)
{
	struct points p;
	struct trend trend = {.z = 42};

	(void)state;
	at_each_second(&p, 20);
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = (double)i;
	oom_arm(1);
	assert_int_equal(trend_fit(p.time_ns, p.y, p.count, &trend), -ENOMEM);
	assert_true(oom_disarm());
	assert_true(trend.z == 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exact_line_has_its_slope_and_no_doubt),
		cmocka_unit_test(a_small_example_agrees_with_the_book),
		cmocka_unit_test(times_need_not_be_even),
		cmocka_unit_test(the_interval_covers_the_truth),
		cmocka_unit_test(noise_alone_is_seldom_called_rising),
		cmocka_unit_test(equal_values_have_no_trend),
		cmocka_unit_test(ties_lessen_the_variance),
		cmocka_unit_test(one_wild_value_does_not_move_the_slope),
		cmocka_unit_test(a_sawtooth_does_not_rise),
		cmocka_unit_test(a_warm_up_slows_down),
		cmocka_unit_test(a_step_rises_once_and_its_ends_are_flat),
		cmocka_unit_test(what_cannot_be_fitted_is_an_error),
		cmocka_unit_test(without_memory_nothing_is_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
