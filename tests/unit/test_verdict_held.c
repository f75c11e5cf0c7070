/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process holds, where calls are seen in windows: the sum of the estimates; and whether that swings. */
#include "unit/verdict_world.h"

/* A second of which a hundredth was seen. */
static void end_window(struct world *w)
{
	struct ledger_window window = {
		.until_ns = w->now_ns,
		.known_ns = w->now_ns,
		.stands_for_ns = SECOND,
		.seen_ns = SECOND / 100,
		.lived_ns = SECOND / 100,
	};

	assert_int_equal(ledger_end_window(w->ledger, &window), 0);
}

static void what_is_held_is_estimated_where_calls_are_seen_in_windows(void **state)
{
	struct verdict_held held;
	struct verdict *v;
	struct world w;

	(void)state;
	world_init(&w);
	take(&w, 1, 1000);
	assert_int_equal(verdict_held(w.ledger, NULL, &held), 0);
	assert_int_equal(held.bytes, 1000);
	assert_int_equal(held.count, 1);
	assert_false(held.estimated);
	w.now_ns += SECOND;
	end_window(&w);
	assert_int_equal(verdict_held(w.ledger, NULL, &held), 0);
	assert_int_equal(held.bytes, 100000);
	assert_int_equal(held.count, 100);
	assert_true(held.estimated);
	v = judge(&w);
	assert_int_equal(v->processes[0].held.bytes, held.bytes);
	assert_true(v->processes[0].held.estimated);
	verdict_free(v);
	world_done(&w);
}

static void stacks_of_threads_are_told_apart_from_what_is_held(void **state)
{
	struct ledger_alloc stack = {.address = 64 << 12,
				     .size_bytes = 8 << 20,
				     .time_ns = 1,
				     .stack = 9,
				     .tid = 1,
				     .class = SITE_STACK};
	struct verdict_held held;
	struct world w;

	(void)state;
	world_init(&w);
	take(&w, 1, 1000);
	assert_int_equal(verdict_held(w.ledger, NULL, &held), 0);
	assert_int_equal(held.stack_bytes, 0);
	assert_int_equal(ledger_record_map(w.ledger, &stack), 0);
	assert_int_equal(verdict_held(w.ledger, NULL, &held), 0);
	assert_int_equal(held.bytes, 1000 + (8 << 20));
	assert_int_equal(held.stack_bytes, 8 << 20);
	w.now_ns += SECOND;
	end_window(&w);
	assert_int_equal(verdict_held(w.ledger, NULL, &held), 0);
	assert_int_equal(held.stack_bytes, 8 << 20);
	world_done(&w);
}

/* What is estimated jumps with each window, to @low between them; looks count 400,000 or @low as well. */
static enum verdict_state judge_windows(uint64_t low, bool heap_swings)
{
	struct lost_evidence *looks = calloc(1, sizeof(*looks));
	enum verdict_state state;
	struct verdict *v;
	struct world w;

	world_init(&w);
	lost_evidence_init(looks);
	for (int s = 0; s < 60; s++) {
		uint64_t swings = s % 6 < 3 ? low : 400000;
		struct sample sample = {.rss_bytes = 10000000, .heap_live_bytes = swings};

		w.now_ns += SECOND;
		end_window(&w);
		sample.time_ns = w.now_ns;
		assert_int_equal(gauge_add(w.gauge, &sample), 0);
		assert_int_equal(series_sample(w.series, w.ledger, NULL, w.now_ns), 0);
		looks->readings[looks->reading_count++] = (struct heap_reading){
			.time_ns = w.now_ns, .live_bytes = heap_swings ? swings : 400000};
	}
	v = judge_by(&w, w.gauge, looks);
	state = v->state;
	verdict_free(v);
	lost_evidence_done(looks);
	free(looks);
	world_done(&w);
	return state;
}

static void whether_the_heap_swings_is_told_by_looks_where_calls_are_seen_in_windows(void **state)
{
	(void)state;
	assert_int_equal(judge_windows(20000, false), VERDICT_STEADY);
	assert_int_equal(judge_windows(20000, true), VERDICT_CYCLIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_held_is_estimated_where_calls_are_seen_in_windows),
		cmocka_unit_test(stacks_of_threads_are_told_apart_from_what_is_held),
		cmocka_unit_test(
			whether_the_heap_swings_is_told_by_looks_where_calls_are_seen_in_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
