/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "account/stack/stack_table.h"

#include <errno.h>

#include <holdfast/event.h>
#include <holdfast/limits.h>

#include "cmocka_all.h"
#include "oom.h"

static struct stack_table *new_table(void)
{
	struct stack_table *table;

	assert_int_equal(stack_table_new(64 << 20, &table), 0);
	return table;
}

static struct stack_table_counts counts_of(const struct stack_table *table)
{
	struct stack_table_counts counts;

	stack_table_counts(table, &counts);
	return counts;
}

static stack_id add(struct stack_table *table, uint64_t hash, const uint64_t *pcs, uint16_t depth)
{
	struct stack_trace trace = {.hash = hash,
				    .first_seen_ns = 5,
				    .pid = 42,
				    .depth = depth,
				    .end = HF_STACK_COMPLETE,
				    .pcs = pcs};
	stack_id id = 0;

	assert_int_equal(stack_table_add(table, &trace, &id), 0);
	return id;
}

static void a_trace_keeps_its_number_and_frames(void **state)
{
	struct stack_table *t = new_table();
	const uint64_t pcs[] = {1, 2, 3}, others[] = {1, 2, 4, 5};
	const struct stack_trace *trace;

	(void)state;
	assert_int_equal(add(t, 100, pcs, 3), 1);
	assert_int_equal(add(t, 200, others, 4), 2);
	assert_int_equal(add(t, 100, pcs, 3), 1);
	trace = stack_table_at(t, 1);
	assert_int_equal(trace->depth, 3);
	assert_int_equal(trace->hash, 100);
	assert_int_equal(trace->pid, 42);
	assert_memory_equal(trace->pcs, pcs, sizeof(pcs));
	assert_null(stack_table_at(t, 0));
	assert_null(stack_table_at(t, 3));
	assert_int_equal(counts_of(t).traces, 2);
	assert_int_equal(counts_of(t).frames, 7);
	assert_int_equal(counts_of(t).collisions, 0);
	assert_int_equal(counts_of(t).by_end[HF_STACK_COMPLETE], 2);
	stack_table_free(t);
}

static void other_frames_under_a_known_hash_are_a_collision(void **state)
{
	struct stack_table *t = new_table();
	const uint64_t pcs[] = {1, 2, 3}, others[] = {1, 2, 4};
	struct stack_trace foreign = {.hash = 100, .pid = 43, .depth = 3, .pcs = pcs};
	stack_id id;

	(void)state;
	add(t, 100, pcs, 3);
	assert_int_equal(add(t, 100, others, 3), 1);
	assert_int_equal(add(t, 100, pcs, 2), 1);
	assert_int_equal(counts_of(t).collisions, 2);
	assert_memory_equal(stack_table_at(t, 1)->pcs, pcs, sizeof(pcs));
	assert_int_equal(stack_table_add(t, &foreign, &id), 0);
	assert_int_equal(counts_of(t).collisions, 3);
	assert_int_equal(stack_table_at(t, 1)->pid, 42);
	stack_table_free(t);
}

static void frames_that_come_late_complete_the_trace(void **state)
{
	struct stack_table *t = new_table();
	const uint64_t pcs[] = {1, 2, 3};
	stack_id id = 9;

	(void)state;
	assert_int_equal(stack_table_lookup(t, 0, 42, 1, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(stack_table_lookup(t, 100, 42, 1, &id), 0);
	assert_int_equal(id, 1);
	assert_int_equal(stack_table_at(t, 1)->end, HF_STACK_END_COUNT);
	assert_int_equal(stack_table_at(t, 1)->depth, 0);
	assert_int_equal(counts_of(t).unknown, 1);
	assert_int_equal(add(t, 100, pcs, 3), 1);
	assert_int_equal(stack_table_at(t, 1)->depth, 3);
	assert_int_equal(stack_table_at(t, 1)->first_seen_ns, 1);
	assert_int_equal(counts_of(t).unknown, 0);
	assert_int_equal(counts_of(t).by_end[HF_STACK_END_COUNT], 0);
	assert_int_equal(counts_of(t).collisions, 0);
	stack_table_free(t);
}

static void a_trace_without_frames_is_known_all_the_same(void **state)
{
	struct stack_table *t = new_table();
	struct stack_trace empty = {.hash = 1, .pid = 1, .end = HF_STACK_NO_PROCESS};
	stack_id id;

	(void)state;
	assert_int_equal(stack_table_add(t, &empty, &id), 0);
	assert_int_equal(counts_of(t).unknown, 0);
	assert_int_equal(counts_of(t).by_end[HF_STACK_NO_PROCESS], 1);
	assert_int_equal(stack_table_add(t, &empty, &id), 0);
	assert_int_equal(counts_of(t).collisions, 0);
	stack_table_free(t);
}

static void a_damaged_trace_is_refused(void **state)
{
	struct stack_table *t = new_table();
	uint64_t pcs[HF_MAX_FRAMES + 1] = {0};
	struct stack_trace trace = {.hash = 0, .depth = 1, .pcs = pcs};
	stack_id id = 77;

	(void)state;
	assert_int_equal(stack_table_add(t, &trace, &id), -EINVAL);
	trace.hash = 1;
	trace.depth = HF_MAX_FRAMES + 1;
	assert_int_equal(stack_table_add(t, &trace, &id), -EINVAL);
	trace.depth = HF_MAX_FRAMES;
	trace.end = HF_STACK_END_COUNT;
	assert_int_equal(stack_table_add(t, &trace, &id), -EINVAL);
	assert_int_equal(id, 77);
	assert_int_equal(counts_of(t).traces, 0);
	trace.end = HF_STACK_TRUNCATED;
	assert_int_equal(stack_table_add(t, &trace, &id), 0);
	stack_table_free(t);
}

static void past_the_bound_traces_are_refused_and_known_ones_stay(void **state)
{
	const uint64_t bound = 200000;
	struct stack_table *t;
	uint64_t pcs[30], refused = 0, kept = 0;

	(void)state;
	assert_int_equal(stack_table_new(100, &t), -ENOSPC);
	assert_int_equal(stack_table_new(bound, &t), 0);
	for (uint64_t i = 1; i <= 5000; i++) {
		struct stack_trace trace = {.hash = i, .pid = 1, .depth = 30, .pcs = pcs};
		stack_id id;
		int err;

		for (uint64_t j = 0; j < 30; j++)
			pcs[j] = i + j;
		err = stack_table_add(t, &trace, &id);
		assert_true(err == 0 || err == -ENOSPC);
		refused += err != 0;
		kept += !err;
		assert_true(counts_of(t).memory_bytes <= bound);
	}
	assert_true(kept > 400);
	assert_int_equal(counts_of(t).refused, refused);
	for (stack_id id = 1; id <= kept; id++) {
		assert_int_equal(stack_table_at(t, id)->hash, id);
		assert_int_equal(stack_table_at(t, id)->pcs[29], id + 29);
	}
	stack_table_free(t);
}

static void a_hundred_thousand_traces_stay_small(void **state)
{
	struct stack_table *t = new_table();
	uint64_t pcs[30] = {0};
	stack_id id;

	(void)state;
	for (uint64_t i = 1; i <= 100000; i++) {
		pcs[0] = i;
		assert_int_equal(add(t, i << 40, pcs, 30), i);
	}
	print_message("# bytes per trace of 30 frames: %.0f\n",
		      (double)counts_of(t).memory_bytes / 100000);
	assert_true(counts_of(t).memory_bytes / 100000 <= 30 * 8 + 48);
	for (uint64_t i = 1; i <= 100000; i++) {
		assert_int_equal(stack_table_lookup(t, i << 40, 42, 0, &id), 0);
		assert_int_equal(id, i);
	}
	stack_table_free(t);
}

static void a_failed_allocation_leaves_the_table_usable(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct stack_table *t;
		uint64_t pcs[HF_MAX_FRAMES] = {0};
		uint64_t done = 0;
		bool struck;
		int err;

		oom_arm(n);
		err = stack_table_new(64 << 20, &t);
		if (!err) {
			for (uint64_t i = 1; i <= 700 && !err; i++) {
				struct stack_trace trace = {
					.hash = i, .pid = 1, .depth = HF_MAX_FRAMES, .pcs = pcs};
				stack_id id;

				err = i % 3 ? stack_table_add(t, &trace, &id)
					    : stack_table_lookup(t, i, 1, 0, &id);
				done += !err;
			}
		}
		struck = oom_disarm();
		if (!done && err == -ENOMEM)
			continue; /* no table */
		assert_true(struck == (err == -ENOSPC));
		assert_int_equal(counts_of(t).traces, done);
		assert_int_equal(counts_of(t).refused, struck);
		for (uint64_t i = done + 1; i <= 700; i++) {
			stack_id id;

			assert_int_equal(stack_table_lookup(t, i, 1, 0, &id), 0);
			assert_int_equal(id, i);
		}
		stack_table_free(t);
		if (!struck)
			break;
	}
	stack_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trace_keeps_its_number_and_frames),
		cmocka_unit_test(other_frames_under_a_known_hash_are_a_collision),
		cmocka_unit_test(frames_that_come_late_complete_the_trace),
		cmocka_unit_test(a_trace_without_frames_is_known_all_the_same),
		cmocka_unit_test(a_damaged_trace_is_refused),
		cmocka_unit_test(past_the_bound_traces_are_refused_and_known_ones_stay),
		cmocka_unit_test(a_hundred_thousand_traces_stay_small),
		cmocka_unit_test(a_failed_allocation_leaves_the_table_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
