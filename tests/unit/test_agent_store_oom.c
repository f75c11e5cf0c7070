/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * The n-th allocation of ours fails, for every n, while everything is put and read: each call succeeds or is -ENOMEM, nothing leaks,
 * and afterwards all works. (SQLite and zstd allocate for themselves; theirs are not reached.)
 */
#include <errno.h>

#include "agent/store/events.h"
#include "agent/store/leaks.h"
#include "agent/store/profiles.h"
#include "agent/store/sessions.h"
#include "agent/store/snapshots.h"
#include "oom.h"
#include "store_fixture.h"

static void fine(int err)
{
	assert_true(err == 0 || err == -ENOMEM);
}

static void put(struct store *store)
{
	struct store_target target = {.pid = 1, .start_time_ns = 1, .comm = "x"};
	struct store_site site = {.stack = 5};
	struct store_snapshot snapshot = {
		.target = 1, .time_ns = T0, .sites = &site, .site_count = 1};
	struct store_stack stack = {5, "main", 4};
	struct store_profile profile = {.target = 1, .bytes = "gzip", .size_bytes = 4};
	struct store_leak leak = {.leak_id = "0123456789abcdef", .target = 1};
	struct store_session session = {.session_id = "0123456789abcdef", .target = 1};
	struct store_event event = {.kind = "x"};
	uint64_t id;

	fine(store_put_target(store, &target, &id));
	target.exe = "/usr/bin/x";
	fine(store_put_target(store, &target, &id));
	for (uint64_t i = 0; i < 400; i++) {
		struct store_sample sample = fixture_sample(1, T0 + i * 10 * S_NS);

		fine(store_add_samples(store, &sample, 1));
	}
	fine(store_put_stacks(store, 1, &stack, 1));
	fine(store_add_snapshot(store, &snapshot, &id));
	fine(store_add_profile(store, &profile, &id));
	fine(store_put_leak(store, &leak));
	fine(store_put_session(store, &session));
	fine(store_add_event(store, &event, &id));
	fine(store_commit(store));
	for (int i = 0; i < 3; i++)
		fine(store_retain(store, T0 + 10 * HOUR_NS, S_NS, NULL));
}

static int take(void *context, const struct store_snapshot *snapshot)
{
	*(uint64_t *)context += snapshot->site_count;
	return 0;
}

#define READ(call, done, list)         \
	do {                           \
		int err_ = (call);     \
		fine(err_);            \
		if (!err_)             \
			done(&(list)); \
	} while (0)

static void get(struct store *store)
{
	struct store_snapshot_query snapshot_query = {.target = 1};
	struct store_snapshots snapshots;
	struct store_profiles profiles;
	struct store_sessions sessions;
	struct store_targets targets;
	struct store_events events;
	struct store_series series;
	struct store_leaks leaks;
	uint64_t count = 0;
	void *bytes = NULL;
	size_t size;
	int err;

	READ(store_list_targets(store, &(struct store_target_query){0}, &targets),
	     store_targets_done, targets);
	READ(store_read_samples(store, &(struct store_sample_query){.target = 1}, &series),
	     store_series_done, series);
	READ(store_list_snapshots(store, &snapshot_query, &snapshots), store_snapshots_done,
	     snapshots);
	fine(store_read_snapshots(store, &snapshot_query, take, &count));
	READ(store_list_profiles(store, &(struct store_profile_query){0}, &profiles),
	     store_profiles_done, profiles);
	READ(store_list_leaks(store, &(struct store_leak_query){0}, &leaks), store_leaks_done,
	     leaks);
	READ(store_list_sessions(store, &(struct store_session_query){0}, &sessions),
	     store_sessions_done, sessions);
	READ(store_list_events(store, &(struct store_event_query){0}, &events), store_events_done,
	     events);
	err = store_read_stack(store, 1, 5, &bytes, &size);
	assert_true(err == 0 || err == -ENOMEM || err == -ENOENT);
	free(bytes);
}

static void every_allocation_may_fail(void **state)
{
	struct store_fixture f = {0};
	bool struck = true;

	(void)state;
	fixture_begin(&f);
	store_close(f.store);
	for (long n = 1; struck; n++) {
		int err;

		f.store = NULL;
		oom_arm(n);
		err = store_open(&f.options, &f.store, NULL);
		fine(err);
		if (!err) {
			put(f.store);
			get(f.store);
		}
		struck = oom_disarm();
		assert_true(struck || !err);
		if (!err) {
			assert_int_equal(fixture_state(&f).damaged_files, 0);
			assert_int_equal(fixture_state(&f).bad_blobs, 0);
			put(f.store);
			get(f.store);
			assert_int_equal(fixture_state(&f).pending_samples, 0);
		}
		store_close(f.store);
		/* as new, so that also the first time of everything is reached */
		fixture_remove(&f);
		assert_int_equal(mkdir(f.directory, 0700), 0);
	}
	assert_int_equal(rmdir(f.directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
