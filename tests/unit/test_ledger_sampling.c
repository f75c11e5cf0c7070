/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is estimated from windows, against what happened. */
#include "cmocka_all.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "account/ledger/ledger.h"

#define SECOND UINT64_C(1000000000)
#define HEAP   UINT64_C(0x7f0000000000)

static struct ledger *new_ledger(void)
{
	struct ledger *ledger;

	assert_int_equal(ledger_new(64 << 20, &ledger), 0);
	return ledger;
}

static void allocate(struct ledger *ledger, uint64_t number, stack_id stack, uint64_t time_ns,
		     bool followed)
{
	struct ledger_alloc alloc = {.address = HEAP + 64 * number,
				     .size_bytes = 48,
				     .time_ns = time_ns,
				     .stack = stack,
				     .tid = 1,
				     .followed = followed};

	assert_int_equal(ledger_record_alloc(ledger, &alloc), 0);
}

static void release(struct ledger *ledger, uint64_t number, uint64_t time_ns)
{
	struct ledger_release free = {.address = HEAP + 64 * number, .time_ns = time_ns, .tid = 1};

	ledger_record_free(ledger, &free);
}

static int end_window(struct ledger *ledger, uint64_t until_ns, uint64_t stands_ns,
		      uint64_t seen_ns)
{
	struct ledger_window window = {.until_ns = until_ns,
				       .known_ns = until_ns,
				       .stands_for_ns = stands_ns,
				       .seen_ns = seen_ns,
				       .lived_ns = seen_ns};

	return ledger_end_window(ledger, &window);
}

static struct ledger_estimate estimate_of(const struct ledger *ledger, site_id id)
{
	struct ledger_estimate estimates[8];

	assert_true(ledger_site_count(ledger) <= 8);
	assert_int_equal(ledger_estimate_sites(ledger, estimates), 0);
	return estimates[id - 1];
}

static void without_windows_the_estimate_is_the_count(void **state)
{
	struct ledger *ledger = new_ledger();
	struct ledger_estimate e;

	(void)state;
	for (int i = 0; i < 5; i++)
		allocate(ledger, i, 1, SECOND, false);
	release(ledger, 0, 2 * SECOND);
	e = estimate_of(ledger, 1);
	assert_true(e.allocs == 5 && e.alloc_bytes == 240);
	assert_true(e.outstanding_count == 4 && e.outstanding_bytes == 192);
	assert_true(e.outstanding_low == 192 && e.outstanding_high == 192);
	ledger_free(ledger);
}

static void a_window_stands_for_the_time_before_it(void **state)
{
	struct ledger *ledger = new_ledger();
	struct ledger_estimate e;

	(void)state;
	for (int i = 0; i < 5; i++)
		allocate(ledger, i, 1, SECOND, false);
	assert_int_equal(end_window(ledger, SECOND, SECOND, SECOND / 10), 0);
	e = estimate_of(ledger, 1);
	assert_float_equal(e.allocs, 50, 0.01);
	assert_float_equal(e.outstanding_count, 50, 0.01);
	assert_true(e.allocs_low < 50 && e.allocs_high > 50);
	assert_true(e.outstanding_low >= 5 * 48 && e.outstanding_high > e.outstanding_bytes);
	ledger_free(ledger);
}

static void followed_calls_are_a_site_of_their_own_and_count_once(void **state)
{
	struct ledger *ledger = new_ledger();

	(void)state;
	allocate(ledger, 1, 1, SECOND, false);
	allocate(ledger, 2, 1, SECOND, true);
	allocate(ledger, 3, 1, SECOND, true);
	assert_int_equal(end_window(ledger, SECOND, SECOND, SECOND / 100), 0);
	assert_int_equal(ledger_site_count(ledger), 2);
	assert_float_equal(estimate_of(ledger, 1).allocs, 100, 0.01);
	assert_true(estimate_of(ledger, 2).allocs == 2);
	assert_true(estimate_of(ledger, 2).outstanding_low == 96);
	assert_int_equal(ledger_verify(ledger), 0);
	ledger_free(ledger);
}

/* A block of each, in a tenth and in a half of the time. */
static void see_two_windows(struct ledger *ledger)
{
	allocate(ledger, 1, 1, SECOND - 1, false);
	assert_int_equal(end_window(ledger, SECOND, SECOND, SECOND / 10), 0);
	allocate(ledger, 2, 1, 2 * SECOND - 1, false);
	assert_int_equal(end_window(ledger, 2 * SECOND, SECOND, SECOND / 2), 0);
}

static void a_block_has_the_weight_of_the_window_it_was_born_in(void **state)
{
	struct ledger *ledger = new_ledger();

	(void)state;
	see_two_windows(ledger);
	assert_float_equal(estimate_of(ledger, 1).outstanding_count, 12, 0.01);
	release(ledger, 1, 3 * SECOND);
	assert_float_equal(estimate_of(ledger, 1).outstanding_count, 2, 0.01);
	ledger_free(ledger);
}

static void the_last_window_stands_for_the_time_after_it_too(void **state)
{
	struct ledger *ledger = new_ledger();

	(void)state;
	see_two_windows(ledger);
	assert_int_equal(end_window(ledger, 3 * SECOND, SECOND / 2, 0), 0);
	assert_float_equal(estimate_of(ledger, 1).allocs, 13, 0.01);
	assert_float_equal(estimate_of(ledger, 1).outstanding_count, 13, 0.01);
	assert_int_equal(end_window(ledger, 4 * SECOND, SECOND / 2, 0), 0);
	assert_float_equal(estimate_of(ledger, 1).allocs, 14, 0.01);
	ledger_free(ledger);
}

static void windows_that_cannot_be_are_refused(void **state)
{
	struct ledger *ledger = new_ledger();

	(void)state;
	assert_int_equal(end_window(ledger, SECOND, SECOND, 0), -EINVAL);
	assert_int_equal(end_window(ledger, SECOND, SECOND, SECOND), 0);
	assert_int_equal(end_window(ledger, SECOND, SECOND, SECOND), -EINVAL);
	ledger_free(ledger);
}

static void what_is_forgotten_counts_as_freed_once(void **state)
{
	struct ledger *ledger = new_ledger();
	struct ledger_counts counts;

	(void)state;
	allocate(ledger, 1, 1, SECOND, false);
	assert_true(ledger_has(ledger, HEAP + 64, SITE_HEAP, SECOND));
	assert_false(ledger_has(ledger, HEAP + 64, SITE_HEAP, SECOND + 1));
	ledger_forget(ledger, HEAP + 64, SITE_HEAP, 2 * SECOND);
	ledger_forget(ledger, HEAP + 64, SITE_HEAP, 2 * SECOND);
	ledger_counts(ledger, &counts);
	assert_int_equal(counts.forgotten, 1);
	assert_int_equal(counts.frees, 1);
	assert_int_equal(counts.live_count, 0);
	assert_int_equal(ledger_verify(ledger), 0);
	ledger_free(ledger);
}

static void no_more_is_estimated_than_the_heap_holds(void **state)
{
	uint64_t live_by_size[LEDGER_HISTOGRAM_SLOTS] = {0};
	struct ledger *ledger = new_ledger();
	struct ledger_estimate e[3];

	(void)state;
	for (int i = 0; i < 4; i++)
		allocate(ledger, i, 1, SECOND, false);
	for (int i = 4; i < 10; i++)
		allocate(ledger, i, 2, SECOND, false);
	allocate(ledger, 10, 3, SECOND, true);
	assert_int_equal(end_window(ledger, SECOND, SECOND, SECOND / 100), 0);
	assert_int_equal(ledger_estimate_sites(ledger, e), 0);
	assert_float_equal(e[0].outstanding_count, 400, 0.01);
	/* 48 B are in slot 5: 100 blocks, and the followed one. */
	live_by_size[5] = 101 * 48;
	ledger_bound_estimates(ledger, live_by_size, e);
	assert_float_equal(e[0].outstanding_count, 40, 0.01);
	assert_float_equal(e[1].outstanding_count, 60, 0.01);
	assert_true(e[2].outstanding_count == 1);
	/* What is seen is there, whatever the heap says. */
	live_by_size[5] = 0;
	ledger_bound_estimates(ledger, live_by_size, e);
	assert_true(e[0].outstanding_bytes >= 4 * 48 && e[1].outstanding_low >= 6 * 48);
	ledger_free(ledger);
}

/* Simulation */

static uint64_t seed;

static double uniform(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(seed >> 11) / (double)(UINT64_C(1) << 53);
}

/* A target of @rate allocations a second for a minute, of which each @keep-th stays, seen in windows of some 10 ms a
 * second at random times; its rate swings by half over ten seconds. */
struct outcome {
	double allocs, kept; /* truth */
	struct ledger_estimate told;
};

static struct outcome simulate(double rate, unsigned int keep)
{
	struct ledger *ledger = new_ledger();
	struct outcome out = {0};
	double now = 0, open = 0.9 * uniform(), close = open + 0.01, ended = 0;
	uint64_t number = 0;

	while (now < 60) {
		double swing = rate * (1 + 0.5 * sin(now * 2 * M_PI / 10));

		now += -log(1 - uniform()) / swing;
		out.allocs++;
		number++;
		out.kept += number % keep == 0;
		if (now > close) {
			uint64_t stands_ns = (uint64_t)((close - ended) * 1e9);

			assert_int_equal(end_window(ledger, (uint64_t)(close * 1e9), stands_ns,
						    (uint64_t)(0.01 * 1e9)),
					 0);
			ended = close;
			open = ended + 0.2 + 1.6 * uniform();
			close = open + 0.01;
		}
		if (now < open)
			continue;
		allocate(ledger, number, 1, (uint64_t)(now * 1e9), false);
		if (number % keep)
			release(ledger, number, (uint64_t)(now * 1e9) + 1);
	}
	/* The time since the last window is in none. */
	out.told = estimate_of(ledger, 1);
	out.told.allocs *= 60 / ended;
	out.told.allocs_low *= 60 / ended;
	out.told.allocs_high *= 60 / ended;
	ledger_free(ledger);
	return out;
}

static void estimates_have_no_bias_and_their_intervals_hold(void **state)
{
	double told = 0, truth = 0, told_kept = 0, truth_kept = 0;
	int inside = 0, inside_kept = 0, runs = 60;

	(void)state;
	seed = 20261126;
	for (int i = 0; i < runs; i++) {
		struct outcome out = simulate(4000 + 100 * i, 20);

		told += out.told.allocs / out.allocs;
		truth += 1;
		told_kept += out.told.outstanding_count / out.kept;
		truth_kept += 1;
		inside += out.told.allocs_low <= out.allocs && out.allocs <= out.told.allocs_high;
		inside_kept += out.told.outstanding_low <= 48 * out.kept &&
			       48 * out.kept <= out.told.outstanding_high;
	}
	print_message(
		"# estimate / truth: allocations %.3f, outstanding %.3f; intervals %d and %d of %d\n",
		told / truth, told_kept / truth_kept, inside, inside_kept, runs);
	assert_true(fabs(told / truth - 1) < 0.03);
	assert_true(fabs(told_kept / truth_kept - 1) < 0.05);
	assert_true(inside >= runs * 9 / 10);
	assert_true(inside_kept >= runs * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_windows_the_estimate_is_the_count),
		cmocka_unit_test(a_window_stands_for_the_time_before_it),
		cmocka_unit_test(followed_calls_are_a_site_of_their_own_and_count_once),
		cmocka_unit_test(a_block_has_the_weight_of_the_window_it_was_born_in),
		cmocka_unit_test(the_last_window_stands_for_the_time_after_it_too),
		cmocka_unit_test(windows_that_cannot_be_are_refused),
		cmocka_unit_test(what_is_forgotten_counts_as_freed_once),
		cmocka_unit_test(no_more_is_estimated_than_the_heap_holds),
		cmocka_unit_test(estimates_have_no_bias_and_their_intervals_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
