/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_all.h"

#include <math.h>

#include "base/hashmap.h"
#include "capture/budget/plan.h"

#define SHARE 0.01

static void a_cost_is_hits_times_what_each_takes(void **state)
{
	struct budget_costs costs = {.alloc_ns = 3000, .free_ns = 1000, .followed_ns = 3500};
	struct budget_hits hits = {.allocs = 10, .frees = 8, .followed = 2};

	(void)state;
	assert_true(budget_cost_ns(&costs, &hits) == 45000);
}

static void busy_cores_have_each_their_share_and_an_idle_one_has_one(void **state)
{
	(void)state;
	assert_true(budget_allowed_ns(2, 0.1, 1000000000) == 20000000);
	assert_true(budget_allowed_ns(2, 4, 1000000000) == 80000000);
}

/* Windows of a target that loses @taken of its time to one, each open a little longer than asked; what they take in all. */
static double long_run_share(double taken, double late_ns)
{
	struct budget_window window = {10000000, taken * 1e7};
	double cost = 0, time = 0, allowed = 0;
	uint64_t random = 7;

	for (int i = 0; i < 3000; i++) {
		struct budget_step step;

		random = hash_u64(random + 1, random);
		step = budget_next(&window, SHARE, cost - allowed, random, BUDGET_PERIOD_NS);
		window.on_ns = step.hold_ns + (uint64_t)late_ns;
		window.cost_ns = taken * (double)window.on_ns;
		time += (double)(step.gap_ns + window.on_ns);
		cost += window.cost_ns;
		allowed = SHARE * time;
	}
	return cost / time;
}

static void windows_take_their_share_whatever_they_cost(void **state)
{
	(void)state;
	for (double taken = 0.02; taken < 1; taken *= 1.7)
		for (double late_ns = 1e6; late_ns < 1e8; late_ns *= 3) {
			double share = long_run_share(taken, late_ns);

			assert_true(share < 1.02 * SHARE);
			assert_true(share > 0.9 * SHARE);
		}
}

static void cheap_windows_are_longer(void **state)
{
	struct budget_window dear = {10000000, 9500000}, cheap = {10000000, 300000};
	struct budget_step a = budget_next(&dear, SHARE, 0, 1, BUDGET_PERIOD_NS),
			   b = budget_next(&cheap, SHARE, 0, 1, BUDGET_PERIOD_NS);

	(void)state;
	assert_true(a.hold_ns >= BUDGET_HOLD_MIN_NS && b.hold_ns <= BUDGET_HOLD_MAX_NS);
	assert_true(b.hold_ns > 10 * a.hold_ns);
}

static void what_was_spent_ahead_is_paid_back_but_windows_go_on(void **state)
{
	struct budget_window window = {10000000, 9500000};
	struct budget_step even = budget_next(&window, SHARE, 0, 1, BUDGET_PERIOD_NS);
	struct budget_step behind = budget_next(&window, SHARE, 1e9, 1, BUDGET_PERIOD_NS);
	struct budget_step ahead = budget_next(&window, SHARE, -1e9, 1, BUDGET_PERIOD_NS);

	(void)state;
	assert_true(behind.gap_ns > even.gap_ns && behind.gap_ns <= BUDGET_GAP_MAX_NS);
	assert_true(behind.gap_ns < 4 * even.gap_ns);
	assert_true(ahead.gap_ns < even.gap_ns);
}

static void a_window_is_as_long_as_its_probes_were_in_whenever_its_events_came(void **state)
{
	static const struct {
		uint64_t first, last, from, until;
	} cases[] = {
		{300, 301, 120, 500}, /* all at one tick of a clock */
		{0, 0, 120, 500},
		{105, 530, 105, 530}, /* before all were in, and after */
		{90, 570, 120, 500},  /* of another window */
	};
	static const struct budget_times times = {100, 120, 500, 560};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct budget_span span = budget_span(&times, cases[i].first, cases[i].last);

		assert_int_equal(span.from_ns, cases[i].from);
		assert_int_equal(span.until_ns, cases[i].until);
	}
}

static void openings_are_not_regular(void **state)
{
	struct budget_window window = {10000000, 9500000};
	uint64_t least = UINT64_MAX, most = 0, random = 3;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t gap_ns;

		random = hash_u64(random + 1, random);
		gap_ns = budget_next(&window, SHARE, 0, random, BUDGET_PERIOD_NS).gap_ns;
		least = gap_ns < least ? gap_ns : least;
		most = gap_ns > most ? gap_ns : most;
	}
	assert_true((double)most > 1.7 * (double)least);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cost_is_hits_times_what_each_takes),
		cmocka_unit_test(busy_cores_have_each_their_share_and_an_idle_one_has_one),
		cmocka_unit_test(windows_take_their_share_whatever_they_cost),
		cmocka_unit_test(cheap_windows_are_longer),
		cmocka_unit_test(what_was_spent_ahead_is_paid_back_but_windows_go_on),
		cmocka_unit_test(
			a_window_is_as_long_as_its_probes_were_in_whenever_its_events_came),
		cmocka_unit_test(openings_are_not_regular),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
