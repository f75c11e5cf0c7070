/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Upkeep: a list of duties, each of which does one small thing when there is one to do. A call goes through them until its
 * time is over or nothing is left. Each thing is a transaction of its own.
 */
#include <errno.h>

#include "agent/store/aside.h"
#include "agent/store/store_internal.h"
#include "base/clock.h"

#define STEP_NS         (6 * NS_PER_MS) /* after which nothing more is begun */
#define SAVE_CLOCK_NS   (60 * NS_PER_S)
#define DAY_NS          (24 * 3600 * NS_PER_S)
#define PAGE_BYTES      4096
#define MAX_WAL_BYTES   (UINT64_C(4) << 20)
#define MANY_FREE_PAGES 256

struct duty {
	struct store *store;
	uint64_t now_ns;
	bool done; /* something was */
};

static uint64_t before(const struct duty *duty, uint64_t age_ns)
{
	return duty->now_ns > age_ns ? duty->now_ns - age_ns : 0;
}

static int pack(struct duty *duty)
{
	return store_recent_pack(duty->store, duty->now_ns, &duty->done);
}

static int age_raw(struct duty *duty)
{
	return store_chunks_age(duty->store, TIER_RAW,
				before(duty, duty->store->options.raw_age_ns), &duty->done);
}

static int age_minutes(struct duty *duty)
{
	return store_chunks_age(duty->store, TIER_MINUTES,
				before(duty, duty->store->options.minutes_age_ns), &duty->done);
}

static int age_tens(struct duty *duty)
{
	return store_chunks_age(duty->store, TIER_TENS,
				before(duty, duty->store->options.days_age_ns), &duty->done);
}

/* A statement that deletes a few rows; with one parameter, or none. */
static int delete_few(struct duty *duty, enum sql which, const uint64_t *parameter)
{
	struct store *store = duty->store;
	int err = store_write_begin(store);

	if (!err) {
		_cleanup_(query_done) struct query query = query_of(&store->db, which);

		if (parameter)
			query_u64(&query, *parameter);
		err = query_run(&query);
		duty->done = !err && database_changes(&store->db);
	}
	err = store_write_end(store, err);
	if (err)
		duty->done = false;
	return err;
}

static int delete_before(struct duty *duty, enum sql which, uint64_t before_ns)
{
	return delete_few(duty, which, &before_ns);
}

static int age_snapshots(struct duty *duty)
{
	return delete_before(duty, SQL_DELETE_OLD_SNAPSHOTS,
			     before(duty, duty->store->options.minutes_age_ns));
}

/* See stacks.c on the day. */
static int age_stacks(struct duty *duty)
{
	uint64_t before_ns = before(duty, duty->store->options.minutes_age_ns), oldest_ns;
	int err = database_number(&duty->store->db, SQL_OLDEST_SNAPSHOT, &oldest_ns);

	if (err && err != -ENOENT)
		return store_read_end(duty->store, err);
	if (!err && oldest_ns < before_ns)
		before_ns = oldest_ns;
	return delete_before(duty, SQL_DELETE_OLD_STACKS,
			     before_ns > DAY_NS ? before_ns - DAY_NS : 0);
}

static int age_leaks(struct duty *duty)
{
	return delete_before(duty, SQL_DELETE_OLD_LEAKS,
			     before(duty, duty->store->options.days_age_ns));
}

static int age_sessions(struct duty *duty)
{
	return delete_before(duty, SQL_DELETE_OLD_SESSIONS,
			     before(duty, duty->store->options.days_age_ns));
}

static int age_events(struct duty *duty)
{
	return delete_before(duty, SQL_DELETE_OLD_EVENTS,
			     before(duty, duty->store->options.days_age_ns));
}

static int find_old_target(struct duty *duty, uint64_t *ret_id)
{
	_cleanup_(query_done) struct query query = query_of(&duty->store->db, SQL_OLD_TARGET);
	int more;

	query_u64(&query, before(duty, duty->store->options.days_age_ns));
	more = query_next(&query);
	if (more > 0)
		*ret_id = query_column_u64(&query, 0);
	return more < 0 ? more : 0;
}

/* What belongs to it first, a few rows a time; when nothing is left, itself. */
static int age_targets(struct duty *duty)
{
	static const enum sql parts[] = {
		SQL_DELETE_CHUNKS_OF_TARGET,   SQL_DELETE_SNAPSHOTS_OF_TARGET,
		SQL_DELETE_STACKS_OF_TARGET,   SQL_DELETE_LEAKS_OF_TARGET,
		SQL_DELETE_PROFILES_OF_TARGET, SQL_DELETE_TARGET,
	};
	uint64_t id = 0;
	int err = store_read_end(duty->store, find_old_target(duty, &id));

	for (size_t i = 0; !err && id && !duty->done && i < sizeof(parts) / sizeof(*parts); i++)
		err = delete_few(duty, parts[i], &id);
	return err;
}

/* What was set aside is kept as long as the oldest that is in the file, and not at the cost of what is. */
static int drop_aside(struct duty *duty)
{
	struct store *store = duty->store;
	uint64_t bytes = directory_file_bytes(&store->directory, false) +
			 directory_file_bytes(&store->directory, true);
	struct aside_files aside;
	int err = aside_look(&store->directory, &aside);

	if (err)
		return err;
	store->state.aside_bytes = aside.bytes;
	if (!aside.count)
		return 0;
	if (aside.oldest_ns >= before(duty, store->options.days_age_ns) &&
	    bytes + aside.bytes <= store->options.max_bytes)
		return 0;
	err = aside_remove(&store->directory, aside.oldest);
	duty->done = !err;
	return err;
}

static int used_bytes(struct store *store, uint64_t *ret_used, uint64_t *ret_free)
{
	uint64_t pages, free_pages;
	int err = database_number(&store->db, SQL_PAGE_COUNT, &pages);

	if (!err)
		err = database_number(&store->db, SQL_FREE_COUNT, &free_pages);
	if (err)
		return store_read_end(store, err);
	*ret_used = pages > free_pages ? (pages - free_pages) * PAGE_BYTES : 0;
	*ret_free = free_pages * PAGE_BYTES;
	return 0;
}

/* The file and its -wal together. */
static uint64_t limit_bytes(const struct store *store)
{
	uint64_t max = store->options.max_bytes;

	return max - (max / 8 < MAX_WAL_BYTES ? max / 8 : MAX_WAL_BYTES);
}

/* But not a target's last. */
static int drop_oldest_snapshots(struct duty *duty)
{
	return delete_few(duty, SQL_DELETE_OLDEST_SNAPSHOTS, NULL);
}

static int drop_oldest_profile(struct duty *duty)
{
	return delete_few(duty, SQL_DELETE_OLDEST_PROFILE, NULL);
}

static int drop_oldest_events(struct duty *duty)
{
	return delete_few(duty, SQL_DELETE_OLDEST_EVENTS, NULL);
}

static int shrink(struct duty *duty)
{
	static int (*const ways[])(struct duty *) = {drop_oldest_snapshots, drop_oldest_profile,
						     drop_oldest_events};
	uint64_t used, unused;
	int err = used_bytes(duty->store, &used, &unused);

	if (err || used <= limit_bytes(duty->store))
		return err;
	for (enum store_tier tier = TIER_RAW; !err && !duty->done && tier < TIER_TENS; tier++)
		err = store_chunks_age(duty->store, tier, INT64_MAX, &duty->done);
	/* where there is no room even for that, deleting may still do */
	if (err == -ENOSPC)
		err = 0;
	for (size_t i = 0; !err && !duty->done && i < sizeof(ways) / sizeof(*ways); i++)
		err = ways[i](duty);
	if (!err && !duty->done)
		err = store_chunks_age(duty->store, TIER_TENS, INT64_MAX, &duty->done);
	return err;
}

/* Some free pages are of use soon: only many are given back, or those that make the file too large. */
static int give_back(struct duty *duty)
{
	struct store *store = duty->store;
	uint64_t used, unused;
	int err = used_bytes(store, &used, &unused);

	if (err || !unused ||
	    (used + unused <= limit_bytes(store) &&
	     (unused < MANY_FREE_PAGES * PAGE_BYTES || unused < used / 4)))
		return err;
	err = store_write_begin(store);
	if (!err) {
		_cleanup_(query_done) struct query query = query_of(&store->db, SQL_VACUUM);

		err = query_run(&query);
	}
	err = store_write_end(store, err);
	duty->done = !err;
	return err;
}

/* What was given back shrinks the file only when the -wal is put into it. */
static int checkpoint(struct duty *duty)
{
	struct store *store = duty->store;
	uint64_t wal_bytes = directory_file_bytes(&store->directory, true);
	int err;

	if (!wal_bytes ||
	    wal_bytes + directory_file_bytes(&store->directory, false) <= store->options.max_bytes)
		return 0;
	{
		_cleanup_(query_done) struct query query = query_of(&store->db, SQL_CHECKPOINT);

		err = query_run(&query);
	}
	/* a reader in its way is no failure */
	return err == -EBUSY ? 0 : store_write_end(store, err);
}

static int save_clock(struct store *store, uint64_t monotonic_ns)
{
	int err;

	if (store->clock_saved_ns && monotonic_ns - store->clock_saved_ns < SAVE_CLOCK_NS)
		return 0;
	err = store_write_begin(store);
	if (!err)
		err = store_set_meta(store, "clock_trusted_ns", store->clock.trusted_ns);
	if (!err)
		err = store_set_meta(store, "clock_apart_ns", store->clock.apart_ns);
	err = store_write_end(store, err);
	if (!err)
		store->clock_saved_ns = monotonic_ns;
	return err;
}

int store_retain(struct store *store, uint64_t wall_ns, uint64_t monotonic_ns, bool *ret_more)
{
	static int (*const duties[])(struct duty *) = {
		pack,       age_raw,   age_minutes,  age_tens,   age_snapshots,
		age_stacks, age_leaks, age_sessions, age_events, age_targets,
		drop_aside, shrink,    give_back,    checkpoint,
	};
	uint64_t end_ns = clock_now_ns() + STEP_NS;
	struct duty duty = {.store = store};
	bool more = false;
	int err;

	if (store->options.read_only)
		return -EROFS;
	if (wall_ns > INT64_MAX)
		return -EINVAL;
	duty.now_ns = retention_clock_step(&store->clock, wall_ns, monotonic_ns);
	err = save_clock(store, monotonic_ns);
	for (size_t i = 0; i < sizeof(duties) / sizeof(*duties);) {
		int failed;

		duty.done = false;
		failed = duties[i](&duty);
		/* another duty may make room */
		err = err ? err : failed;
		more = duty.done;
		if (clock_now_ns() >= end_ns) {
			more = more || i + 1 < sizeof(duties) / sizeof(*duties);
			break;
		}
		if (!duty.done)
			i++;
	}
	if (!err && ret_more)
		*ret_more = more;
	return err;
}
