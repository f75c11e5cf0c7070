/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/trace_plan.h"

#include "cmocka_all.h"

#define MINUTE 60000000000ULL

static void each_mode_waits_for_its_sign(void **state)
{
	const struct trace_state fresh = {.pauses = 0};
	struct trace_signs signs = {.now_ns = MINUTE};

	(void)state;
	signs.when = AGENT_ALWAYS;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_ALWAYS);
	signs.when = AGENT_WHEN_SUSPECTED;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_NO);
	signs.suspected = true;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_MAYBE_GROWING);
	signs.when = AGENT_WHEN_GROWING;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_NO);
	signs.growing = true;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_GROWING);
	signs.when = AGENT_WHEN_PERSISTENT;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_NO);
	signs.persistent = true;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_GROWING);
}

static void who_asks_comes_first_but_never_where_nothing_may_be_traced(void **state)
{
	const struct trace_state asked = {.asked_until_ns = 2 * MINUTE};
	const struct trace_state fresh = {.pauses = 0};
	struct trace_signs signs = {.when = AGENT_WHEN_PERSISTENT, .now_ns = MINUTE};

	(void)state;
	assert_int_equal(trace_wanted(&asked, &signs), TRACE_ASKED);
	signs.now_ns = 2 * MINUTE;
	assert_int_equal(trace_wanted(&asked, &signs), TRACE_NO);
	signs.session = true;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_ASKED);
	signs.when = AGENT_NEVER;
	assert_int_equal(trace_wanted(&fresh, &signs), TRACE_NO);
}

static void pauses_get_longer_where_nothing_is_found(void **state)
{
	struct trace_state trace = {.pauses = 0};
	struct trace_signs signs = {.when = AGENT_WHEN_GROWING,
				    .growing = true,
				    .growth_bytes_per_second = 1e6,
				    .now_ns = MINUTE};
	uint64_t last = 0;

	(void)state;
	for (int i = 0; i < 10; i++) {
		uint64_t pause;

		trace_ended(&trace, &signs, false, MINUTE);
		pause = trace.not_before_ns - signs.now_ns;
		assert_true(pause >= last && pause <= TRACE_PAUSE_MOST * MINUTE);
		assert_int_equal(trace_wanted(&trace, &signs), TRACE_NO);
		last = pause;
		signs.now_ns = trace.not_before_ns;
		assert_int_equal(trace_wanted(&trace, &signs), TRACE_GROWING);
	}
	assert_int_equal(last, TRACE_PAUSE_MOST * MINUTE);
	/* A leak that is known is looked at again soon. */
	trace_ended(&trace, &signs, true, MINUTE);
	assert_int_equal(trace.not_before_ns - signs.now_ns, TRACE_LEAK_PAUSE * MINUTE);
}

static void much_faster_growth_ends_a_pause(void **state)
{
	struct trace_state trace = {.pauses = 0};
	struct trace_signs signs = {.when = AGENT_WHEN_GROWING,
				    .growing = true,
				    .growth_bytes_per_second = 1e6,
				    .now_ns = MINUTE};

	(void)state;
	trace_ended(&trace, &signs, false, MINUTE);
	signs.growth_bytes_per_second = 1.5e6;
	assert_int_equal(trace_wanted(&trace, &signs), TRACE_NO);
	signs.growth_bytes_per_second = 2.5e6;
	assert_int_equal(trace_wanted(&trace, &signs), TRACE_GROWING);
}

#define MIB ((uint64_t)1 << 20)

static void as_many_are_traced_at_once_as_memory_allows(void **state)
{
	struct trace_memory memory = {.most_bytes = 64 * MIB, .own_bytes = 8 * MIB};

	(void)state;
	/* None has told yet: what one usually takes is reckoned with. */
	while (trace_fits(&memory))
		memory.jobs++;
	assert_true(memory.jobs >= 20);
	assert_true(trace_memory_bytes(&memory) + TRACE_REPORT_BYTES <= memory.most_bytes);
	/* Dear ones have told. */
	memory.jobs = memory.told = 5;
	memory.told_bytes = 5 * 12 * MIB;
	assert_false(trace_fits(&memory));
	assert_true(trace_overflows(&memory));
	memory.told_bytes = 5 * 10 * MIB;
	assert_false(trace_overflows(&memory));
}

static void for_growth_only_a_few_share_the_budget_at_once(void **state)
{
	struct trace_memory memory = {.most_bytes = 64 * MIB, .own_bytes = 8 * MIB};

	(void)state;
	while (trace_may_begin(&memory, TRACE_GROWING))
		memory.growing = ++memory.jobs;
	assert_int_equal(memory.jobs, TRACES_GROWING_MOST);
	assert_false(trace_may_begin(&memory, TRACE_MAYBE_GROWING));
	assert_true(trace_may_begin(&memory, TRACE_ALWAYS));
	assert_true(trace_may_begin(&memory, TRACE_ASKED));
}

static void one_is_traced_whatever_it_takes(void **state)
{
	struct trace_memory memory = {.most_bytes = 24 * MIB, .own_bytes = 30 * MIB};

	(void)state;
	assert_true(trace_fits(&memory));
	memory.jobs = memory.told = 1;
	memory.told_bytes = 40 * MIB;
	assert_false(trace_fits(&memory));
	assert_false(trace_overflows(&memory));
}

static void who_was_ended_for_memory_does_not_come_back_at_once(void **state)
{
	struct trace_memory memory = {.most_bytes = 64 * MIB,
				      .own_bytes = 8 * MIB,
				      .jobs = 20,
				      .told = 20,
				      .told_bytes = 57 * MIB};

	(void)state;
	assert_true(trace_overflows(&memory));
	memory.jobs = memory.told = 19;
	memory.told_bytes -= memory.told_bytes / 20;
	assert_false(trace_overflows(&memory));
	assert_false(trace_fits(&memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mode_waits_for_its_sign),
		cmocka_unit_test(who_asks_comes_first_but_never_where_nothing_may_be_traced),
		cmocka_unit_test(pauses_get_longer_where_nothing_is_found),
		cmocka_unit_test(much_faster_growth_ends_a_pause),
		cmocka_unit_test(as_many_are_traced_at_once_as_memory_allows),
		cmocka_unit_test(for_growth_only_a_few_share_the_budget_at_once),
		cmocka_unit_test(one_is_traced_whatever_it_takes),
		cmocka_unit_test(who_was_ended_for_memory_does_not_come_back_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
