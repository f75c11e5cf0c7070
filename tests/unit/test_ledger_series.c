/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/ledger/series.h"

#include <errno.h>
#include <stdlib.h>

#include "cmocka_all.h"

#define HEAP UINT64_C(0x555500000000)

struct world {
	struct ledger *ledger;
	struct series *series;
	uint64_t time;
};

static struct world new_world(uint64_t series_bytes)
{
	struct world w = {.time = 0};

	assert_int_equal(ledger_new(64 << 20, &w.ledger), 0);
	assert_int_equal(series_new(series_bytes, &w.series), 0);
	return w;
}

static void done(struct world *w)
{
	series_free(w->series);
	ledger_free(w->ledger);
}

/* Stack @stack's one block (address by number) has this size from now on; 0 frees it. */
static void hold(struct world *w, stack_id stack, uint64_t number, uint64_t size)
{
	uint64_t address = HEAP + ((uint64_t)stack << 24) + number * 16;
	struct ledger_release release = {.address = address, .time_ns = w->time, .tid = 1};
	struct ledger_alloc alloc = {.address = address,
				     .size_bytes = size,
				     .time_ns = w->time,
				     .stack = stack,
				     .tid = 1};

	if (size)
		assert_int_equal(ledger_record_alloc(w->ledger, &alloc), 0);
	else
		ledger_record_free(w->ledger, &release);
}

static void sample(struct world *w)
{
	w->time += 1000;
	assert_int_equal(series_sample(w->series, w->ledger, NULL, w->time), 0);
}

static struct series_counts counts_of(const struct world *w)
{
	struct series_counts counts;

	series_counts(w->series, &counts);
	return counts;
}

static void a_window_keeps_minimum_and_end(void **state)
{
	struct world w = new_world(1 << 20);
	struct series_point points[SERIES_MAX_POINTS];

	(void)state;
	hold(&w, 1, 0, 100);
	sample(&w); /* from 0 to 100 */
	hold(&w, 1, 1, 50);
	hold(&w, 1, 0, 0);
	hold(&w, 1, 2, 500);
	sample(&w); /* 150, 50, 550 */
	sample(&w);
	sample(&w);
	hold(&w, 1, 1, 0);
	sample(&w);
	assert_int_equal(series_read(w.series, 1, points), 5);
	assert_int_equal(points[0].min_bytes, 0);
	assert_int_equal(points[0].bytes, 100);
	assert_int_equal(points[1].min_bytes, 50);
	assert_int_equal(points[1].bytes, 550);
	assert_int_equal(points[3].min_bytes, 550);
	assert_int_equal(points[3].bytes, 550);
	assert_int_equal(points[3].time_ns, 4000);
	assert_int_equal(points[4].min_bytes, 500);
	assert_int_equal(counts_of(&w).points, 3);
	done(&w);
}

static void a_site_begins_when_it_was_first_seen(void **state)
{
	struct world w = new_world(1 << 20);
	struct series_point points[SERIES_MAX_POINTS];

	(void)state;
	sample(&w);
	sample(&w);
	hold(&w, 1, 0, 10);
	sample(&w);
	sample(&w);
	assert_int_equal(series_read(w.series, 1, points), 2);
	assert_int_equal(points[0].time_ns, 3000);
	assert_int_equal(series_read(w.series, 0, points), 0);
	assert_int_equal(series_read(w.series, 2, points), 0);
	done(&w);
}

static void time_must_go_on(void **state)
{
	struct world w = new_world(1 << 20);

	(void)state;
	sample(&w);
	assert_int_equal(series_sample(w.series, w.ledger, NULL, w.time), -EINVAL);
	assert_int_equal(series_sample(w.series, w.ledger, NULL, w.time - 1), -EINVAL);
	sample(&w);
	assert_int_equal(counts_of(&w).samples, 2);
	done(&w);
}

/*
 * The naive model: every sample's minimum and end in full. Any window of the series must hold the minimum of
 * the samples that it covers, and the last one's end.
 */
#define SITES   5
#define SAMPLES 3000

static void merged_windows_agree_with_every_single_sample(void **state)
{
	static uint64_t minimum[SITES][SAMPLES], end[SITES][SAMPLES];
	struct world w = new_world(8 << 20);
	struct series_point points[SERIES_MAX_POINTS];
	uint64_t now[SITES] = {0}, size[SITES][4] = {{0}};

	(void)state;
	srand(4711);
	for (int t = 0; t < SAMPLES; t++) {
		for (unsigned int s = 0; s < SITES; s++) {
			minimum[s][t] = now[s];
			/* site 0 changes always, the last one rarely */
			for (int k = rand() % (1 << s * 3) ? 0 : 6; k > 0; k--) {
				unsigned int number = (unsigned int)rand() % 4;
				uint64_t bytes = (uint64_t)(rand() % 100) * (rand() % 3 > 0);

				if (!size[s][number] && !bytes)
					continue;
				if (size[s][number])
					hold(&w, s + 1, number, 0);
				now[s] -= size[s][number];
				if (now[s] < minimum[s][t])
					minimum[s][t] = now[s];
				if (bytes)
					hold(&w, s + 1, number, bytes);
				now[s] += size[s][number] = bytes;
			}
			end[s][t] = now[s];
		}
		sample(&w);
		if (t % 97 && t > 300)
			continue;
		for (site_id id = 1; id <= ledger_site_count(w.ledger); id++) {
			unsigned int s = ledger_site(w.ledger, id)->stack - 1;
			size_t count = series_read(w.series, id, points);
			uint64_t from = count ? points[0].time_ns / 1000 : 0;

			assert_true(count <= SERIES_MAX_POINTS);
			assert_true(count == 0 || points[count - 1].time_ns == w.time);
			for (size_t i = 1; i < count; i++) {
				uint64_t least = UINT64_MAX, to = points[i].time_ns / 1000;

				assert_true(to > from);
				for (uint64_t k = from; k < to; k++)
					least = minimum[s][k] < least ? minimum[s][k] : least;
				assert_int_equal(points[i].min_bytes, least);
				assert_int_equal(points[i].bytes, end[s][to - 1]);
				from = to;
			}
		}
	}
	assert_int_equal(counts_of(&w).samples_per_window, 32);
	assert_int_equal(counts_of(&w).windows, (SAMPLES + 31) / 32);
	assert_int_equal(counts_of(&w).refused, 0);
	done(&w);
}

static void unchanged_sites_cost_no_points(void **state)
{
	struct world w = new_world(16 << 20);
	uint64_t after_first;

	(void)state;
	for (stack_id i = 1; i <= 10000; i++)
		hold(&w, i, 0, 16);
	sample(&w);
	after_first = counts_of(&w).memory_bytes;
	assert_int_equal(counts_of(&w).points, 10000);
	print_message("# bytes per unchanging site: %.1f\n", (double)after_first / 10000);
	assert_true(after_first <= 10000 * 64);
	for (int i = 0; i < 100; i++) {
		hold(&w, 77, 1, i % 2 ? 16 : 0);
		sample(&w);
	}
	assert_int_equal(counts_of(&w).points, 10000 + 99); /* the first free was of nothing */
	assert_true(counts_of(&w).memory_bytes - after_first < 4096);
	done(&w);
}

static void short_memory_halves_resolution_early(void **state)
{
	const uint64_t bound = 100000;
	struct world w = new_world(bound);
	struct series_point points[SERIES_MAX_POINTS];
	int refusals = 0;

	(void)state;
	for (int t = 0; t < 400; t++) {
		for (stack_id i = 1; i <= 100; i++)
			hold(&w, i, 0, 1 + (uint64_t)t);
		w.time += 1000;
		refusals += series_sample(w.series, w.ledger, NULL, w.time) != 0;
		assert_true(counts_of(&w).memory_bytes <= bound);
	}
	assert_true(refusals > 0 && refusals < 40);
	assert_true(counts_of(&w).samples_per_window > 4);
	assert_true(counts_of(&w).refused > 0);
	assert_true(series_read(w.series, 50, points) > 10);
	done(&w);
}

static void a_copy_stays_as_it_was(void **state)
{
	struct world w = new_world(1 << 20);
	struct series_point points[SERIES_MAX_POINTS];
	struct series *copy;

	(void)state;
	for (int i = 0; i < 10; i++) {
		hold(&w, 1, 0, 100 + (uint64_t)i);
		sample(&w);
	}
	assert_int_equal(series_copy(w.series, &copy), 0);
	for (int i = 0; i < 300; i++) {
		hold(&w, 1, 0, 1);
		sample(&w);
	}
	assert_int_equal(series_read(copy, 1, points), 10);
	assert_int_equal(points[9].bytes, 109);
	series_free(copy);
	series_free(NULL);
	done(&w);
}

static void a_site_that_is_sampled_has_points_of_what_its_blocks_stand_for(void **state)
{
	struct ledger_estimate estimates[2] = {{.outstanding_bytes = 5000},
					       {.outstanding_bytes = 9}};
	struct series_point points[SERIES_MAX_POINTS];
	struct ledger_alloc alloc = {.address = 64, .size_bytes = 100, .time_ns = 1, .stack = 1};
	struct world w = new_world(1 << 20);

	(void)state;
	assert_int_equal(ledger_record_alloc(w.ledger, &alloc), 0);
	alloc = (struct ledger_alloc){
		.address = 512, .size_bytes = 100, .time_ns = 1, .stack = 2, .followed = true};
	assert_int_equal(ledger_record_alloc(w.ledger, &alloc), 0);
	assert_int_equal(series_sample(w.series, w.ledger, estimates, w.time + 1), 0);
	assert_int_equal(series_read(w.series, 1, points), 1);
	assert_int_equal(points[0].bytes, 5000);
	/* All calls of the other are seen. */
	assert_int_equal(series_read(w.series, 2, points), 1);
	assert_int_equal(points[0].bytes, 100);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_site_that_is_sampled_has_points_of_what_its_blocks_stand_for),
		cmocka_unit_test(a_window_keeps_minimum_and_end),
		cmocka_unit_test(a_site_begins_when_it_was_first_seen),
		cmocka_unit_test(time_must_go_on),
		cmocka_unit_test(merged_windows_agree_with_every_single_sample),
		cmocka_unit_test(unchanged_sites_cost_no_points),
		cmocka_unit_test(short_memory_halves_resolution_early),
		cmocka_unit_test(a_copy_stays_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
