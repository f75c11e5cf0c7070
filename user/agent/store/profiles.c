/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/profiles.h"

#include <errno.h>

#include "agent/store/store_internal.h"

VEC_STRUCT(profile_vec, struct store_profile);

static int check(const struct store_profile *profile)
{
	if (profile->time_ns > INT64_MAX || !profile->target)
		return -EINVAL;
	if (store_check_text(profile->reason, STORE_MAX_TEXT_BYTES) ||
	    store_check_text(profile->state, STORE_MAX_TEXT_BYTES) ||
	    profile->size_bytes > STORE_MAX_BLOB_BYTES)
		return -E2BIG;
	return 0;
}

static int write_profile(struct store *store, const struct store_profile *profile, uint64_t *ret_id)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_ADD_PROFILE);
	int err;

	query_u64(&query, profile->target);
	query_u64(&query, profile->time_ns);
	query_text(&query, profile->reason);
	query_text(&query, profile->state);
	query_double(&query, profile->growth_bytes_per_second);
	query_u64(&query, profile->finding_count);
	query_blob(&query, profile->bytes, profile->size_bytes);
	err = query_run(&query);
	if (!err)
		*ret_id = database_last_id(&store->db);
	return err;
}

static int thin(struct store *store, uint64_t target)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_THIN_PROFILES);

	query_u64(&query, target);
	query_u64(&query, store->options.profiles_per_target);
	return query_run(&query);
}

int store_add_profile(struct store *store, const struct store_profile *profile, uint64_t *ret_id)
{
	uint64_t id = 0;
	int err = check(profile);

	if (err)
		return err;
	err = store_write_begin(store);
	if (!err)
		err = write_profile(store, profile, &id);
	if (!err)
		err = thin(store, profile->target);
	err = store_write_end(store, err);
	if (err)
		return err;
	store->last_ids[SEQUENCE_PROFILE] = id;
	*ret_id = id;
	return 0;
}

static int add_row(struct query *query, struct store_profiles *list, struct profile_vec *found,
		   bool with_bytes)
{
	struct store_profile profile = {
		.id = query_column_u64(query, 0),
		.target = query_column_u64(query, 1),
		.time_ns = query_column_u64(query, 2),
		.reason = query_column_text(query, 3, &list->arena),
		.state = query_column_text(query, 4, &list->arena),
		.growth_bytes_per_second = query_column_double(query, 5),
		.finding_count = query_column_u64(query, 6),
		.size_bytes = query_column_u64(query, 7),
	};

	if (with_bytes) {
		profile.bytes = query_column_blob(query, 8, &list->arena);
		profile.size_bytes = query_column_size(query, 8);
	}
	return query->error ? query->error : vec_push(found, profile);
}

static int read_rows(struct store *store, const struct store_profile_query *wanted,
		     struct store_profiles *list, struct profile_vec *found)
{
	_cleanup_(query_done) struct query query = query_of(
		&store->db, wanted->target ? SQL_LIST_PROFILES_OF_TARGET : SQL_LIST_PROFILES);
	bool open_end = !wanted->to_ns || wanted->to_ns > INT64_MAX;
	size_t limit = store_limit(wanted->limit);
	int more = 0, err = 0;

	query_u64(&query, wanted->before ? wanted->before : INT64_MAX);
	query_u64(&query, wanted->from_ns < INT64_MAX ? wanted->from_ns : INT64_MAX);
	query_u64(&query, open_end ? INT64_MAX : wanted->to_ns);
	query_u64(&query, limit + 1);
	if (wanted->target)
		query_u64(&query, wanted->target);
	while (!err && !store_page_full(&list->arena, found->count, limit) &&
	       (more = query_next(&query)) > 0)
		err = add_row(&query, list, found, false);
	if (store_page_full(&list->arena, found->count, limit)) {
		if (found->count > limit)
			found->count = limit;
		list->next = found->items[found->count - 1].id;
	}
	return err ? err : more < 0 ? more : 0;
}

static int hand_out(struct store *store, int err, struct store_profiles *list,
		    const struct profile_vec *found, struct store_profiles *ret_profiles)
{
	err = store_read_end(store, err);
	list->items = found->items;
	list->count = found->count;
	if (err)
		store_profiles_done(list);
	else
		*ret_profiles = *list;
	return err;
}

int store_list_profiles(struct store *store, const struct store_profile_query *query,
			struct store_profiles *ret_profiles)
{
	struct store_profiles list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	struct profile_vec found = VEC_INIT;
	int err = read_rows(store, query, &list, &found);

	return hand_out(store, err, &list, &found, ret_profiles);
}

static int read_one(struct store *store, uint64_t id, struct store_profiles *list,
		    struct profile_vec *found)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_READ_PROFILE);
	int more;

	query_u64(&query, id);
	more = query_next(&query);
	if (more <= 0)
		return more ? more : -ENOENT;
	return add_row(&query, list, found, true);
}

int store_read_profile(struct store *store, uint64_t id, struct store_profiles *ret_profiles)
{
	struct store_profiles list = {.arena = {.max_bytes = STORE_LIST_BYTES}};
	struct profile_vec found = VEC_INIT;
	int err = read_one(store, id, &list, &found);

	return hand_out(store, err, &list, &found, ret_profiles);
}

void store_profiles_done(struct store_profiles *profiles)
{
	free(profiles->items);
	arena_done(&profiles->arena);
	*profiles = (struct store_profiles){0};
}
