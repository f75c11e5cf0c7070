/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said where calls are seen in windows only. */
#include <math.h>

#include "unit/verdict_world.h"

/* All calls are seen at first, then one in ten. */
static void grow_in_windows(struct world *w)
{
	struct ledger_window window = {
		.stands_for_ns = SECOND, .seen_ns = SECOND, .lived_ns = SECOND};

	/* It takes the place of what was there before. */
	for (int s = 0; s < 5; s++) {
		for (int i = 0; i < 100; i++)
			take(w, 1, 1000);
		tick(w, 10000000);
	}
	window.until_ns = window.known_ns = w->now_ns;
	assert_int_equal(ledger_end_window(w->ledger, &window), 0);
	window.seen_ns = window.lived_ns = SECOND / 10;
	for (int s = 0; s < 55; s++) {
		for (int i = 0; i < 4; i++)
			take(w, 1, 1000);
		window.until_ns = window.known_ns = ++w->now_ns;
		assert_int_equal(ledger_end_window(w->ledger, &window), 0);
		tick(w, 10000000);
	}
}

/* Looks that tell that all of it is there still, @count of them, while the heap grows by so many bytes a second. */
static void looks_tell(struct lost_evidence *lost, size_t count, uint64_t growth)
{
	lost_evidence_init(lost);
	for (; lost->reading_count < count; lost->reading_count++) {
		struct heap_reading *r = &lost->readings[lost->reading_count];

		r->time_ns = START + lost->reading_count * SECOND;
		r->live_bytes = 1000000 + lost->reading_count * growth;
		for (int i = 0; i < HEAP_SIZE_SLOTS; i++)
			r->live_by_size[i] = 1ull << 40;
	}
}

/* What is said of it with such looks: one finding. */
static struct finding judge_growth(size_t looks, uint64_t growth)
{
	struct lost_evidence lost;
	struct finding finding;
	struct world w;
	struct verdict *v;

	world_init(&w);
	grow_in_windows(&w);
	looks_tell(&lost, looks, growth);
	v = judge_by(&w, w.gauge, &lost);
	lost_evidence_done(&lost);
	assert_int_equal(v->finding_count, 1);
	finding = v->findings[0];
	verdict_free(v);
	world_done(&w);
	return finding;
}

/* The slope is that of what is held, not of what is seen. */
static void growth_seen_in_windows_is_told_by_what_they_stand_for(void **state)
{
	struct finding f = judge_growth(1, 0);

	(void)state;
	assert_true(fabs(f.growth_bytes_per_second - 40000) < 4000);
	assert_true(f.growth_low < 40000 && f.growth_high > 40000);
}

static void growth_seen_in_windows_is_no_more_than_the_heaps(void **state)
{
	struct finding f = judge_growth(60, 30000);

	(void)state;
	assert_true(fabs(f.growth_bytes_per_second - 30000) < 1000);
	assert_true(f.growth_low <= 30000 && f.growth_low > 0);
}

/* A full cache of 1,000: each second a tenth of it is replaced. */
static void churn(struct world *w, int seconds)
{
	for (int s = 0; s < seconds; s++) {
		for (int i = 0; i < 100; i++) {
			if (held(w, 4) >= 1000)
				give_oldest(w, 4);
			take(w, 4, 1000);
		}
		tick(w, 10000000);
	}
}

static void what_goes_on_as_followed_calls_was_no_backlog(void **state)
{
	struct ledger_window window = {
		.stands_for_ns = SECOND, .seen_ns = SECOND / 2, .lived_ns = SECOND / 2};
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	churn(&w, 30);
	window.until_ns = window.known_ns = w.now_ns;
	assert_int_equal(ledger_end_window(w.ledger, &window), 0);
	w.followed = true;
	churn(&w, 30);
	v = judge(&w);
	assert_int_equal(v->processes[0].site_count, 2);
	assert_int_equal(v->processes[0].sites[0].state, VERDICT_STEADY);
	assert_int_equal(v->state, VERDICT_STEADY);
	verdict_free(v);
	world_done(&w);
}

static void fewer_samples_than_calls_are_no_backlog(void **state)
{
	struct ledger_window window = {
		.stands_for_ns = SECOND, .seen_ns = SECOND, .lived_ns = SECOND};
	struct world w;
	struct verdict *v;

	(void)state;
	world_init(&w);
	churn(&w, 30);
	window.until_ns = window.known_ns = w.now_ns;
	assert_int_equal(ledger_end_window(w.ledger, &window), 0);
	/* Of those that come from now on, only one in fifty is seen. */
	for (int s = 0; s < 30; s++) {
		for (int i = 0; i < 100 && held(&w, 4) > 20; i++)
			give_oldest(&w, 4);
		take(&w, 4, 1000);
		take(&w, 4, 1000);
		tick(&w, 10000000);
		window.until_ns = window.known_ns = w.now_ns;
		window.seen_ns = window.lived_ns = SECOND / 50;
		assert_int_equal(ledger_end_window(w.ledger, &window), 0);
	}
	v = judge(&w);
	assert_int_equal(v->processes[0].sites[0].state, VERDICT_STEADY);
	assert_int_equal(v->state, VERDICT_STEADY);
	verdict_free(v);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_seen_in_windows_is_told_by_what_they_stand_for),
		cmocka_unit_test(growth_seen_in_windows_is_no_more_than_the_heaps),
		cmocka_unit_test(what_goes_on_as_followed_calls_was_no_backlog),
		cmocka_unit_test(fewer_samples_than_calls_are_no_backlog),
	};

	return cmocka_run_group_tests_name("verdict_windows", tests, NULL, NULL);
}
