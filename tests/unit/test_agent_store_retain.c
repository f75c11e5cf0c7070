/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is forgotten and what is not: by age, by size, and when the clock jumps. */
#include <errno.h>
#include <fcntl.h>

#include "agent/store/events.h"
#include "agent/store/leaks.h"
#include "agent/store/profiles.h"
#include "agent/store/retention_clock.h"
#include "agent/store/sessions.h"
#include "agent/store/snapshots.h"
#include "base/cleanup.h"
#include "base/random.h"
#include "store_fixture.h"

static void the_clock_goes_with_the_wall(void **state)
{
	struct retention_clock clock = {0};

	(void)state;
	for (uint64_t i = 0; i < 100000; i += 7)
		assert_int_equal(retention_clock_step(&clock, T0 + i * S_NS, S_NS + i * S_NS),
				 T0 + i * S_NS);
}

static void a_jump_far_ahead_is_followed_slowly(void **state)
{
	struct retention_clock clock = {0};
	uint64_t now = 0;

	(void)state;
	retention_clock_step(&clock, T0, S_NS);
	for (uint64_t i = 1; i <= 3600; i++) {
		now = retention_clock_step(&clock, T0 + 36500 * DAY_NS + i * S_NS, S_NS + i * S_NS);
		assert_true(now <= T0 + 10 * i * S_NS);
	}
	assert_true(now >= T0 + 10 * HOUR_NS - 10 * S_NS);
	/* back again: as if nothing had been */
	now = retention_clock_step(&clock, T0 + 3601 * S_NS, 3602 * S_NS);
	assert_int_equal(now, T0 + 3601 * S_NS);
}

static void a_clock_that_stays_ahead_is_believed_after_a_day(void **state)
{
	struct retention_clock clock = {0};
	uint64_t now = 0, hours = 0;

	(void)state;
	retention_clock_step(&clock, T0, S_NS);
	do {
		hours++;
		/* over restarts, too */
		clock.monotonic_ns = hours % 5 ? clock.monotonic_ns : 0;
		now = retention_clock_step(&clock, T0 + (900 * 24 + hours) * HOUR_NS,
					   S_NS + hours * HOUR_NS);
	} while (now < T0 + (900 * 24 + hours) * HOUR_NS && hours < 100);
	assert_true(hours >= 24 && hours < 36);
}

static void a_night_is_made_up_for_in_an_hour(void **state)
{
	struct retention_clock clock = {.trusted_ns = T0};
	uint64_t now = 0;

	(void)state;
	for (uint64_t i = 0; i <= 60; i++)
		now = retention_clock_step(&clock, T0 + 8 * HOUR_NS + i * MINUTE_NS,
					   S_NS + i * MINUTE_NS);
	assert_int_equal(now, T0 + 9 * HOUR_NS);
}

static void the_time_is_never_ahead_of_the_wall(void **state)
{
	struct retention_clock clock = {0};
	uint64_t random = 88172645463325252u, wall = T0, monotonic = S_NS;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t r = random_next(&random) >> 10;

		monotonic += r % (100 * S_NS);
		wall += r % (100 * S_NS);
		if (r % 1000 == 0)
			wall = r % (UINT64_C(1) << 62);
		if (r % 777 == 0)
			monotonic = r % HOUR_NS; /* another boot */
		assert_true(retention_clock_step(&clock, wall, monotonic) <= wall);
	}
}

static uint64_t add_event(struct store_fixture *f, uint64_t time_ns)
{
	struct store_event event = {.time_ns = time_ns, .kind = "x"};
	uint64_t id = 0;

	assert_int_equal(store_add_event(f->store, &event, &id), 0);
	return id;
}

static uint64_t add_profile(struct store_fixture *f, uint64_t target, const char *reason,
			    size_t size)
{
	static char bytes[1 << 20];
	struct store_profile profile = {.target = target,
					.time_ns = T0,
					.reason = reason,
					.bytes = bytes,
					.size_bytes = size};
	uint64_t id = 0;

	assert_true(size <= sizeof(bytes));
	assert_int_equal(store_add_profile(f->store, &profile, &id), 0);
	return id;
}

static uint64_t add_snapshot(struct store_fixture *f, uint64_t target, uint64_t time_ns,
			     size_t count)
{
	struct store_site *sites = calloc(count, sizeof(*sites));
	struct store_snapshot snapshot = {
		.target = target, .time_ns = time_ns, .sites = sites, .site_count = count};
	uint64_t random = time_ns | 1, id = 0;

	assert_non_null(sites);
	for (size_t i = 0; i < count; i++)
		sites[i] = (struct store_site){.stack = i, .alloc_bytes = random_next(&random)};
	assert_int_equal(store_add_snapshot(f->store, &snapshot, &id), 0);
	free(sites);
	return id;
}

static void put_leak(struct store_fixture *f, const char *id, uint64_t target, uint64_t cleared_ns)
{
	struct store_leak leak = {
		.leak_id = id, .target = target, .cleared_ns = cleared_ns, .active = !cleared_ns};

	assert_int_equal(store_put_leak(f->store, &leak), 0);
}

static void put_session(struct store_fixture *f, const char *id, uint64_t end_ns, uint64_t profile)
{
	struct store_session session = {
		.session_id = id, .target = 1, .end_ns = end_ns, .profile = profile};

	assert_int_equal(store_put_session(f->store, &session), 0);
}

static struct store_statistics statistics_of(struct store_fixture *f)
{
	struct store_statistics statistics;

	assert_int_equal(store_statistics(f->store, &statistics), 0);
	return statistics;
}

static void what_is_old_is_forgotten_and_ids_go_on(void **state)
{
	struct store_fixture f = {.options = {.days_age_ns = 10 * DAY_NS}};
	uint64_t last = 0;

	(void)state;
	fixture_begin(&f);
	fixture_target(&f, 1);
	for (uint64_t i = 0; i < 1000; i++)
		last = add_event(&f, T0 + i * MINUTE_NS);
	put_leak(&f, "0000000000000001", 1, T0);
	put_leak(&f, "0000000000000002", 1, 0);
	put_session(&f, "0000000000000001", T0, 0);
	put_session(&f, "0000000000000002", 0, 0);
	add_profile(&f, 1, "growth", 100);
	fixture_wait_until(&f, T0 + 10 * DAY_NS);
	assert_int_equal(statistics_of(&f).events, 1000);
	fixture_wait_until(&f, T0 + 10 * DAY_NS + 400 * MINUTE_NS);
	assert_int_equal(statistics_of(&f).events, 600);
	assert_int_equal(statistics_of(&f).leaks, 1);
	assert_int_equal(statistics_of(&f).sessions, 1);
	fixture_wait_until(&f, T0 + 20 * DAY_NS);
	assert_int_equal(statistics_of(&f).events, 0);
	assert_int_equal(statistics_of(&f).profiles, 1);
	fixture_reopen(&f);
	assert_true(add_event(&f, T0) > last);
	fixture_end(&f);
}

static void with_a_target_goes_what_is_its(void **state)
{
	struct store_fixture f = {.options = {.days_age_ns = 10 * DAY_NS}};
	struct store_stack stack = {5, "x", 1};
	uint64_t a, b;

	(void)state;
	fixture_begin(&f);
	a = fixture_target(&f, 1);
	b = fixture_target(&f, 2);
	for (uint64_t i = 0; i < 30; i++) {
		add_profile(&f, a, "oom", 100);
		add_snapshot(&f, a, T0 + i, 50);
	}
	assert_int_equal(store_put_stacks(f.store, a, &stack, 1), 0);
	put_leak(&f, "0000000000000001", a, 0);
	put_leak(&f, "0000000000000002", b, 0);
	add_profile(&f, b, "growth", 100);
	assert_int_equal(store_end_target(f.store, a, T0, "exit", NULL), 0);
	fixture_wait_until(&f, T0 + 5 * DAY_NS);
	assert_int_equal(store_commit(f.store), 0);
	assert_int_equal(statistics_of(&f).targets, 2);
	fixture_wait_until(&f, T0 + 11 * DAY_NS);
	assert_int_equal(statistics_of(&f).targets, 1);
	assert_int_equal(statistics_of(&f).profiles, 1);
	assert_int_equal(statistics_of(&f).snapshots, 0);
	assert_int_equal(statistics_of(&f).stacks, 0);
	assert_int_equal(statistics_of(&f).leaks, 1);
	/* and its id is nobody else's */
	assert_true(fixture_target(&f, 1) > b);
	fixture_end(&f);
}

static void make_file(struct store_fixture *f, const char *name, off_t bytes)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	int fd;

	fixture_path(f, name, &path);
	fd = open(path.buf, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
}

/* T0 is the first of January 2026. The other name is nobody we know. */
static void what_was_set_aside_goes_by_age(void **state)
{
	struct store_fixture f = {.options = {.days_age_ns = 10 * DAY_NS}};

	(void)state;
	fixture_begin(&f);
	make_file(&f, "holdfast.db.damaged-20260101T000000Z", 5000);
	make_file(&f, "holdfast.db.damaged-20260101T000000Z-wal", 300);
	make_file(&f, "holdfast.db.damaged-20260105T000000Z-1", 20);
	make_file(&f, "holdfast.db.damaged-unknown",
		  1); /* of now, by its own time: later than all here */
	make_file(&f, "my.db.damaged-20200101T000000Z", 1);
	fixture_wait_until(&f, T0 + 9 * DAY_NS);
	assert_int_equal(fixture_files(&f, "damaged"), 5);
	assert_int_equal(fixture_state(&f).aside_bytes, 5321);
	fixture_wait_until(&f, T0 + 11 * DAY_NS);
	assert_int_equal(fixture_files(&f, "0101T000000Z"), 1);
	assert_int_equal(fixture_files(&f, "0105T000000Z"), 1);
	fixture_wait_until(&f, T0 + 15 * DAY_NS);
	assert_int_equal(fixture_files(&f, "0105T000000Z"), 0);
	assert_int_equal(fixture_files(&f, "damaged"), 2);
	assert_int_equal(fixture_state(&f).aside_bytes, 1);
	fixture_end(&f);
}

static void fill(struct store_fixture *f, uint64_t from_ns)
{
	for (uint64_t i = 0; i < 400; i++)
		fixture_add(f, 1, from_ns + i * S_NS);
	assert_int_equal(store_commit(f->store), 0);
	for (uint64_t i = 0; i < 5; i++) {
		add_snapshot(f, 1, from_ns + i, 20);
		add_event(f, from_ns + i);
		add_profile(f, 1, "growth", 50);
	}
}

static void assert_all_there(struct store_fixture *f, size_t times)
{
	struct store_series series = fixture_read(f, 1, 0, 0);

	assert_int_equal(series.count, 400 * times);
	for (size_t i = 1; i < series.count; i++)
		assert_true(series.items[i].time_ns > series.items[i - 1].time_ns);
	store_series_done(&series);
	assert_int_equal(statistics_of(f).snapshots, 5 * times);
	assert_int_equal(statistics_of(f).events, 5 * times);
	assert_int_equal(statistics_of(f).profiles, 5 * times);
}

static void a_jump_far_ahead_takes_nothing_young(void **state)
{
	struct store_fixture f = {0};

	(void)state;
	fixture_begin(&f);
	fill(&f, T0);
	fixture_retain(&f, T0 + 400 * S_NS, 400 * S_NS);
	/* five minutes of 2126, with a restart */
	for (uint64_t i = 0; i < 5; i++) {
		fixture_retain(&f, T0 + 36500 * DAY_NS + i * MINUTE_NS, MINUTE_NS);
		if (i == 2)
			fixture_reopen(&f);
	}
	assert_all_there(&f, 1);
	fill(&f, T0 + 36500 * DAY_NS);
	fixture_retain(&f, T0 + 36500 * DAY_NS + 6 * MINUTE_NS, MINUTE_NS);
	assert_all_there(&f, 2);
	/* the clock is right again: what has a time to come stays, what is put now is where it belongs */
	fill(&f, T0 + 20 * MINUTE_NS);
	fixture_retain(&f, T0 + 20 * MINUTE_NS, MINUTE_NS);
	assert_all_there(&f, 3);
	fixture_end(&f);
}

static void a_jump_back_takes_nothing_and_keeps_order(void **state)
{
	struct store_fixture f = {0};
	struct store_series series;

	(void)state;
	fixture_begin(&f);
	fill(&f, T0);
	fixture_retain(&f, T0 + 400 * S_NS, 400 * S_NS);
	fill(&f, T0 - 3650 * DAY_NS);
	fixture_retain(&f, T0 - 3650 * DAY_NS + 400 * S_NS, 400 * S_NS);
	assert_all_there(&f, 2);
	fixture_reopen(&f);
	fixture_retain(&f, T0 - 3650 * DAY_NS + 400 * S_NS, 400 * S_NS);
	/* to where it was before: what was put in between is ten years old, and goes; the rest is young */
	fixture_retain(&f, T0 + 20 * MINUTE_NS, 400 * S_NS);
	series = fixture_read(&f, 1, T0, 0);
	assert_int_equal(series.count, 400);
	store_series_done(&series);
	assert_int_equal(statistics_of(&f).snapshots, 5);
	fixture_end(&f);
}

static void a_clock_that_starts_in_1970_is_put_right(void **state)
{
	struct store_fixture f = {0};

	(void)state;
	fixture_begin(&f);
	fill(&f, 5 * S_NS);
	fixture_retain(&f, 400 * S_NS, S_NS);
	assert_all_there(&f, 1);
	fill(&f, T0);
	fixture_retain(&f, T0 + 400 * S_NS, S_NS);
	assert_all_there(&f, 2);
	/* the jump is believed after a day */
	for (uint64_t hour = 1; hour < 30; hour++)
		fixture_retain(&f, T0 + hour * HOUR_NS, HOUR_NS);
	assert_int_equal(statistics_of(&f).events, 5);
	fixture_end(&f);
}

static void size_is_kept_and_the_oldest_goes_first(void **state)
{
	struct store_fixture f = {.options = {.max_bytes = 4 << 20}};
	uint64_t oom, of_session, newest = 0, snapshot = 0;
	struct store_snapshots got;
	struct store_profiles profiles;
	struct store_series series;

	(void)state;
	fixture_begin(&f);
	oom = add_profile(&f, 1, "oom", 200000);
	of_session = add_profile(&f, 1, "growth", 200000);
	put_session(&f, "0000000000000001", 0, of_session);
	for (uint64_t i = 0; i < 60; i++) {
		for (uint64_t k = 0; k < 600; k++)
			fixture_add(&f, 1 + k % 5, T0 + (i * 600 + k) * S_NS);
		assert_int_equal(store_commit(f.store), 0);
		newest = add_profile(&f, 1, "growth", 100000);
		snapshot = add_snapshot(&f, 1, T0 + i * 600 * S_NS, 8000);
		fixture_retain(&f, T0 + i * 600 * S_NS, 600 * S_NS);
		assert_true(statistics_of(&f).file_bytes + statistics_of(&f).wal_bytes <= 4 << 20);
	}
	/* samples became minutes and tens, but the time that they tell of is whole */
	series = fixture_read(&f, 1, 0, 0);
	assert_int_equal(series.items[0].time_ns, T0);
	store_series_done(&series);
	/* of snapshots the last is there, of profiles those that are protected */
	assert_int_equal(store_read_snapshot(f.store, snapshot, &got), 0);
	store_snapshots_done(&got);
	assert_true(statistics_of(&f).snapshots < 60);
	assert_int_equal(store_read_profile(f.store, oom, &profiles), 0);
	store_profiles_done(&profiles);
	assert_int_equal(store_read_profile(f.store, of_session, &profiles), 0);
	store_profiles_done(&profiles);
	assert_int_equal(store_read_profile(f.store, newest, &profiles), 0);
	store_profiles_done(&profiles);
	assert_int_equal(fixture_state(&f).failed_writes, 0);
	fixture_end(&f);
}

static void other_limits_count_from_now_on(void **state)
{
	struct store_fixture f = {.options = {.max_bytes = 64 << 20}};
	struct store_options smaller = {.max_bytes = 2 << 20};

	(void)state;
	fixture_begin(&f);
	for (uint64_t i = 0; i < 30; i++)
		add_profile(&f, 1, "growth", 200000);
	fixture_retain(&f, T0, S_NS);
	assert_true(statistics_of(&f).profiles == 30);
	store_configure(f.store, &smaller);
	fixture_retain(&f, T0, S_NS);
	assert_true(statistics_of(&f).file_bytes + statistics_of(&f).wal_bytes <= 2 << 20);
	assert_true(statistics_of(&f).profiles >= 1);
	fixture_end(&f);
}

/* Oldest first, and before anything that the store itself holds. */
static void what_was_set_aside_counts_in_the_size(void **state)
{
	struct store_fixture f = {.options = {.max_bytes = 4 << 20}};

	(void)state;
	fixture_begin(&f);
	fill(&f, T0);
	make_file(&f, "holdfast.db.damaged-20260101T000000Z", 2 << 20);
	make_file(&f, "holdfast.db.damaged-20260102T000000Z", 1 << 20);
	fixture_wait_until(&f, T0 + HOUR_NS);
	assert_int_equal(fixture_files(&f, "damaged"), 2);
	make_file(&f, "holdfast.db.damaged-20260103T000000Z", 2 << 20);
	fixture_wait_until(&f, T0 + HOUR_NS);
	assert_int_equal(fixture_files(&f, "20260101"), 0);
	assert_int_equal(fixture_files(&f, "damaged"), 2);
	make_file(&f, "holdfast.db.damaged-20260104T000000Z", 9 << 20);
	fixture_wait_until(&f, T0 + HOUR_NS);
	assert_int_equal(fixture_files(&f, "damaged"), 0);
	assert_all_there(&f, 1);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_clock_goes_with_the_wall),
		cmocka_unit_test(a_jump_far_ahead_is_followed_slowly),
		cmocka_unit_test(a_clock_that_stays_ahead_is_believed_after_a_day),
		cmocka_unit_test(a_night_is_made_up_for_in_an_hour),
		cmocka_unit_test(the_time_is_never_ahead_of_the_wall),
		cmocka_unit_test(what_is_old_is_forgotten_and_ids_go_on),
		cmocka_unit_test(with_a_target_goes_what_is_its),
		cmocka_unit_test(what_was_set_aside_goes_by_age),
		cmocka_unit_test(what_was_set_aside_counts_in_the_size),
		cmocka_unit_test(a_jump_far_ahead_takes_nothing_young),
		cmocka_unit_test(a_jump_back_takes_nothing_and_keeps_order),
		cmocka_unit_test(a_clock_that_starts_in_1970_is_put_right),
		cmocka_unit_test(size_is_kept_and_the_oldest_goes_first),
		cmocka_unit_test(other_limits_count_from_now_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
