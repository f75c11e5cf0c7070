/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made-up target: it does @rate system calls a second of CPU time of its own, and wants @demand of the time. */
#include "cmocka_all.h"

#include <math.h>

#include "base/hashmap.h"
#include "capture/budget/pace.h"

#define MS     1000000.0
#define PIECES 30

struct target {
	double demand;       /* share of a core that it needs for its work */
	double calls_per_ms; /* of work */
	double cost; /* share of a core that probes take in a window, as long as it gets that much */
	double believed; /* what a calibration says of @cost, as a part of it */
	double noise;    /* of the work done from piece to piece */
	uint64_t seed;
	struct pace_reading now;
};

static double draw(struct target *target)
{
	target->seed = hash_u64(target->seed + 1, target->seed);
	return (double)(target->seed >> 11) / (double)(1ULL << 53);
}

static struct pace_reading go_on(struct target *target, double ms, double share, double cost)
{
	struct pace_reading before = target->now;
	double work = ms * share * (1 + target->noise * (2 * draw(target) - 1));

	target->now.time_ns += (uint64_t)(ms * MS);
	target->now.cpu_ns += (uint64_t)((work + ms * cost) * MS);
	target->now.calls += (uint64_t)(work * target->calls_per_ms);
	return before;
}

/* What windows find; *@ret_true: how much more slowly it got on. */
static struct pace_slowdown watch(struct target *target, double *ret_true)
{
	double left = 1 - target->cost, inside = fmin(target->demand, left);
	struct pace pace = {0};

	*ret_true = target->demand / inside;
	for (int i = 0; i < PIECES; i++) {
		struct pace_reading before = go_on(target, 700, target->demand, 0);

		pace_outside(&pace, &before, &target->now);
		before = go_on(target, 10, inside, target->cost);
		pace_inside(&pace, &before, &target->now,
			    10 * MS * target->cost * target->believed);
	}
	return pace_slowdown(&pace);
}

static void a_target_with_time_to_spare_is_not_slowed_down(void **state)
{
	struct target target = {.demand = 0.3, .cost = 0.4, .believed = 1, .noise = 0.1};
	struct pace_slowdown found;
	double truth;

	(void)state;
	found = watch(&target, &truth);
	assert_true(truth == 1);
	assert_true(found.factor < 1.1);
	assert_true(found.error > 0 && found.error < 0.3);
}

static void cheap_probes_slow_nothing_down_however_its_work_varies(void **state)
{
	struct target target = {
		.demand = 0.05, .cost = 0.004, .calls_per_ms = 4, .believed = 1, .noise = 0.9};
	struct pace_slowdown found;
	double truth;

	(void)state;
	for (int i = 0; i < 10; i++) {
		found = watch(&target, &truth);
		assert_true(truth == 1);
		assert_true(found.factor < 1.006);
		assert_true(found.error < 0.006);
	}
}

static void
one_with_little_work_and_time_to_spare_is_not_slowed_down_whatever_probes_cost(void **state)
{
	(void)state;
	for (double believed = 0.7; believed < 1.2; believed += 0.1) {
		struct target target = {
			.demand = 0.03, .cost = 0.2, .believed = believed, .noise = 0.5};
		double truth;
		struct pace_slowdown found = watch(&target, &truth);

		assert_true(truth == 1);
		assert_true(found.factor < 1.001);
		assert_true(found.error < 0.06);
	}
}

static void its_own_work_tells_how_much_a_busy_one_is_slowed_down(void **state)
{
	(void)state;
	for (double cost = 0.2; cost < 0.7; cost += 0.1) {
		struct target target = {.demand = 1, .cost = cost, .believed = 1.05, .noise = 0.1};
		double truth;
		struct pace_slowdown found = watch(&target, &truth);

		assert_true(fabs(found.factor / truth - 1) < 2 * found.error);
		assert_true(found.error < 0.4);
	}
}

static void system_calls_tell_it_where_probes_leave_next_to_nothing(void **state)
{
	struct target target = {
		.demand = 1, .cost = 0.95, .believed = 1.1, .noise = 0.2, .calls_per_ms = 80};
	struct pace_slowdown found;
	double truth;

	(void)state;
	found = watch(&target, &truth);
	assert_true(fabs(truth - 20) < 0.01);
	assert_true(fabs(found.factor / truth - 1) < 0.1);
	assert_true(found.error < 0.1);
}

static void without_any_the_order_of_magnitude_is_open_and_that_is_told(void **state)
{
	struct target target = {.demand = 1, .cost = 0.95, .believed = 0.92, .noise = 0.1};
	struct pace_slowdown found;
	double truth;

	(void)state;
	found = watch(&target, &truth);
	assert_true(found.factor < truth);
	assert_true(found.factor * (1 + 1.96 * found.error) > truth);
}

static void nothing_read_is_no_slowdown(void **state)
{
	struct pace pace = {0};
	struct pace_reading same = {.time_ns = 5, .cpu_ns = 3, .calls = 9};
	struct pace_slowdown found;

	(void)state;
	pace_outside(&pace, &same, &same);
	pace_inside(&pace, &same, &same, 0);
	found = pace_slowdown(&pace);
	assert_true(found.factor == 1 && found.error == 0);
}

/* Counters that go back: a process that ended is in them no more. */
static void what_cannot_be_harms_nothing(void **state)
{
	struct pace pace = {0};
	struct pace_reading one = {.time_ns = 1000, .cpu_ns = 900, .calls = 1000};
	struct pace_reading two = {.time_ns = 2000, .cpu_ns = 0, .calls = 0};
	struct pace_slowdown found;

	(void)state;
	for (int i = 0; i < 3; i++) {
		pace_outside(&pace, &one, &two);
		pace_inside(&pace, &one, &two, 1e300);
		pace_inside(&pace, &two, &one, -1e300);
	}
	found = pace_slowdown(&pace);
	assert_true(found.factor >= 1 && found.factor <= 1000);
	assert_true(found.error >= 0 && isfinite(found.error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_with_time_to_spare_is_not_slowed_down),
		cmocka_unit_test(cheap_probes_slow_nothing_down_however_its_work_varies),
		cmocka_unit_test(
			one_with_little_work_and_time_to_spare_is_not_slowed_down_whatever_probes_cost),
		cmocka_unit_test(its_own_work_tells_how_much_a_busy_one_is_slowed_down),
		cmocka_unit_test(system_calls_tell_it_where_probes_leave_next_to_nothing),
		cmocka_unit_test(without_any_the_order_of_magnitude_is_open_and_that_is_told),
		cmocka_unit_test(nothing_read_is_no_slowdown),
		cmocka_unit_test(what_cannot_be_harms_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
