/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots of sites and the dictionary of stacks. */
#include <errno.h>

#include "agent/store/snapshots.h"
#include "base/random.h"
#include "store_fixture.h"

enum { SITES = 300 };

static struct store_site site_of(uint64_t random, uint64_t stack)
{
	return (struct store_site){.stack = stack * UINT64_C(0x9e3779b97f4a7c15),
				   .outstanding_bytes = random % 100000,
				   .outstanding_count = random % 70,
				   .allocs = random % 1000000,
				   .alloc_bytes = random,
				   .component = (uint32_t)random,
				   .state = (uint8_t)random};
}

/* The sites of the @number-th snapshot, from the number alone. */
static size_t make_sites(uint64_t number, struct store_site *sites)
{
	uint64_t random = number * 977 + 88172645463325252u;
	size_t count = number % SITES;

	for (size_t i = 0; i < count; i++) {
		uint64_t r = random_next(&random);

		sites[i] = site_of(r, r % 1000 + number / 10);
	}
	return count;
}

static uint64_t add(struct store_fixture *f, uint64_t target, uint64_t number)
{
	struct store_site sites[SITES];
	struct store_snapshot snapshot = {.target = target,
					  .time_ns = T0 + number * MINUTE_NS,
					  .site_count = make_sites(number, sites),
					  .sites = sites};
	uint64_t id = 0;

	assert_int_equal(store_add_snapshot(f->store, &snapshot, &id), 0);
	return id;
}

static int compare_sites(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct store_site));
}

/* In any order. */
static void assert_sites(const struct store_snapshot *snapshot, uint64_t number)
{
	struct store_site sites[SITES], got[SITES];
	size_t count = make_sites(number, sites);
	uint64_t sum = 0;

	memset(got, 0, sizeof(got));
	assert_int_equal(snapshot->site_count, count);
	assert_int_equal(snapshot->time_ns, T0 + number * MINUTE_NS);
	for (size_t i = 0; i < count; i++) {
		struct store_site expected;

		/* also what lies between the fields */
		memset(&expected, 0, sizeof(expected));
		expected.stack = sites[i].stack;
		expected.outstanding_bytes = sites[i].outstanding_bytes;
		expected.outstanding_count = sites[i].outstanding_count;
		expected.allocs = sites[i].allocs;
		expected.alloc_bytes = sites[i].alloc_bytes;
		expected.component = sites[i].component;
		expected.state = sites[i].state;
		memcpy(&sites[i], &expected, sizeof(expected));
		memcpy(&got[i], &snapshot->sites[i], sizeof(got[i]));
		sum += sites[i].outstanding_bytes;
	}
	qsort(sites, count, sizeof(*sites), compare_sites);
	qsort(got, count, sizeof(*got), compare_sites);
	assert_memory_equal(sites, got, count * sizeof(*sites));
	assert_int_equal(snapshot->outstanding_bytes, sum);
}

static void snapshots_are_read_back(void **state)
{
	struct store_fixture f = {0};
	struct store_snapshots got;
	uint64_t ids[60];

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 60; i++) {
		ids[i] = add(&f, 1 + i % 2, i * 37);
		if (i % 20 == 0)
			fixture_reopen(&f);
	}
	for (uint64_t i = 0; i < 60; i++) {
		assert_int_equal(store_read_snapshot(f.store, ids[i], &got), 0);
		assert_int_equal(got.count, 1);
		assert_int_equal(got.items[0].target, 1 + i % 2);
		assert_sites(&got.items[0], i * 37);
		store_snapshots_done(&got);
	}
	assert_int_equal(store_read_snapshot(f.store, 9999, &got), -ENOENT);
	fixture_end(&f);
}

struct taken {
	uint64_t times[1000];
	size_t count;
	size_t stop_at;
};

static int take(void *context, const struct store_snapshot *snapshot)
{
	struct taken *taken = context;

	assert_sites(snapshot, (snapshot->time_ns - T0) / MINUTE_NS);
	taken->times[taken->count++] = snapshot->time_ns;
	return taken->count == taken->stop_at ? 42 : 0;
}

static void a_range_is_read_evenly(void **state)
{
	struct store_fixture f = {0};
	struct store_snapshot_query query = {.target = 1};
	struct store_snapshots list;

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 100; i++) {
		add(&f, 1, i);
		add(&f, 2, i);
	}
	for (size_t limit = 1; limit < 120; limit += 9) {
		struct taken taken = {.stop_at = SIZE_MAX};
		size_t expected = limit < 100 ? limit : 100;

		query.limit = limit;
		assert_int_equal(store_read_snapshots(f.store, &query, take, &taken), 0);
		assert_int_equal(taken.count, expected);
		assert_int_equal(taken.times[expected - 1], T0 + 99 * MINUTE_NS);
		if (limit > 1)
			assert_int_equal(taken.times[0], T0);
		assert_int_equal(store_list_snapshots(f.store, &query, &list), 0);
		assert_int_equal(list.count, expected);
		for (size_t i = 0; i < expected; i++)
			assert_int_equal(list.items[i].time_ns, taken.times[i]);
		store_snapshots_done(&list);
	}
	query.from_ns = T0 + 10 * MINUTE_NS;
	query.to_ns = T0 + 12 * MINUTE_NS;
	assert_int_equal(store_list_snapshots(f.store, &query, &list), 0);
	assert_int_equal(list.count, 3);
	assert_null(list.items[0].sites);
	store_snapshots_done(&list);
	query.target = 3;
	assert_int_equal(store_list_snapshots(f.store, &query, &list), 0);
	assert_int_equal(list.count, 0);
	store_snapshots_done(&list);
	fixture_end(&f);
}

static void who_takes_may_stop(void **state)
{
	struct store_fixture f = {0};
	struct store_snapshot_query query = {.target = 1};
	struct taken taken = {.stop_at = 2};

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 5; i++)
		add(&f, 1, i);
	assert_int_equal(store_read_snapshots(f.store, &query, take, &taken), 42);
	assert_int_equal(taken.count, 2);
	fixture_end(&f);
}

static void assert_stack(struct store_fixture *f, uint64_t target, const struct store_stack *stack)
{
	void *bytes;
	size_t size;

	assert_int_equal(store_read_stack(f->store, target, stack->hash, &bytes, &size), 0);
	assert_int_equal(size, stack->size);
	assert_memory_equal(bytes, stack->bytes, size);
	free(bytes);
}

static void stacks_are_kept_once(void **state)
{
	struct store_fixture f = {0};
	char text[5000];
	struct store_stack stacks[] = {
		{1, "main", 4}, {UINT64_MAX, text, sizeof(text)}, {0, "", 0}};
	struct store_stack other = {1, "other", 5};
	struct store_statistics statistics;
	void *bytes;
	size_t size;

	(void)state;
	memset(text, 'f', sizeof(text));
	fixture_begin(&f);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_put_stacks(f.store, 1, stacks, 3), 0);
		for (int k = 0; k < 3; k++)
			assert_stack(&f, 1, &stacks[k]);
		fixture_reopen(&f);
	}
	assert_int_equal(store_put_stacks(f.store, 1, &other, 1), 0);
	assert_stack(&f, 1, &stacks[0]);
	assert_int_equal(store_put_stacks(f.store, 2, &other, 1), 0);
	assert_stack(&f, 2, &other);
	assert_int_equal(store_read_stack(f.store, 2, 99, &bytes, &size), -ENOENT);
	assert_int_equal(store_statistics(f.store, &statistics), 0);
	assert_int_equal(statistics.stacks, 4);
	stacks[0].size = STORE_MAX_TEXT_BYTES + 1;
	assert_int_equal(store_put_stacks(f.store, 1, stacks, 1), -E2BIG);
	fixture_end(&f);
}

static void a_stack_may_come_after_its_snapshot(void **state)
{
	struct store_fixture f = {0};
	struct store_site site = site_of(5, 1);
	struct store_snapshot snapshot = {
		.target = 1, .time_ns = T0, .site_count = 1, .sites = &site};
	struct store_stack stack = {site.stack, "late", 4};
	uint64_t id;
	void *bytes;
	size_t size;

	(void)state;
	fixture_begin(&f);
	assert_int_equal(store_add_snapshot(f.store, &snapshot, &id), 0);
	assert_int_equal(store_read_stack(f.store, 1, site.stack, &bytes, &size), -ENOENT);
	assert_int_equal(store_put_stacks(f.store, 1, &stack, 1), 0);
	assert_stack(&f, 1, &stack);
	fixture_end(&f);
}

static void stacks_outlive_their_snapshots_by_a_day(void **state)
{
	struct store_fixture f = {.options = {.minutes_age_ns = DAY_NS}};
	struct store_stack unused = {7, "unused", 6};
	struct store_statistics statistics;

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 100; i++)
		add(&f, 1, i);
	assert_int_equal(store_put_stacks(f.store, 1, &unused, 1), 0);
	fixture_wait_until(&f, T0 + DAY_NS);
	assert_int_equal(store_statistics(f.store, &statistics), 0);
	assert_int_equal(statistics.snapshots, 100);
	assert_true(statistics.stacks > 500);
	fixture_wait_until(&f, T0 + DAY_NS + 50 * MINUTE_NS);
	assert_int_equal(store_statistics(f.store, &statistics), 0);
	assert_int_equal(statistics.snapshots, 50);
	fixture_wait_until(&f, T0 + 4 * DAY_NS);
	assert_int_equal(store_statistics(f.store, &statistics), 0);
	assert_int_equal(statistics.snapshots, 0);
	/* this one has not had its snapshot yet */
	assert_int_equal(statistics.stacks, 1);
	fixture_end(&f);
}

static void an_empty_snapshot_is_one(void **state)
{
	struct store_fixture f = {0};
	struct store_snapshot snapshot = {.target = 1, .time_ns = T0};
	struct store_snapshots got;
	uint64_t id;

	(void)state;
	fixture_begin(&f);
	assert_int_equal(store_add_snapshot(f.store, &snapshot, &id), 0);
	assert_int_equal(store_read_snapshot(f.store, id, &got), 0);
	assert_int_equal(got.items[0].site_count, 0);
	store_snapshots_done(&got);
	snapshot.target = 0;
	assert_int_equal(store_add_snapshot(f.store, &snapshot, &id), -EINVAL);
	snapshot.target = 1;
	snapshot.site_count = STORE_MAX_SITES + 1;
	assert_int_equal(store_add_snapshot(f.store, &snapshot, &id), -E2BIG);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshots_are_read_back),
		cmocka_unit_test(a_range_is_read_evenly),
		cmocka_unit_test(who_takes_may_stop),
		cmocka_unit_test(stacks_are_kept_once),
		cmocka_unit_test(a_stack_may_come_after_its_snapshot),
		cmocka_unit_test(stacks_outlive_their_snapshots_by_a_day),
		cmocka_unit_test(an_empty_snapshot_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
