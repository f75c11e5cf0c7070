/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples: what is put is read, from memory, from batches, from chunks, and rolled up; against a naive model. */
#include <errno.h>

#include "agent/store/samples.h"
#include "base/random.h"
#include "store_fixture.h"

static void assert_sample(const struct store_point *point, const struct store_sample *sample)
{
	assert_int_equal(point->time_ns, sample->time_ns);
	assert_int_equal(point->width_ns, 0);
	assert_memory_equal(&point->values, &sample->values, sizeof(sample->values));
	assert_int_equal(point->rss_min_bytes, sample->values.rss_bytes);
}

/* All samples of the target from T0 on, one a second. */
static void assert_whole(struct store_fixture *f, uint64_t target, size_t count)
{
	struct store_series series = fixture_read(f, target, 0, 0);

	assert_int_equal(series.count, count);
	assert_int_equal(series.resolution_ns, 0);
	for (size_t i = 0; i < count; i++) {
		struct store_sample sample = fixture_sample(target, T0 + i * S_NS);

		assert_sample(&series.items[i], &sample);
	}
	store_series_done(&series);
}

static void samples_are_read_as_they_were_put(void **state)
{
	struct store_fixture f = {0};
	uint64_t a, b;

	(void)state;
	fixture_begin(&f);
	a = fixture_target(&f, 1);
	b = fixture_target(&f, 2);
	for (uint64_t i = 0; i < 1000; i++) {
		fixture_add(&f, b, T0 + i * S_NS);
		fixture_add(&f, a, T0 + i * S_NS);
		if (i % 5 == 0)
			assert_int_equal(store_commit(f.store), 0);
		if (i % 50 == 0)
			fixture_retain(&f, T0 + i * S_NS, 50 * S_NS);
		if (i % 99 == 0)
			assert_whole(&f, a, i + 1);
	}
	assert_whole(&f, a, 1000);
	assert_whole(&f, b, 1000);
	fixture_reopen(&f);
	assert_whole(&f, a, 1000);
	assert_whole(&f, b, 1000);
	assert_int_equal(fixture_state(&f).failed_writes, 0);
	fixture_end(&f);
}

static void ranges_include_both_ends(void **state)
{
	struct store_fixture f = {0};
	struct store_series series;
	uint64_t a;

	(void)state;
	fixture_begin(&f);
	a = fixture_target(&f, 1);
	for (uint64_t i = 0; i < 700; i++)
		fixture_add(&f, a, T0 + i * S_NS);
	assert_int_equal(store_commit(f.store), 0);
	fixture_retain(&f, T0 + 700 * S_NS, S_NS);
	series = fixture_read(&f, a, T0 + 100 * S_NS, T0 + 200 * S_NS);
	assert_int_equal(series.count, 101);
	assert_int_equal(series.items[0].time_ns, T0 + 100 * S_NS);
	assert_int_equal(series.items[100].time_ns, T0 + 200 * S_NS);
	store_series_done(&series);
	series = fixture_read(&f, 99, 0, 0);
	assert_int_equal(series.count, 0);
	store_series_done(&series);
	fixture_end(&f);
}

static void what_cannot_be_is_refused(void **state)
{
	struct store_fixture f = {0};
	struct store_sample sample = fixture_sample(1, T0);

	(void)state;
	fixture_begin(&f);
	sample.time_ns = UINT64_MAX;
	assert_int_equal(store_add_samples(f.store, &sample, 1), -EINVAL);
	sample = fixture_sample(0, T0);
	assert_int_equal(store_add_samples(f.store, &sample, 1), -EINVAL);
	fixture_end(&f);
}

static void of_two_samples_of_one_time_one_is_read(void **state)
{
	struct store_fixture f = {0};
	struct store_sample one = fixture_sample(1, T0), two = fixture_sample(1, T0);
	struct store_series series;

	(void)state;
	fixture_begin(&f);
	one.values.rss_bytes = 5000;
	one.values.minor_faults = 70;
	two.values.rss_bytes = 4000;
	two.values.minor_faults = 60;
	assert_int_equal(store_add_samples(f.store, &one, 1), 0);
	assert_int_equal(store_commit(f.store), 0);
	assert_int_equal(store_add_samples(f.store, &two, 1), 0);
	series = fixture_read(&f, 1, 0, 0);
	assert_int_equal(series.count, 1);
	assert_int_equal(series.items[0].values.rss_bytes, 5000);
	assert_int_equal(series.items[0].rss_min_bytes, 4000);
	assert_int_equal(series.items[0].values.minor_faults, 60);
	store_series_done(&series);
	fixture_end(&f);
}

static void the_oldest_that_wait_are_dropped_and_counted(void **state)
{
	struct store_fixture f = {.options = {.max_pending_samples = 80}};
	struct store_series series;

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 1000; i++)
		fixture_add(&f, 1, T0 + i * S_NS);
	series = fixture_read(&f, 1, 0, 0);
	assert_true(series.count <= 80 && series.count >= 60);
	assert_int_equal(series.items[series.count - 1].time_ns, T0 + 999 * S_NS);
	assert_int_equal(fixture_state(&f).dropped_samples, 1000 - series.count);
	assert_int_equal(fixture_state(&f).pending_samples, series.count);
	store_series_done(&series);
	fixture_end(&f);
}

static void thinning_keeps_peaks_and_troughs(void **state)
{
	struct store_fixture f = {0};
	struct store_sample_query query = {.target = 1, .max_points = 50};
	struct store_series series;
	uint64_t max = 0, min = UINT64_MAX;

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 5000; i++) {
		struct store_sample sample = fixture_sample(1, T0 + i * S_NS);

		if (i == 1234)
			sample.values.rss_bytes = UINT64_C(1) << 40;
		if (i == 4321)
			sample.values.rss_bytes = 4096;
		assert_int_equal(store_add_samples(f.store, &sample, 1), 0);
	}
	for (size_t points = 1; points < 200; points += 7) {
		query.max_points = points;
		max = 0, min = UINT64_MAX;
		assert_int_equal(store_read_samples(f.store, &query, &series), 0);
		assert_true(series.count <= points && series.count * 2 >= points);
		for (size_t i = 0; i < series.count; i++) {
			if (series.items[i].values.rss_bytes > max)
				max = series.items[i].values.rss_bytes;
			if (series.items[i].rss_min_bytes < min)
				min = series.items[i].rss_min_bytes;
			if (i)
				assert_true(series.items[i].time_ns > series.items[i - 1].time_ns);
		}
		assert_int_equal(max, UINT64_C(1) << 40);
		assert_int_equal(min, 4096);
		store_series_done(&series);
	}
	fixture_end(&f);
}

/* Max, min and last of a window of fixture_sample()s, one each @step seconds. */
static void assert_window(const struct store_point *point, uint64_t target, uint64_t step)
{
	uint64_t max = 0, min = UINT64_MAX, last = 0;

	for (uint64_t t = point->time_ns; t < point->time_ns + point->width_ns; t += step * S_NS) {
		struct store_sample sample = fixture_sample(target, t);

		max = sample.values.rss_bytes > max ? sample.values.rss_bytes : max;
		min = sample.values.rss_bytes < min ? sample.values.rss_bytes : min;
		last = sample.values.minor_faults;
	}
	assert_int_equal(point->values.rss_bytes, max);
	assert_int_equal(point->rss_min_bytes, min);
	assert_int_equal(point->values.minor_faults, last);
	assert_int_equal(point->values.uss_bytes, STORE_UNKNOWN);
	assert_int_equal(point->values.limit_bytes, UINT64_C(4) << 30);
}

/* Nothing is there twice, nothing is missing: the points lie one against the other. */
static void assert_no_hole(const struct store_series *series, uint64_t step_ns)
{
	for (size_t i = 1; i < series->count; i++) {
		const struct store_point *before = &series->items[i - 1];
		uint64_t end_ns = before->time_ns + (before->width_ns ? before->width_ns : step_ns);

		assert_int_equal(series->items[i].time_ns, end_ns);
		assert_true(series->items[i].width_ns <= before->width_ns);
	}
}

static void old_samples_are_rolled_up(void **state)
{
	struct store_fixture f = {
		.options = {.raw_age_ns = HOUR_NS, .minutes_age_ns = 6 * HOUR_NS}};
	uint64_t end = 24 * 3600, tens = 0, minutes = 0, raw = 0;
	struct store_statistics statistics;
	struct store_series series;

	(void)state;
	fixture_begin(&f);
	/* each 10 s, so that a full window begins at its first sample */
	for (uint64_t i = 0; i < end; i += 10) {
		fixture_add(&f, 1, T0 + i * S_NS);
		if (i % 60 == 0)
			assert_int_equal(store_commit(f.store), 0);
		if (i % 600 == 0)
			fixture_retain(&f, T0 + i * S_NS, 600 * S_NS);
	}
	series = fixture_read(&f, 1, 0, 0);
	assert_int_equal(series.resolution_ns, 600 * S_NS);
	assert_int_equal(series.items[0].time_ns, T0);
	for (size_t i = 0; i < series.count; i++) {
		uint64_t width = series.items[i].width_ns;

		tens += width == 600 * S_NS;
		minutes += width == 60 * S_NS;
		raw += width == 0;
	}
	assert_int_equal(tens + minutes + raw, series.count);
	assert_true(raw >= 360 && raw < 360 + 700);
	assert_true(minutes >= 4 * 60 && minutes < 12 * 60);
	assert_true(tens >= 6 * 10);
	assert_int_equal(series.items[series.count - 1].time_ns, T0 + (end - 10) * S_NS);
	for (size_t i = 1; i + 1 < series.count; i++)
		if (series.items[i].width_ns && series.items[i + 1].width_ns)
			assert_window(&series.items[i], 1, 10);
	store_series_done(&series);
	assert_int_equal(store_statistics(f.store, &statistics), 0);
	assert_int_equal(statistics.ten_minute_points, tens);
	fixture_end(&f);
}

static void borders_between_resolutions_have_no_hole(void **state)
{
	struct store_fixture f = {
		.options = {.raw_age_ns = HOUR_NS, .minutes_age_ns = 2 * HOUR_NS}};
	struct store_series series;

	(void)state;
	fixture_begin(&f);
	/* each minute one: then chunks end where windows do, and the points must lie close */
	for (uint64_t i = 0; i < 3000; i++) {
		fixture_add(&f, 1, T0 + i * MINUTE_NS);
		assert_int_equal(store_commit(f.store), 0);
		fixture_retain(&f, T0 + i * MINUTE_NS, MINUTE_NS);
		if (i % 251)
			continue;
		series = fixture_read(&f, 1, 0, 0);
		for (size_t k = 1; k < series.count; k++)
			assert_true(series.items[k].time_ns > series.items[k - 1].time_ns);
		if (series.resolution_ns < 600 * S_NS)
			assert_no_hole(&series, MINUTE_NS);
		store_series_done(&series);
	}
	fixture_end(&f);
}

static void points_are_forgotten_after_days(void **state)
{
	struct store_fixture f = {.options = {.raw_age_ns = MINUTE_NS,
					      .minutes_age_ns = HOUR_NS,
					      .days_age_ns = 2 * DAY_NS}};
	struct store_statistics statistics;
	struct store_series series;

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 600; i++)
		fixture_add(&f, 1, T0 + i * S_NS);
	assert_int_equal(store_commit(f.store), 0);
	fixture_retain(&f, T0 + 600 * S_NS, S_NS);
	fixture_wait_until(&f, T0 + DAY_NS);
	series = fixture_read(&f, 1, 0, 0);
	assert_int_equal(series.count, 1);
	assert_int_equal(series.items[0].width_ns, 600 * S_NS);
	assert_window(&series.items[0], 1, 1);
	store_series_done(&series);
	fixture_wait_until(&f, T0 + 3 * DAY_NS);
	series = fixture_read(&f, 1, 0, 0);
	assert_int_equal(series.count, 0);
	store_series_done(&series);
	assert_int_equal(store_statistics(f.store, &statistics), 0);
	assert_int_equal(statistics.recent_samples + statistics.raw_samples +
				 statistics.minute_points + statistics.ten_minute_points,
			 0);
	fixture_end(&f);
}

enum { MODEL_TARGETS = 40, MODEL_SAMPLES = 2000 };

/* What was put, by target: times, ascending. */
struct model {
	uint64_t times[MODEL_TARGETS + 1][MODEL_SAMPLES];
	size_t counts[MODEL_TARGETS + 1];
};

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void assert_as_modelled(struct store_fixture *f, struct model *model, uint64_t target)
{
	struct store_series series = fixture_read(f, target, 0, 0);

	qsort(model->times[target], model->counts[target], sizeof(uint64_t), compare_times);
	assert_int_equal(series.count, model->counts[target]);
	for (size_t i = 0; i < series.count; i++) {
		struct store_sample sample = fixture_sample(target, model->times[target][i]);

		assert_sample(&series.items[i], &sample);
	}
	store_series_done(&series);
}

/* Times are all different, but come in any order: clocks are set back. */
static void any_order_of_calls_is_as_the_naive_model_says(void **state)
{
	struct store_fixture f = {.options = {.raw_age_ns = 300 * DAY_NS}};
	struct model *model = calloc(1, sizeof(*model));
	uint64_t random = 88172645463325252u, now = T0;

	(void)state;
	assert_non_null(model);
	fixture_begin(&f);
	for (int i = 0; i < 30000; i++) {
		uint64_t what = random_next(&random) >> 20 & 0xffff;
		uint64_t target = what % MODEL_TARGETS + 1;

		now += S_NS + what;
		if (what > 65500)
			now -= HOUR_NS / 7;
		if (model->counts[target] < MODEL_SAMPLES) {
			/* no two of the same time */
			uint64_t time = now / 40000 * 40000 + (uint64_t)i;

			fixture_add(&f, target, time);
			model->times[target][model->counts[target]++] = time;
		}
		if (what % 97 == 0)
			assert_int_equal(store_commit(f.store), 0);
		if (what % 211 == 0)
			assert_int_equal(store_retain(f.store, now, f.monotonic_ns += S_NS, NULL),
					 0);
		if (what % 1999 == 0)
			fixture_reopen(&f);
		if (what % 501 == 0)
			assert_as_modelled(&f, model, target);
	}
	for (uint64_t target = 1; target <= MODEL_TARGETS; target++)
		assert_as_modelled(&f, model, target);
	assert_int_equal(fixture_state(&f).damaged_files + fixture_state(&f).bad_blobs, 0);
	free(model);
	fixture_end(&f);
}

static void a_reader_beside_the_agent_sees_the_same(void **state)
{
	struct store_fixture f = {.options = {.raw_age_ns = DAY_NS}},
			     reader = {.options = {.read_only = true}};
	bool more;

	(void)state;
	fixture_begin(&f);
	memcpy(reader.directory, f.directory, sizeof(f.directory));
	assert_int_equal(store_commit(f.store), 0);
	fixture_open(&reader);
	for (uint64_t i = 0; i < 4000; i++) {
		for (uint64_t target = 1; target < 4; target++)
			fixture_add(&f, target, T0 + i * S_NS);
		if (i % 7 == 0)
			assert_int_equal(store_commit(f.store), 0);
		/* one step at a time, so that the reader meets half-packed batches */
		if (i % 7 == 0)
			assert_int_equal(store_retain(f.store, T0 + i * S_NS,
						      f.monotonic_ns += S_NS, &more),
					 0);
		if (i % 70 == 0)
			assert_whole(&reader, 1 + i % 3, i + 1);
	}
	assert_int_equal(store_commit(reader.store), 0);
	fixture_target(&f, 5);
	assert_int_equal(store_retain(reader.store, T0, 1, &more), -EROFS);
	store_close(reader.store);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_read_as_they_were_put),
		cmocka_unit_test(ranges_include_both_ends),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(of_two_samples_of_one_time_one_is_read),
		cmocka_unit_test(the_oldest_that_wait_are_dropped_and_counted),
		cmocka_unit_test(thinning_keeps_peaks_and_troughs),
		cmocka_unit_test(old_samples_are_rolled_up),
		cmocka_unit_test(borders_between_resolutions_have_no_hole),
		cmocka_unit_test(points_are_forgotten_after_days),
		cmocka_unit_test(any_order_of_calls_is_as_the_naive_model_says),
		cmocka_unit_test(a_reader_beside_the_agent_sees_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
