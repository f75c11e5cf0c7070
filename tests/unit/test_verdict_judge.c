/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verdicts on synthetic histories: a real ledger and a real series, with time made up. What these
 * can't find: whether real programs look like these; tests/targets and the scenarios tell.
 */
#include <errno.h>
#include <math.h>

#include "unit/verdict_world.h"
#include "verdict/estimate.h"

/* The process of the contract: a table that grows by 450 blocks of 1000 B a second. */
static void grow(struct world *w, int seconds, int per_second)
{
	for (int s = 0; s < seconds; s++) {
		for (int i = 0; i < per_second; i++) {
			take(w, 1, 1000);
			for (int k = 0; k < 3; k++) {
				take(w, 2, 100);
				give_oldest(w, 2);
			}
		}
		tick(w, 10000000);
	}
}

static void table_that_only_grows_is_watched_after_six_seconds(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	grow(&w, 6, 450);
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_WATCHING);
	assert_int_equal(v->finding_count, 1);
	assert_int_equal(v->findings[0].state, VERDICT_WATCHING);
	assert_int_equal(ledger_site(w.ledger, v->findings[0].site)->stack, 1);
	assert_true(fabs(v->findings[0].growth_bytes_per_second - 450e3) < 0.05 * 450e3);
	assert_true(v->findings[0].growth_low > 0);
	assert_true(v->findings[0].growth_low < 450e3 && v->findings[0].growth_high > 450e3);
	assert_true(v->findings[0].seconds_to_firm > 280 && v->findings[0].seconds_to_firm < 300);
	assert_false(verdict_is_firm(v));
	verdict_free(v);
	world_done(&w);
}

/* A hunt ends anywhere in a window. */
static void short_last_window_does_not_widen_the_interval(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	grow(&w, 6, 450);
	for (int i = 0; i < 22; i++)
		take(&w, 1, 1000);
	w.now_ns += SECOND / 20;
	assert_int_equal(series_sample(w.series, w.ledger, NULL, w.now_ns), 0);
	v = judge(&w);
	assert_true(fabs(v->findings[0].growth_bytes_per_second - 450e3) < 0.02 * 450e3);
	/* 2700 blocks: 3.8 % of Poisson error and no more */
	assert_true(v->findings[0].growth_high < 450e3 * 1.045);
	assert_true(v->findings[0].growth_low > 450e3 * 0.955);
	verdict_free(v);
	world_done(&w);
}

static void linear_growth_is_growing_after_five_minutes(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	grow(&w, 310, 20);
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_GROWING);
	assert_true(v->confidence > 0.7 && v->confidence <= 0.95);
	assert_true(fabs(v->growth_bytes_per_second - 20e3) < 0.05 * 20e3);
	assert_true(verdict_is_firm(v));
	assert_int_equal(v->seconds_to_firm, 0);
	verdict_free(v);
	world_done(&w);
}

static void allocate_and_free_is_no_finding(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 70; s++) {
		for (int i = 0; i < 100; i++) {
			take(&w, 2, 100);
			give_oldest(&w, 2);
		}
		tick(&w, 10000000);
	}
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_STEADY);
	assert_int_equal(v->finding_count, 0);
	assert_true(verdict_is_firm(v));
	assert_true(v->growth_bytes_per_second == 0);
	assert_int_equal(v->processes[0].sites[0].state, VERDICT_STEADY);
	verdict_free(v);
	world_done(&w);
}

/*
 * A cache of 5000 entries: each second 200 random keys are looked up, the missing ones are put
 * in.
 */
static void cache(struct world *w, int seconds)
{
	size_t capacity = 5000;

	for (int s = 0; s < seconds; s++) {
		size_t missing = capacity - held(w, 3);
		size_t new = 200 * missing / capacity;

		for (size_t i = 0; i < new; i++)
			take(w, 3, 512);
		tick(w, 10000000);
	}
}

static void filling_cache_is_warming(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	cache(&w, 60);
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_WARMING);
	assert_int_equal(v->findings[0].state, VERDICT_WARMING);
	assert_true(verdict_is_firm(v));
	verdict_free(v);
	world_done(&w);
}

static void filled_cache_is_steady(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	cache(&w, 300);
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_STEADY);
	assert_int_equal(v->finding_count, 0);
	verdict_free(v);
	world_done(&w);
}

static void full_lru_cache_that_churns_is_steady(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 120; s++) {
		for (int i = 0; i < 300; i++) {
			take(&w, 3, 200);
			if (held(&w, 3) > 3000)
				give_oldest(&w, 3);
		}
		tick(&w, 10000000);
	}
	v = judge(&w);
	assert_int_equal(v->finding_count, 0);
	assert_int_equal(v->state, VERDICT_STEADY);
	verdict_free(v);
	world_done(&w);
}

static void sawtooth_is_cyclic(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 120; s++) {
		for (int i = 0; i < 200; i++)
			take(&w, 4, 1000);
		if (s % 12 == 11)
			while (held(&w, 4))
				give_oldest(&w, 4);
		tick(&w, 10000000);
	}
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_CYCLIC);
	assert_int_equal(v->finding_count, 0);
	assert_int_equal(v->processes[0].sites[0].state, VERDICT_CYCLIC);
	verdict_free(v);
	world_done(&w);
}

/* Every 20 seconds most of it is let go, but less than has come. */
static void what_swings_while_it_rises_is_watched_and_its_period_told(void **state)
{
	struct world w;
	struct verdict *v;
	const struct finding *f;
	double period_s = 0;

	(void)state;
	world_init(&w);
	for (int s = 1; s <= 90; s++) {
		for (int i = 0; i < 100; i++)
			take(&w, 1, 1000);
		for (int i = 0; s % 20 == 0 && i < 1300; i++)
			give_oldest(&w, 1);
		tick(&w, 10000000);
	}
	v = judge(&w);
	assert_int_equal(v->finding_count, 1);
	f = &v->findings[0];
	assert_int_equal(f->state, VERDICT_WATCHING);
	for (int i = 0; i < f->evidence_count; i++)
		if (f->evidence[i].kind == EVIDENCE_PERIOD)
			period_s = f->evidence[i].value;
	assert_true(fabs(period_s - 20) < 2);
	assert_true(f->seconds_to_firm > 0);
	verdict_free(v);
	world_done(&w);
}

static void one_rise_at_start_is_steady(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int i = 0; i < 5000; i++)
		take(&w, 1, 1000);
	for (int s = 0; s < 60; s++)
		tick(&w, 10000000);
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_STEADY);
	assert_int_equal(v->finding_count, 0);
	verdict_free(v);
	world_done(&w);
}

static void flat_noise_is_steady(void **state)
{
	struct world w;
	struct verdict *v;
	unsigned int seed = 4242, findings = 0;

	(void)state;
	for (int round = 0; round < 20; round++) {
		world_init(&w);
		for (int s = 0; s < 60; s++) {
			int want = 1000 + (int)(rand_r(&seed) % 200);

			while ((int)held(&w, 5) < want)
				take(&w, 5, 64);
			while ((int)held(&w, 5) > want)
				give_oldest(&w, 5);
			tick(&w, 10000000);
		}
		v = judge(&w);
		findings += v->finding_count > 0;
		verdict_free(v);
		world_done(&w);
	}
	/* 2.5 % per round by construction of z; five of 20 would be chance in 1 of 10,000 cases */
	assert_true(findings < 5);
}

static void bursts_are_watched_from_the_third_on(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 60; s++) {
		if (s % 20 == 15)
			for (int i = 0; i < 500; i++)
				take(&w, 6, 300);
		tick(&w, 10000000);
	}
	v = judge(&w);
	assert_int_equal(v->finding_count, 1);
	assert_int_equal(v->findings[0].state, VERDICT_WATCHING);
	assert_true(v->findings[0].growth_low > 0);
	verdict_free(v);
	world_done(&w);
}

static void few_blocks_are_never_accused(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 60; s++) {
		if (s == 10 || s == 35)
			take(&w, 1, 5000000);
		tick(&w, 10000000);
	}
	v = judge(&w);
	assert_int_equal(v->finding_count, 0);
	verdict_free(v);
	world_done(&w);
}

static void buffer_grown_by_realloc_is_watched(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 60; s++) {
		if (held(&w, 7))
			give_oldest(&w, 7);
		take(&w, 7, 100000 + (uint64_t)s * 5000);
		tick(&w, 10000000);
	}
	v = judge(&w);
	assert_int_equal(v->finding_count, 1);
	assert_int_equal(v->findings[0].state, VERDICT_WATCHING);
	assert_true(fabs(v->findings[0].growth_bytes_per_second - 5000) < 500);
	verdict_free(v);
	world_done(&w);
}

static void growing_queue_whose_old_entries_are_freed_is_not_growing(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 320; s++) {
		for (int i = 0; i < 20; i++)
			take(&w, 1, 100);
		for (int i = 0; i < 7 && s > 30; i++)
			give_oldest(&w, 1);
		tick(&w, 10000000);
	}
	v = judge(&w);
	assert_int_not_equal(v->state, VERDICT_GROWING);
	verdict_free(v);
	world_done(&w);
}

static void rss_that_no_site_explains_is_not_steady(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 60; s++)
		tick(&w, 10000000 + (uint64_t)s * 200000);
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_WATCHING);
	assert_int_equal(v->finding_count, 0);
	assert_true(v->explained_percent < 1);
	assert_true(fabs(v->rss_growth_bytes_per_second - 200000) < 1);
	assert_int_equal(v->evidence[v->evidence_count - 1].kind, EVIDENCE_UNEXPLAINED);
	verdict_free(v);
	world_done(&w);
}

/* A gauge of a process that takes a MiB a second; @file_part of it are pages of mapped files. */
static struct gauge *rising_gauge(uint64_t from_ns, int seconds, double file_part)
{
	struct gauge *gauge;

	assert_int_equal(gauge_new(256, &gauge), 0);
	for (int s = 0; s < seconds; s++) {
		uint64_t rss = 10000000 + (uint64_t)s * 1048576;
		struct sample sample = {
			.time_ns = from_ns + (uint64_t)s * SECOND,
			.rss_bytes = rss,
			.rss_file_bytes = (uint64_t)(file_part * (double)rss),
			.full = true,
		};

		assert_int_equal(gauge_add(gauge, &sample), 0);
	}
	return gauge;
}

static void what_children_held_that_have_ended_is_no_growth(void **state)
{
	struct world w;
	struct verdict *v = NULL;
	struct gauge *child;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 60; s++)
		tick(&w, 10000000);
	child = rising_gauge(START + 30 * SECOND, 10, 0);
	for (int ended = 0; ended < 2; ended++) {
		struct verdict_process processes[] = {
			{.pid = 7,
			 .start_ns = START,
			 .ledger = w.ledger,
			 .series = w.series,
			 .gauge = w.gauge},
			{.pid = 8, .start_ns = START + 30 * SECOND, .gauge = child, .ended = ended},
		};

		assert_int_equal(verdict_judge(processes, 2, w.now_ns, &v), 0);
		assert_int_equal(v->state, ended ? VERDICT_STEADY : VERDICT_WATCHING);
		if (ended)
			assert_true(v->rss_growth_bytes_per_second == 0);
		else /* half of the time, as if spread over all of it */
			assert_true(fabs(v->rss_growth_bytes_per_second - 524288) < 1000);
		verdict_free(v);
	}
	gauge_free(child);
	world_done(&w);
}

static void pages_of_files_that_are_touched_are_steady_and_told(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 60; s++)
		tick(&w, 10000000);
	for (int part = 0; part < 2; part++) {
		struct gauge *gauge = rising_gauge(START, 60, part);
		struct verdict *v = judge_by(&w, gauge, NULL);

		assert_int_equal(v->state, part ? VERDICT_STEADY : VERDICT_WATCHING);
		assert_int_equal(v->evidence[v->evidence_count - 1].kind,
				 part ? EVIDENCE_FILES : EVIDENCE_UNEXPLAINED);
		verdict_free(v);
		gauge_free(gauge);
	}
	world_done(&w);
}

/* RSS grows by free memory inside the heap: fragmented if that is a good part of it. */
static void free_memory_in_the_heap_is_fragmentation_if_it_is_much(void **state)
{
	struct lost_evidence *lost = calloc(1, sizeof(*lost));
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 60; s++)
		tick(&w, 10000000);
	lost->reading_count = 60;
	for (int live_mib = 60; live_mib <= 6000; live_mib *= 100) {
		struct gauge *gauge = rising_gauge(START, 60, 0);

		for (int s = 0; s < 60; s++)
			lost->readings[s] = (struct heap_reading){
				.time_ns = START + (uint64_t)s * SECOND,
				.live_bytes = (uint64_t)live_mib << 20,
				.free_bytes = (uint64_t)s << 20,
			};
		v = judge_by(&w, gauge, lost);
		assert_string_equal(verdict_state_name(v->state),
				    live_mib == 60 ? "fragmented" : "steady");
		assert_int_equal(v->evidence[v->evidence_count - 1].kind, EVIDENCE_FREE);
		verdict_free(v);
		gauge_free(gauge);
	}
	free(lost);
	world_done(&w);
}

/* What two looks have missed is watched on, though the heap as a whole, which blocks of before leave, does not grow. */
static void lost_blocks_took_over_from_none(void **state)
{
	struct lost_evidence *lost = calloc(1, sizeof(*lost));
	struct ledger_release of_before = {.address = 0xf000000, .time_ns = START, .tid = 1};
	struct lost_entry entry = {
		.site = 1,
		.count = 60,
		.bytes = 60 * 48,
		.fresh_count = 60,
		.fresh_bytes = 60 * 48,
		.unchanged_count = 60,
		.fresh_squares = 60.0 * 48 * 48,
		.fresh_looks = 2,
		.last_fresh_ns = START + 4 * SECOND,
	};
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	ledger_record_free(w.ledger, &of_before);
	for (int s = 0; s < 5; s++) {
		for (int i = 0; i < 20; i++)
			take(&w, 1, 48);
		tick(&w, 10000000);
	}
	lost->looks = lost->reading_count = 4;
	lost->fresh_looks = 2;
	lost->first_look_ns = START + SECOND;
	lost->known_until_ns = START + 4 * SECOND;
	for (uint64_t i = 0; i < 4; i++)
		lost->readings[i].time_ns = START + i * SECOND;
	for (int is_lost = 0; is_lost < 2; is_lost++) {
		if (is_lost)
			assert_int_equal(vec_push(&lost->entries, entry), 0);
		v = judge_by(&w, w.gauge, lost);
		assert_int_equal(v->finding_count, is_lost);
		if (is_lost)
			assert_int_equal(v->findings[0].lost_count, 60);
		verdict_free(v);
	}
	vec_done(&lost->entries);
	free(lost);
	world_done(&w);
}

static void rss_growth_is_explained_by_the_site_that_causes_it(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 30; s++) {
		for (int i = 0; i < 100; i++)
			take(&w, 1, 4096);
		tick(&w, 10000000 + (uint64_t)s * 409600);
	}
	v = judge(&w);
	assert_true(v->explained_percent > 95);
	verdict_free(v);
	world_done(&w);
}

static void nothing_seen_is_steady_and_not_firm(void **state)
{
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	v = judge(&w);
	assert_int_equal(v->state, VERDICT_STEADY);
	assert_false(verdict_is_firm(v));
	assert_true(v->confidence < 0.5);
	verdict_free(v);
	assert_int_equal(verdict_judge(NULL, 0, START, &v), 0);
	assert_int_equal(v->state, VERDICT_STEADY);
	verdict_free(v);
	world_done(&w);
}

static void steady_is_said_only_when_it_is_more_likely_than_not(void **state)
{
	bool said = false;
	struct world w;

	(void)state;
	world_init(&w);
	for (int s = 0; s < 60; s++) {
		struct verdict *v;
		double seen;

		grow(&w, 1, 0);
		v = judge(&w);
		assert_int_equal(v->state, VERDICT_STEADY);
		seen = v->observed_seconds;
		said = verdict_state_so_far(v->state, seen) == VERDICT_STEADY;
		assert_int_equal(said, v->confidence >= 0.5);
		assert_false(said && s < 10);
		/* what rests on evidence is said at once */
		assert_int_equal(verdict_state_so_far(VERDICT_CYCLIC, seen), VERDICT_CYCLIC);
		assert_int_equal(verdict_state_so_far(VERDICT_GROWING, seen), VERDICT_GROWING);
		verdict_free(v);
	}
	assert_true(said);
	world_done(&w);
}

static void no_state_of_later_issues_is_ever_given(void **state)
{
	enum verdict_state parsed;

	(void)state;
	assert_int_equal(VERDICT_STATE_COUNT, 10);
	for (int i = 0; i < VERDICT_STATE_COUNT; i++) {
		assert_int_equal(
			verdict_state_parse(verdict_state_name((enum verdict_state)i), &parsed), 0);
		assert_int_equal(parsed, i);
	}
	assert_int_equal(verdict_state_parse("lurking", &parsed), -EINVAL);
	assert_string_equal(verdict_state_name((enum verdict_state)99), "");
}

static void poisson_interval_agrees_with_tables(void **state)
{
	double low, high;

	(void)state;
	/* exact 95 % limits: 8 -> 3.45 .. 15.76; 100 -> 81.4 .. 121.6 */
	estimate_poisson_factors(8, &low, &high);
	assert_true(fabs(8 * low - 3.45) < 0.05 && fabs(8 * high - 15.76) < 0.05);
	estimate_poisson_factors(100, &low, &high);
	assert_true(fabs(100 * low - 81.4) < 0.1 && fabs(100 * high - 121.6) < 0.1);
}

static void share_interval_agrees_with_wilson(void **state)
{
	(void)state;
	assert_true(fabs(estimate_share_low(10, 10) - 0.7225) < 0.001);
	assert_true(estimate_share_low(0, 10) < 1e-9);
	assert_true(estimate_share_low(0, 0) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_that_only_grows_is_watched_after_six_seconds),
		cmocka_unit_test(short_last_window_does_not_widen_the_interval),
		cmocka_unit_test(linear_growth_is_growing_after_five_minutes),
		cmocka_unit_test(allocate_and_free_is_no_finding),
		cmocka_unit_test(filling_cache_is_warming),
		cmocka_unit_test(filled_cache_is_steady),
		cmocka_unit_test(full_lru_cache_that_churns_is_steady),
		cmocka_unit_test(sawtooth_is_cyclic),
		cmocka_unit_test(what_swings_while_it_rises_is_watched_and_its_period_told),
		cmocka_unit_test(one_rise_at_start_is_steady),
		cmocka_unit_test(flat_noise_is_steady),
		cmocka_unit_test(bursts_are_watched_from_the_third_on),
		cmocka_unit_test(few_blocks_are_never_accused),
		cmocka_unit_test(buffer_grown_by_realloc_is_watched),
		cmocka_unit_test(growing_queue_whose_old_entries_are_freed_is_not_growing),
		cmocka_unit_test(rss_that_no_site_explains_is_not_steady),
		cmocka_unit_test(what_children_held_that_have_ended_is_no_growth),
		cmocka_unit_test(pages_of_files_that_are_touched_are_steady_and_told),
		cmocka_unit_test(free_memory_in_the_heap_is_fragmentation_if_it_is_much),
		cmocka_unit_test(lost_blocks_took_over_from_none),
		cmocka_unit_test(rss_growth_is_explained_by_the_site_that_causes_it),
		cmocka_unit_test(nothing_seen_is_steady_and_not_firm),
		cmocka_unit_test(steady_is_said_only_when_it_is_more_likely_than_not),
		cmocka_unit_test(no_state_of_later_issues_is_ever_given),
		cmocka_unit_test(poisson_interval_agrees_with_tables),
		cmocka_unit_test(share_interval_agrees_with_wilson),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
