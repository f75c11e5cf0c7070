/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Targets, profiles, leaks, sessions, events: what is put is read and listed, page by page. */
#include <errno.h>
#include <math.h>

#include "agent/store/events.h"
#include "agent/store/leaks.h"
#include "agent/store/profiles.h"
#include "agent/store/sessions.h"
#include "base/random.h"
#include "store_fixture.h"

#define ODD_TEXT "\x01\xff'; DROP TABLE target; --\n\xc3\x28\"%s"

static void a_process_is_one_target(void **state)
{
	struct store_fixture f = {0};
	struct store_target target = {.pid = 7,
				      .start_time_ns = UINT64_MAX,
				      .first_seen_ns = T0 + 5,
				      .last_seen_ns = T0 + 5,
				      .comm = ODD_TEXT,
				      .exe = "/usr/bin/x"};
	struct store_targets got;
	uint64_t id, again, other;

	(void)state;
	fixture_begin(&f);
	assert_int_equal(store_put_target(f.store, &target, &id), 0);
	for (int reopened = 0; reopened < 2; reopened++) {
		target.first_seen_ns = T0 + 3;
		target.last_seen_ns = T0 + 9;
		target.comm = NULL;
		target.unit = "x.service";
		assert_int_equal(store_put_target(f.store, &target, &again), 0);
		assert_int_equal(again, id);
		target.start_time_ns = 5;
		target.exe = NULL;
		assert_int_equal(store_put_target(f.store, &target, &other), 0);
		assert_int_not_equal(other, id);
		target.start_time_ns = UINT64_MAX;
		assert_int_equal(store_get_target(f.store, id, &got), 0);
		assert_int_equal(got.count, 1);
		assert_string_equal(got.items[0].comm, ODD_TEXT);
		assert_string_equal(got.items[0].exe, "/usr/bin/x");
		assert_string_equal(got.items[0].unit, "x.service");
		assert_string_equal(got.items[0].container, "");
		assert_int_equal(got.items[0].first_seen_ns, T0 + 3);
		assert_int_equal(got.items[0].last_seen_ns, T0 + 9);
		assert_int_equal(got.items[0].ended_ns, 0);
		assert_int_equal(got.items[0].start_time_ns, UINT64_MAX);
		assert_int_equal(got.items[0].pid, 7);
		store_targets_done(&got);
		fixture_reopen(&f);
	}
	assert_int_equal(store_get_target(f.store, 99, &got), -ENOENT);
	fixture_end(&f);
}

static void an_ended_target_stays_what_it_was(void **state)
{
	struct store_fixture f = {0};
	struct store_targets got;
	uint64_t a;

	(void)state;
	fixture_begin(&f);
	a = fixture_target(&f, 1);
	assert_int_equal(store_commit(f.store), 0);
	assert_int_equal(store_end_target(f.store, a, T0 + 1, "oom", "{\"a\":1}"), 0);
	assert_int_equal(store_end_target(f.store, a + 1, T0 + 1, "oom", NULL), -ENOENT);
	assert_int_equal(store_end_target(f.store, 0, T0 + 1, "oom", NULL), -ENOENT);
	assert_int_equal(store_end_target(f.store, a, 0, "oom", NULL), -EINVAL);
	assert_int_equal(store_commit(f.store), 0);
	fixture_reopen(&f);
	assert_int_equal(store_get_target(f.store, a, &got), 0);
	assert_int_equal(got.items[0].ended_ns, T0 + 1);
	assert_string_equal(got.items[0].end_reason, "oom");
	assert_string_equal(got.items[0].end_detail, "{\"a\":1}");
	assert_string_equal(got.items[0].comm, "python3");
	store_targets_done(&got);
	/* a mistake: it is there again */
	assert_int_equal(fixture_target(&f, 1), a);
	assert_int_equal(store_get_target(f.store, a, &got), 0);
	assert_int_equal(got.items[0].ended_ns, 0);
	store_targets_done(&got);
	fixture_end(&f);
}

static void samples_tell_when_a_target_was_last_seen(void **state)
{
	struct store_fixture f = {0};
	struct store_targets got;
	uint64_t a;

	(void)state;
	fixture_begin(&f);
	a = fixture_target(&f, 1);
	assert_int_equal(store_commit(f.store), 0);
	for (uint64_t i = 0; i < 100; i++)
		fixture_add(&f, a, T0 + i * S_NS);
	assert_int_equal(store_get_target(f.store, a, &got), 0);
	assert_int_equal(got.items[0].last_seen_ns, T0 + 99 * S_NS);
	store_targets_done(&got);
	fixture_reopen(&f);
	assert_int_equal(store_get_target(f.store, a, &got), 0);
	assert_int_equal(got.items[0].last_seen_ns, T0 + 99 * S_NS);
	store_targets_done(&got);
	fixture_end(&f);
}

/* Pages of @limit; the sum of ids, so that none is twice or missing. */
static size_t walk_targets(struct store_fixture *f, struct store_target_query query, uint64_t *sum)
{
	size_t count = 0;

	*sum = 0;
	do {
		struct store_targets page;

		assert_int_equal(store_list_targets(f->store, &query, &page), 0);
		assert_true(page.count <= query.limit);
		for (size_t i = 0; i < page.count; i++) {
			assert_true(page.items[i].id > query.after);
			if (i)
				assert_true(page.items[i].id > page.items[i - 1].id);
			*sum += page.items[i].id;
		}
		count += page.count;
		query.after = page.next;
		store_targets_done(&page);
	} while (query.after);
	return count;
}

static void targets_are_listed_from_file_and_memory(void **state)
{
	struct store_fixture f = {0};
	uint64_t random = 4101842887655102017u, ids[300], running_sum = 0, all_sum = 0, sum;
	bool ended[300] = {false};
	size_t running = 0;

	(void)state;
	fixture_begin(&f);
	for (int i = 0; i < 300; i++) {
		uint64_t r = random_next(&random) >> 20;
		int other = (int)(r % (unsigned int)(i + 1));

		ids[i] = fixture_target(&f, i + 1);
		if (r % 3 == 0 && !ended[other]) {
			assert_int_equal(store_end_target(f.store, ids[other], T0, "exit", NULL),
					 0);
			ended[other] = true;
		}
		if (r % 17 == 0)
			assert_int_equal(store_commit(f.store), 0);
		if (r % 61 == 0)
			fixture_reopen(&f);
	}
	for (int i = 0; i < 300; i++) {
		all_sum += ids[i];
		running += !ended[i];
		running_sum += ended[i] ? 0 : ids[i];
	}
	for (size_t limit = 1; limit < 400; limit += 13) {
		struct store_target_query query = {.limit = limit};

		assert_int_equal(walk_targets(&f, query, &sum), 300);
		assert_int_equal(sum, all_sum);
		query.state = STORE_TARGETS_RUNNING;
		assert_int_equal(walk_targets(&f, query, &sum), running);
		assert_int_equal(sum, running_sum);
		query.state = STORE_TARGETS_ENDED;
		assert_int_equal(walk_targets(&f, query, &sum), 300 - running);
		assert_int_equal(sum, all_sum - running_sum);
		query = (struct store_target_query){.pid = 17, .limit = limit};
		assert_int_equal(walk_targets(&f, query, &sum), 1);
		assert_int_equal(sum, ids[16]);
	}
	fixture_end(&f);
}

static uint64_t add_profile(struct store_fixture *f, uint64_t target, const char *reason)
{
	struct store_profile profile = {.target = target,
					.time_ns = T0,
					.reason = reason,
					.state = "leaking",
					.growth_bytes_per_second = 1.5,
					.finding_count = 3,
					.bytes = "\0gzip\0",
					.size_bytes = 6};
	uint64_t id = 0;

	assert_int_equal(store_add_profile(f->store, &profile, &id), 0);
	return id;
}

static void profiles_are_read_back(void **state)
{
	struct store_fixture f = {0};
	struct store_profile bad = {.target = 1, .time_ns = T0, .size_bytes = UINT32_MAX};
	struct store_profiles got;
	uint64_t id;

	(void)state;
	fixture_begin(&f);
	id = add_profile(&f, 1, ODD_TEXT);
	assert_int_equal(store_read_profile(f.store, id, &got), 0);
	assert_int_equal(got.items[0].size_bytes, 6);
	assert_memory_equal(got.items[0].bytes, "\0gzip\0", 6);
	assert_string_equal(got.items[0].reason, ODD_TEXT);
	assert_string_equal(got.items[0].state, "leaking");
	assert_true(got.items[0].growth_bytes_per_second == 1.5);
	assert_int_equal(got.items[0].finding_count, 3);
	store_profiles_done(&got);
	assert_int_equal(store_read_profile(f.store, id + 1, &got), -ENOENT);
	assert_int_equal(store_add_profile(f.store, &bad, &id), -E2BIG);
	bad = (struct store_profile){.target = 1, .growth_bytes_per_second = NAN};
	assert_int_equal(store_add_profile(f.store, &bad, &id), 0);
	assert_int_equal(store_read_profile(f.store, id, &got), 0);
	assert_true(isnan(got.items[0].growth_bytes_per_second));
	assert_int_equal(got.items[0].size_bytes, 0);
	store_profiles_done(&got);
	fixture_end(&f);
}

static void put_session(struct store_fixture *f, const char *id, uint64_t profile, uint64_t end_ns)
{
	struct store_session session = {.session_id = id,
					.target = 1,
					.name = ODD_TEXT,
					.detail = "{}",
					.start_ns = T0,
					.end_ns = end_ns,
					.profile = profile};

	assert_int_equal(store_put_session(f->store, &session), 0);
}

static void profiles_are_thinned_but_for_those_that_matter(void **state)
{
	struct store_fixture f = {.options = {.profiles_per_target = 5}};
	struct store_profile_query query = {.target = 1, .limit = 2};
	uint64_t oom, of_session, other, last = 0, seen[8];
	struct store_profiles page;
	size_t count = 0;

	(void)state;
	fixture_begin(&f);
	other = add_profile(&f, 2, "growth");
	oom = add_profile(&f, 1, "oom");
	of_session = add_profile(&f, 1, "session");
	put_session(&f, "0123456789abcdef", of_session, 0);
	for (int i = 0; i < 20; i++)
		last = add_profile(&f, 1, "growth");
	do {
		assert_int_equal(store_list_profiles(f.store, &query, &page), 0);
		for (size_t i = 0; i < page.count; i++)
			seen[count++] = page.items[i].id;
		query.before = page.next;
		store_profiles_done(&page);
	} while (query.before);
	assert_int_equal(count, 5);
	assert_int_equal(seen[0], last);
	assert_int_equal(seen[2], last - 2);
	assert_int_equal(seen[3], of_session);
	assert_int_equal(seen[4], oom);
	assert_int_equal(store_read_profile(f.store, other, &page), 0);
	store_profiles_done(&page);
	/* without its session it is one of many */
	assert_int_equal(store_delete_session(f.store, "0123456789abcdef"), 0);
	assert_int_equal(store_delete_session(f.store, "0123456789abcdef"), -ENOENT);
	add_profile(&f, 1, "growth");
	assert_int_equal(store_read_profile(f.store, of_session, &page), -ENOENT);
	fixture_end(&f);
}

static void even_one_profile_of_a_target_stays(void **state)
{
	struct store_fixture f = {.options = {.profiles_per_target = 1}};
	struct store_profile_query query = {.from_ns = T0, .to_ns = T0};
	struct store_profiles page;

	(void)state;
	fixture_begin(&f);
	for (uint64_t target = 1; target < 5; target++)
		for (int i = 0; i < 3; i++)
			add_profile(&f, target, "growth");
	assert_int_equal(store_list_profiles(f.store, &query, &page), 0);
	assert_int_equal(page.count, 4);
	assert_int_equal(page.next, 0);
	store_profiles_done(&page);
	fixture_end(&f);
}

static void put_leak(struct store_fixture *f, uint64_t number, bool active, const char *key)
{
	char id[17];
	struct store_leak leak = {.leak_id = id,
				  .target = number % 3 + 1,
				  .key = key,
				  .component = "other",
				  .state = "leaking",
				  .detail = ODD_TEXT,
				  .first_seen_ns = T0,
				  .last_seen_ns = T0 + number,
				  .cleared_ns = active ? 0 : T0 + 5,
				  .outstanding_bytes = number,
				  .growth_bytes_per_second = (double)number,
				  .growth_low = NAN,
				  .growth_high = 2,
				  .active = active};

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)number);
	assert_int_equal(store_put_leak(f->store, &leak), 0);
}

static size_t count_leaks(struct store_fixture *f, struct store_leak_query query)
{
	size_t count = 0;

	do {
		struct store_leaks page;

		assert_int_equal(store_list_leaks(f->store, &query, &page), 0);
		count += page.count;
		query.after = page.next;
		store_leaks_done(&page);
	} while (query.after);
	return count;
}

static void leaks_are_put_again_and_listed(void **state)
{
	struct store_fixture f = {0};
	struct store_leak bad = {.leak_id = "short"};
	struct store_leaks got;

	(void)state;
	fixture_begin(&f);
	for (int round = 0; round < 3; round++)
		for (uint64_t i = 0; i < 90; i++)
			put_leak(&f, i, i % 2 == 0 && round < 2, i % 9 ? "malloc<f" : ODD_TEXT);
	for (uint64_t i = 0; i < 30; i++)
		put_leak(&f, i, true, "malloc<f");
	for (size_t limit = 1; limit < 200; limit += 19) {
		struct store_leak_query query = {.limit = limit};

		assert_int_equal(count_leaks(&f, query), 90);
		query.state = STORE_LEAKS_ACTIVE;
		assert_int_equal(count_leaks(&f, query), 30);
		query.target = 1;
		assert_int_equal(count_leaks(&f, query), 10);
		query.state = STORE_LEAKS_CLEARED;
		assert_int_equal(count_leaks(&f, query), 20);
		query = (struct store_leak_query){.key = ODD_TEXT, .limit = limit};
		assert_int_equal(count_leaks(&f, query), 6);
	}
	assert_int_equal(store_get_leak(f.store, "0000000000000011", &got), 0);
	assert_int_equal(got.items[0].last_seen_ns, T0 + 17);
	assert_int_equal(got.items[0].target, 3);
	assert_string_equal(got.items[0].detail, ODD_TEXT);
	assert_true(got.items[0].growth_bytes_per_second == 17);
	assert_true(isnan(got.items[0].growth_low));
	assert_true(got.items[0].active);
	store_leaks_done(&got);
	assert_int_equal(store_get_leak(f.store, "00000000000000ff", &got), -ENOENT);
	assert_int_equal(store_put_leak(f.store, &bad), -EINVAL);
	fixture_end(&f);
}

static void sessions_are_put_again_and_listed(void **state)
{
	struct store_fixture f = {0};
	struct store_session bad = {.session_id = "0123456789abcdef0"};
	struct store_sessions got;
	struct store_session_query query = {.limit = 1};
	size_t count = 0;

	(void)state;
	fixture_begin(&f);
	put_session(&f, "0000000000000001", 0, 0);
	put_session(&f, "0000000000000002", 0, 0);
	put_session(&f, "0000000000000001", 0, T0 + 9);
	do {
		assert_int_equal(store_list_sessions(f.store, &query, &got), 0);
		count += got.count;
		query.after = got.next;
		store_sessions_done(&got);
	} while (query.after);
	assert_int_equal(count, 2);
	query.state = STORE_SESSIONS_RUNNING;
	query.target = 1;
	assert_int_equal(store_list_sessions(f.store, &query, &got), 0);
	assert_int_equal(got.count, 1);
	assert_string_equal(got.items[0].session_id, "0000000000000002");
	store_sessions_done(&got);
	query.state = STORE_SESSIONS_ENDED;
	assert_int_equal(store_list_sessions(f.store, &query, &got), 0);
	assert_int_equal(got.count, 1);
	assert_string_equal(got.items[0].name, ODD_TEXT);
	assert_string_equal(got.items[0].description, "");
	assert_int_equal(got.items[0].end_ns, T0 + 9);
	store_sessions_done(&got);
	query.target = 2;
	assert_int_equal(store_list_sessions(f.store, &query, &got), 0);
	assert_int_equal(got.count, 0);
	store_sessions_done(&got);
	assert_int_equal(store_get_session(f.store, "0000000000000001", &got), 0);
	assert_int_equal(got.items[0].start_ns, T0);
	store_sessions_done(&got);
	assert_int_equal(store_get_session(f.store, "0000000000000003", &got), -ENOENT);
	assert_int_equal(store_put_session(f.store, &bad), -EINVAL);
	fixture_end(&f);
}

static uint64_t add_event(struct store_fixture *f, uint64_t target, const char *kind)
{
	struct store_event event = {.time_ns = T0 + target,
				    .kind = kind,
				    .severity = "info",
				    .target = target,
				    .pid = 4,
				    .target_name = ODD_TEXT,
				    .detail = "{}"};
	uint64_t id = 0;

	assert_int_equal(store_add_event(f->store, &event, &id), 0);
	assert_int_equal(store_last_event_id(f->store), id);
	return id;
}

static size_t count_events(struct store_fixture *f, struct store_event_query query)
{
	size_t count = 0;

	do {
		struct store_events page;

		assert_int_equal(store_list_events(f->store, &query, &page), 0);
		for (size_t i = 0; i < page.count; i++) {
			assert_true(page.items[i].id > query.since);
			if (query.kind)
				assert_string_equal(page.items[i].kind, query.kind);
			if (query.target)
				assert_int_equal(page.items[i].target, query.target);
			assert_string_equal(page.items[i].target_name, ODD_TEXT);
			assert_string_equal(page.items[i].text, "");
			assert_int_equal(page.items[i].pid, 4);
		}
		count += page.count;
		query.since = page.next;
		store_events_done(&page);
	} while (query.since);
	return count;
}

static void assert_event_bounds(struct store_fixture *f, uint64_t from_ns, uint64_t to_ns,
				uint64_t first, uint64_t last)
{
	const struct store_event_query query = {.from_ns = from_ns, .to_ns = to_ns};
	uint64_t found_first, found_last;

	assert_int_equal(store_event_bounds(f->store, &query, &found_first, &found_last), 0);
	assert_int_equal(found_first, first);
	assert_int_equal(found_last, last);
}

static void events_are_listed_by_id_and_filtered(void **state)
{
	struct store_fixture f = {0};
	uint64_t last = 0;

	(void)state;
	fixture_begin(&f);
	assert_int_equal(store_last_event_id(f.store), 0);
	for (uint64_t i = 0; i < 120; i++) {
		uint64_t id = add_event(&f, i % 4, i % 3 ? "LeakDetected" : "TargetEnded");

		assert_true(id > last);
		last = id;
		if (i % 50 == 0)
			fixture_reopen(&f);
	}
	assert_event_bounds(&f, T0, T0, 1, 117);
	assert_event_bounds(&f, T0 + 2, 0, 3, 120);
	assert_event_bounds(&f, T0 + 4, 0, 0, 0);
	assert_event_bounds(&f, T0 + 2, T0 + 1, 0, 0);
	for (size_t limit = 1; limit < 200; limit += 23) {
		struct store_event_query query = {.limit = limit};

		assert_int_equal(count_events(&f, query), 120);
		query.kind = "TargetEnded";
		assert_int_equal(count_events(&f, query), 40);
		query.target = 2;
		assert_int_equal(count_events(&f, query), 10);
		query.kind = NULL;
		assert_int_equal(count_events(&f, query), 30);
		query = (struct store_event_query){.since = last - 7, .limit = limit};
		assert_int_equal(count_events(&f, query), 7);
		query.since = UINT64_MAX;
		assert_int_equal(count_events(&f, query), 0);
		query = (struct store_event_query){
			.from_ns = T0 + 1, .to_ns = T0 + 2, .limit = limit};
		assert_int_equal(count_events(&f, query), 60);
		query.kind = "TargetEnded";
		assert_int_equal(count_events(&f, query), 20);
		query.target = 2;
		assert_int_equal(count_events(&f, query), 10);
		query.kind = NULL;
		assert_int_equal(count_events(&f, query), 30);
		query.target = 3;
		assert_int_equal(count_events(&f, query), 0);
		query = (struct store_event_query){.from_ns = T0 + 3, .limit = limit};
		assert_int_equal(count_events(&f, query), 30);
	}
	fixture_end(&f);
}

static void a_page_ends_when_it_is_large(void **state)
{
	struct store_fixture f = {0};
	char *large = malloc(STORE_MAX_TEXT_BYTES + 2);
	struct store_event event = {.kind = "x", .text = large};
	struct store_event_query query = {0};
	size_t count = 0, pages = 0;
	uint64_t id;

	(void)state;
	assert_non_null(large);
	memset(large, 'x', STORE_MAX_TEXT_BYTES + 1);
	large[STORE_MAX_TEXT_BYTES + 1] = '\0';
	fixture_begin(&f);
	assert_int_equal(store_add_event(f.store, &event, &id), -E2BIG);
	large[STORE_MAX_TEXT_BYTES] = '\0';
	for (int i = 0; i < 40; i++)
		assert_int_equal(store_add_event(f.store, &event, &id), 0);
	do {
		struct store_events page;

		assert_int_equal(store_list_events(f.store, &query, &page), 0);
		count += page.count;
		pages++;
		query.since = page.next;
		store_events_done(&page);
	} while (query.since);
	assert_int_equal(count, 40);
	assert_true(pages >= 3);
	free(large);
	fixture_end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_one_target),
		cmocka_unit_test(an_ended_target_stays_what_it_was),
		cmocka_unit_test(samples_tell_when_a_target_was_last_seen),
		cmocka_unit_test(targets_are_listed_from_file_and_memory),
		cmocka_unit_test(profiles_are_read_back),
		cmocka_unit_test(profiles_are_thinned_but_for_those_that_matter),
		cmocka_unit_test(even_one_profile_of_a_target_stays),
		cmocka_unit_test(leaks_are_put_again_and_listed),
		cmocka_unit_test(sessions_are_put_again_and_listed),
		cmocka_unit_test(events_are_listed_by_id_and_filtered),
		cmocka_unit_test(a_page_ends_when_it_is_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
