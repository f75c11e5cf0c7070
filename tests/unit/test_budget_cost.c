/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of costs: its text, and sums. What this cannot find: whether the figures are right on a machine; the
 * end-to-end test of a hunt's estimate (tests/e2e/cost.bats) does. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "capture/budget/cost.h"

static void fill(struct probe_costs *costs)
{
	cost_defaults(costs);
	costs->emulated_ns = 900;
	costs->session_ns = 1800;
	costs->return_ns = 2100;
	costs->stepped_ns = 14000;
	costs->nop5_ns = 600;
	costs->bare_syscall_ns = 250;
	costs->measured = true;
	costs->measured_at_s = 1700000000;
}

static void defaults_are_whole_but_not_measured(void **state)
{
	struct probe_costs costs;

	(void)state;
	cost_defaults(&costs);
	assert_false(costs.measured);
	assert_true(costs.measured_at_s == 0);
	assert_true(costs.stepped_ns > costs.session_ns && costs.session_ns > costs.emulated_ns);
	assert_true(costs.count_bias_ns < costs.count_ns);
}

static void what_is_written_is_read_back(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct probe_costs costs, back = {0};

	(void)state;
	fill(&costs);
	costs.event_ns = 123.4;
	assert_int_equal(cost_add_text(&text, &costs, UINT64_MAX), 0);
	assert_int_equal(cost_parse(text.buf, text.len, UINT64_MAX, &back), 0);
	assert_true(back.measured);
	assert_true(back.measured_at_s == costs.measured_at_s);
	assert_true(back.stepped_ns == 14000 && back.nop5_ns == 600);
	assert_true(back.event_ns == 123);
}

static void another_machines_figures_are_not_taken(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct probe_costs costs, back = {.emulated_ns = 42};

	(void)state;
	fill(&costs);
	cost_add_text(&text, &costs, 7);
	assert_int_equal(cost_parse(text.buf, text.len, 8, &back), -ESTALE);
	assert_true(back.emulated_ns == 42);
}

static void a_text_cut_anywhere_is_damaged(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct probe_costs costs, back = {.emulated_ns = 42};

	(void)state;
	fill(&costs);
	cost_add_text(&text, &costs, 7);
	for (size_t size = 0; size < text.len; size++)
		assert_int_equal(cost_parse(text.buf, size, 7, &back), -EINVAL);
	strbuf_addch(&text, 'x');
	assert_int_equal(cost_parse(text.buf, text.len, 7, &back), -EINVAL);
	assert_true(back.emulated_ns == 42);
}

/* The text with a piece of it exchanged. */
static int parse_with(const char *old, const char *new)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT, changed = STRBUF_INIT;
	struct probe_costs costs, back;
	const char *at;

	fill(&costs);
	cost_add_text(&text, &costs, 7);
	at = strstr(text.buf, old);
	assert_non_null(at);
	strbuf_add(&changed, text.buf, (size_t)(at - text.buf));
	strbuf_addstr(&changed, new);
	strbuf_addstr(&changed, at + strlen(old));
	return cost_parse(changed.buf, changed.len, 7, &back);
}

static void values_that_cannot_be_true_are_refused(void **state)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct probe_costs costs, back;

	(void)state;
	assert_int_equal(parse_with("emulated_ns=900", "emulated_ns=901"), 0);
	assert_int_equal(parse_with("emulated_ns=900", "emulated_ns=0"), -EINVAL);
	assert_int_equal(parse_with("emulated_ns=900", "emulated_ns=-900"), -EINVAL);
	assert_int_equal(parse_with("emulated_ns=900", "emulated_ns=1e3"), -EINVAL);
	assert_int_equal(parse_with("emulated_ns=900", "emulated_ns=99999999999"), -EINVAL);
	assert_int_equal(parse_with("emulated_ns=900", "emulated_ns="), -EINVAL);
	assert_int_equal(parse_with("emulated_ns=", "emulated_xs="), -EINVAL);
	assert_int_equal(parse_with("holdfast-costs 1", "holdfast-costs 2"), -EINVAL);
	fill(&costs);
	cost_add_text(&text, &costs, 7);
	text.buf[text.len / 2] = '\0';
	assert_int_equal(cost_parse(text.buf, text.len, 7, &back), -EINVAL);
}

static void figures_hold_while_a_system_call_takes_as_long(void **state)
{
	struct probe_costs costs;

	(void)state;
	fill(&costs);
	assert_true(cost_still_holds(&costs, 250));
	assert_true(cost_still_holds(&costs, 350));
	assert_true(cost_still_holds(&costs, 180));
	assert_false(cost_still_holds(&costs, 1150));
	assert_false(cost_still_holds(&costs, 60));
}

static void a_call_at_a_dear_place_costs_its_step_once(void **state)
{
	struct probe_costs costs;

	(void)state;
	fill(&costs);
	assert_float_equal(cost_of_entry(&costs, COST_EMULATED), 900 * COST_IN_COMPANY, 0.1);
	assert_float_equal(cost_of_entry(&costs, COST_NOP5), 600 * COST_IN_COMPANY, 0.1);
	assert_float_equal(cost_of_entry(&costs, COST_STEPPED), 14000 * COST_IN_COMPANY, 0.1);
	assert_float_equal(cost_of_call(&costs, COST_EMULATED, true), 1800 * COST_IN_COMPANY, 0.1);
	assert_float_equal(cost_of_call(&costs, COST_EMULATED, false), 2100 * COST_IN_COMPANY, 0.1);
	assert_float_equal(cost_of_call(&costs, COST_STEPPED, true), 14900 * COST_IN_COMPANY, 0.1);
	assert_float_equal(cost_of_call(&costs, COST_NOP5, true), 1500 * COST_IN_COMPANY, 0.1);
	costs.session_ns = 200; /* noise: never below nothing */
	costs.nop5_ns = 600;
	assert_float_equal(cost_of_call(&costs, COST_NOP5, true), 200 * COST_IN_COMPANY, 0.1);
}

static void hits_cost_their_traps_and_programs_without_the_counting(void **state)
{
	struct cost_hits hits = {.calls = 10, .entries = 5, .runs = 25, .program_ns = 20000};
	struct probe_costs costs;

	(void)state;
	fill(&costs);
	costs.count_bias_ns = 40;
	assert_true(cost_of_hits(&costs, &hits, 1800, 900) == 18000 + 4500 + 19000);
	hits.steps = 2;
	assert_float_equal(cost_of_hits(&costs, &hits, 1800, 900),
			   18000 + 4500 + 19000 + 2 * 14000 * COST_IN_COMPANY, 0.1);
	hits.steps = 0;
	hits.program_ns = 100;
	assert_true(cost_of_hits(&costs, &hits, 1800, 900) == 18000 + 4500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_whole_but_not_measured),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(another_machines_figures_are_not_taken),
		cmocka_unit_test(a_text_cut_anywhere_is_damaged),
		cmocka_unit_test(values_that_cannot_be_true_are_refused),
		cmocka_unit_test(figures_hold_while_a_system_call_takes_as_long),
		cmocka_unit_test(a_call_at_a_dear_place_costs_its_step_once),
		cmocka_unit_test(hits_cost_their_traps_and_programs_without_the_counting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
