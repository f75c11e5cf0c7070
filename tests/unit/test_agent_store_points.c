/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points as bytes and back, put in order, rolled up, thinned; batches; what is no such bytes is refused. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/batch.h"
#include "agent/store/packer.h"
#include "agent/store/points.h"
#include "agent/store/site_blob.h"
#include "base/random.h"
#include "cmocka_all.h"

static struct store_values values_of(uint64_t value)
{
	struct store_values values;

#define SET(field, kind) values.field = value;
	STORE_SAMPLE_COLUMNS(SET)
	return values;
}

/* Of all sizes, and often one of the edges. */
static uint64_t any_number(uint64_t *random)
{
	static const uint64_t edges[] = {
		0, 1, 4096, UINT64_MAX, UINT64_MAX - 1, INT64_MAX, UINT64_C(1) << 63};
	uint64_t r = random_next(random);

	if (r % 3 == 0)
		return edges[r / 3 % (sizeof(edges) / sizeof(*edges))];
	return random_next(random) >> r / 3 % 64;
}

static void make(struct point_vec *points, size_t count, uint64_t width_ns, uint64_t *random)
{
	uint64_t time_ns = random_next(random) >> 4;

	vec_clear(points);
	for (size_t i = 0; i < count; i++) {
		struct store_point point = {.time_ns = time_ns, .width_ns = width_ns};
		uint64_t *value = &point.values.rss_bytes;

		for (size_t k = 0; k < sizeof(point.values) / sizeof(*value); k++)
			value[k] = any_number(random);
		point.rss_min_bytes = point.values.rss_bytes;
		if (width_ns && point.values.rss_bytes != STORE_UNKNOWN)
			point.rss_min_bytes -= point.values.rss_bytes / 3;
		assert_int_equal(vec_push(points, point), 0);
		time_ns += 1 + (random_next(random) >> 30) % 1000000;
	}
}

static void all_numbers_come_back(void **state)
{
	struct point_vec points = VEC_INIT, got = VEC_INIT;
	struct strbuf bytes = STRBUF_INIT;
	uint64_t random = 88172645463325252u;

	(void)state;
	for (size_t i = 0; i < 2000; i++) {
		size_t count = 1 + i % POINTS_MAX_IN_BLOB;

		make(&points, count, i % 2 * 60, &random);
		strbuf_reset(&bytes);
		vec_clear(&got);
		assert_int_equal(points_encode(points.items, count, &bytes), 0);
		assert_int_equal(points_decode(&bytes, &got), 0);
		assert_int_equal(got.count, count);
		assert_memory_equal(got.items, points.items, count * sizeof(*got.items));
		/* cut anywhere, it is none */
		strbuf_truncate(&bytes, bytes.len - 1 - i % bytes.len);
		assert_int_equal(points_decode(&bytes, &got), -EBADMSG);
		assert_int_equal(got.count, count);
	}
	vec_done(&points);
	vec_done(&got);
	strbuf_done(&bytes);
}

static void what_no_encoder_writes_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{"", 0},
		{"\2\1\0\1", 4},           /* version */
		{"\1\0\0\1", 4},           /* no points */
		{"\1\1\0\0\2", 5},         /* no columns */
		{"\1\1\0\14\2", 5},        /* more columns than there are */
		{"\1\2\0\1\2\3\0\2\2", 9}, /* time stands still */
		{"\1\1\0\1\2\100\2", 7},   /* shifted by 64 */
		{"\1\1\0\1\2\77\20", 7},   /* shifted out */
		{"\1\1\0\1\2\0\2\0", 8},   /* too long */
		{"\1\1\0\1\1\0\2", 7},     /* before the epoch */
		{"\1\1\0\1\377\377\377\377\377\377\377\377\377\377\1\0\2", 17},
	};
	struct point_vec points = VEC_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct strbuf bytes = {.buf = (char *)bad[i].bytes, .len = bad[i].size};

		assert_int_equal(points_decode(&bytes, &points), -EBADMSG);
		assert_int_equal(points.count, 0);
	}
	vec_done(&points);
}

static void an_older_blob_lacks_columns(void **state)
{
	struct strbuf bytes = {.buf = (char *)"\1\1\0\1\6\3\4", .len = 7};
	struct point_vec points = VEC_INIT;

	(void)state;
	assert_int_equal(points_decode(&bytes, &points), 0);
	assert_int_equal(points.items[0].time_ns, 3);
	assert_int_equal(points.items[0].values.rss_bytes, 8);
	assert_int_equal(points.items[0].values.vms_bytes, STORE_UNKNOWN);
	assert_int_equal(points.items[0].values.limit_bytes, STORE_UNKNOWN);
	vec_done(&points);
}

static void windows_keep_largest_least_and_last(void **state)
{
	static const uint64_t rss[] = {5, STORE_UNKNOWN, 9, 2, 7};
	struct point_vec points = VEC_INIT;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		struct store_sample sample = {.time_ns = 60 + i * 20, .values = values_of(rss[i])};

		assert_int_equal(vec_push(&points, points_of_sample(&sample)), 0);
	}
	points_roll_up(&points, 60);
	assert_int_equal(points.count, 2);
	assert_int_equal(points.items[0].time_ns, 60);
	assert_int_equal(points.items[0].width_ns, 60);
	assert_int_equal(points.items[0].values.rss_bytes, 9);
	assert_int_equal(points.items[0].rss_min_bytes, 5);
	assert_int_equal(points.items[1].time_ns, 120);
	assert_int_equal(points.items[1].values.heap_live_bytes, 7);
	assert_int_equal(points.items[1].values.minor_faults, 7);
	assert_int_equal(points.items[1].rss_min_bytes, 2);
	points_roll_up(&points, 600);
	assert_int_equal(points.count, 1);
	assert_int_equal(points.items[0].time_ns, 0);
	assert_int_equal(points.items[0].values.major_faults, 7);
	assert_int_equal(points.items[0].rss_min_bytes, 2);
	vec_done(&points);
}

static void order_is_by_time_and_stable(void **state)
{
	struct point_vec points = VEC_INIT;
	uint64_t random = 4101842887655102017u;

	(void)state;
	for (size_t round = 1; round < 200; round++) {
		vec_clear(&points);
		for (size_t i = 0; i < round; i++) {
			struct store_sample sample = {.time_ns = (random_next(&random) >> 9) % 50,
						      .values = values_of(i)};

			assert_int_equal(vec_push(&points, points_of_sample(&sample)), 0);
		}
		assert_int_equal(points_arrange(&points), 0);
		for (size_t i = 1; i < points.count; i++)
			assert_true(points.items[i].time_ns > points.items[i - 1].time_ns);
		for (size_t i = 0; i < points.count; i++) {
			const struct store_point *point = &points.items[i];

			/* the last that was put is the largest here */
			assert_int_equal(point->values.minor_faults, point->values.rss_bytes);
			assert_true(point->rss_min_bytes <= point->values.rss_bytes);
		}
	}
	vec_done(&points);
}

static void batches_keep_samples_by_target(void **state)
{
	struct strbuf bytes = STRBUF_INIT;
	struct store_sample samples[100], got;
	uint64_t random = 88172645463325252u, last = 0;
	size_t next[5] = {0}, count = 0;
	struct batch batch;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		samples[i] = (struct store_sample){.target = i * 7 % 5 + 1,
						   .time_ns = random_next(&random) >> 1,
						   .values = values_of(any_number(&random))};
	assert_int_equal(strbuf_addstr(&bytes, "before"), 0);
	assert_int_equal(batch_encode(samples, 100, &bytes), 0);
	assert_int_equal(batch_open(bytes.buf + 6, bytes.len - 6, &batch), 0);
	while (batch_next(&batch) > 0) {
		size_t *at = &next[batch.target - 1];

		assert_true(batch.target >= last);
		last = batch.target;
		while (samples[*at].target != batch.target)
			++*at;
		assert_int_equal(batch_read(&batch, &got), 0);
		assert_memory_equal(&got, &samples[*at], sizeof(got));
		++*at;
		count++;
	}
	assert_int_equal(count, 100);
	bytes.buf[40] ^= 1;
	assert_int_equal(batch_open(bytes.buf + 6, bytes.len - 6, &batch), -EBADMSG);
	strbuf_done(&bytes);
}

static void flipped_bytes_do_not_unpack(void **state)
{
	struct strbuf packed = STRBUF_INIT, plain = STRBUF_INIT;
	uint64_t random = 88172645463325252u;
	char bytes[3000];
	struct packer packer;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(random_next(&random) % 7);
	assert_int_equal(packer_init(&packer), 0);
	assert_int_equal(packer_pack(&packer, bytes, sizeof(bytes), &packed), 0);
	assert_int_equal(packer_unpack(&packer, &packed, sizeof(bytes), &plain), 0);
	assert_int_equal(plain.len, sizeof(bytes));
	assert_memory_equal(plain.buf, bytes, sizeof(bytes));
	assert_int_equal(packer_unpack(&packer, &packed, sizeof(bytes) - 1, &plain), -EBADMSG);
	for (size_t i = 0; i < packed.len; i++) {
		int err;

		packed.buf[i] ^= 4;
		err = packer_unpack(&packer, &packed, 1 << 20, &plain);
		/* a few bits of a frame's header mean nothing */
		assert_true(err == -EBADMSG ||
			    (plain.len == sizeof(bytes) && !memcmp(plain.buf, bytes, plain.len)));
		packed.buf[i] ^= 4;
	}
	packer_done(&packer);
	strbuf_done(&packed);
	strbuf_done(&plain);
}

static void sites_of_nonsense_are_refused(void **state)
{
	static const char *const bad[] = {"\2\1aaaaaaa",
					  "\1\2aaaaaaa",
					  "\1\1aaaaaaaa",
					  "\1\1aaaaaa",
					  "\1\377\377\377\377\17aaaaaaa",
					  ""};
	struct store_site *sites = NULL;
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct strbuf bytes = {.buf = (char *)bad[i], .len = strlen(bad[i])};

		assert_int_equal(site_blob_decode(&bytes, &sites, &count), -EBADMSG);
	}
	assert_null(sites);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_numbers_come_back),
		cmocka_unit_test(what_no_encoder_writes_is_refused),
		cmocka_unit_test(an_older_blob_lacks_columns),
		cmocka_unit_test(windows_keep_largest_least_and_last),
		cmocka_unit_test(order_is_by_time_and_stable),
		cmocka_unit_test(batches_keep_samples_by_target),
		cmocka_unit_test(flipped_bytes_do_not_unpack),
		cmocka_unit_test(sites_of_nonsense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
