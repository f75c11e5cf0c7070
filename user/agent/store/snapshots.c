/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/snapshots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/site_blob.h"
#include "agent/store/store_internal.h"
#include "base/saturate.h"

#define MAX_PLAIN_BYTES (64u << 20)

VEC_STRUCT(snapshot_vec, struct store_snapshot);
VEC_STRUCT(number_vec, uint64_t);

static void numbers_done(struct number_vec *numbers)
{
	vec_done(numbers);
}

static void map_done(struct map64 *map)
{
	map64_done(map);
}

static int compare_sites(const void *a, const void *b)
{
	const struct store_site *x = a, *y = b;

	return (x->stack > y->stack) - (x->stack < y->stack);
}

static int write_snapshot(struct store *store, const struct store_snapshot *snapshot,
			  struct store_site *sites, uint64_t *ret_id)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_ADD_SNAPSHOT);
	_cleanup_(strbuf_done) struct strbuf plain = STRBUF_INIT, packed = STRBUF_INIT;
	uint64_t sum = 0;
	int err;

	for (size_t i = 0; i < snapshot->site_count; i++)
		add_saturating(&sum, sites[i].outstanding_bytes);
	qsort(sites, snapshot->site_count, sizeof(*sites), compare_sites);
	err = site_blob_encode(sites, snapshot->site_count, &plain);
	if (!err)
		err = packer_pack(&store->packer, plain.buf, plain.len, &packed);
	if (err)
		return err;
	query_u64(&query, snapshot->target);
	query_u64(&query, snapshot->time_ns);
	query_u64(&query, sum);
	query_u64(&query, snapshot->site_count);
	query_blob(&query, packed.buf, packed.len);
	err = query_run(&query);
	if (!err)
		*ret_id = database_last_id(&store->db);
	return err;
}

int store_add_snapshot(struct store *store, const struct store_snapshot *snapshot, uint64_t *ret_id)
{
	_cleanup_free_ struct store_site *sites = NULL;
	uint64_t id = 0;
	int err;

	if (snapshot->time_ns > INT64_MAX || !snapshot->target)
		return -EINVAL;
	if (snapshot->site_count > STORE_MAX_SITES)
		return -E2BIG;
	sites = malloc((snapshot->site_count + 1) * sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	if (snapshot->site_count)
		memcpy(sites, snapshot->sites, snapshot->site_count * sizeof(*sites));
	err = store_write_begin(store);
	if (!err)
		err = store_stacks_number(store, snapshot->target, snapshot->time_ns, sites,
					  snapshot->site_count);
	if (!err)
		err = write_snapshot(store, snapshot, sites, &id);
	err = store_write_end(store, err);
	if (err)
		return err;
	store->last_ids[SEQUENCE_SNAPSHOT] = id;
	*ret_id = id;
	return 0;
}

/* Numbers back to hashes. A number that the dictionary does not know is a damage of the blob. */
static int set_hashes(struct store_site *sites, size_t count, const struct map64 *hashes)
{
	for (size_t i = 0; i < count; i++)
		if (!map64_get(hashes, sites[i].stack, &sites[i].stack))
			return -EBADMSG;
	return 0;
}

static int unpack(struct store *store, const struct strbuf *packed, const struct map64 *hashes,
		  struct store_site **ret_sites, size_t *ret_count)
{
	_cleanup_(strbuf_done) struct strbuf plain = STRBUF_INIT;
	_cleanup_free_ struct store_site *sites = NULL;
	size_t count = 0;
	int err = packer_unpack(&store->packer, packed, MAX_PLAIN_BYTES, &plain);

	if (!err)
		err = site_blob_decode(&plain, &sites, &count);
	if (!err)
		err = set_hashes(sites, count, hashes);
	if (err)
		return err;
	*ret_sites = no_free_ptr(sites);
	*ret_count = count;
	return 0;
}

/* The row, and the sites' bytes if @bytes is not NULL. */
static int read_row(struct store *store, uint64_t id, struct strbuf *bytes,
		    struct store_snapshot *ret_snapshot)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_READ_SNAPSHOT);
	int more;

	query_u64(&query, id);
	more = query_next(&query);
	if (more <= 0)
		return more ? more : -ENOENT;
	*ret_snapshot = (struct store_snapshot){
		.id = query_column_u64(&query, 0),
		.target = query_column_u64(&query, 1),
		.time_ns = query_column_u64(&query, 2),
		.outstanding_bytes = query_column_u64(&query, 3),
		.site_count = query_column_u64(&query, 4),
	};
	return bytes ? query_column_bytes(&query, 5, bytes) : 0;
}

static void bind_range(struct query *query, const struct store_snapshot_query *wanted)
{
	bool open_end = !wanted->to_ns || wanted->to_ns > INT64_MAX;

	query_u64(query, wanted->target);
	query_u64(query, wanted->from_ns < INT64_MAX ? wanted->from_ns : INT64_MAX);
	query_u64(query, open_end ? INT64_MAX : wanted->to_ns);
}

static int count_between(struct store *store, const struct store_snapshot_query *wanted,
			 uint64_t *ret_count)
{
	_cleanup_(query_done) struct query query =
		query_of(&store->db, SQL_COUNT_SNAPSHOTS_BETWEEN);
	int more;

	bind_range(&query, wanted);
	more = query_next(&query);
	if (more > 0)
		*ret_count = query_column_u64(&query, 0);
	return more < 0 ? more : 0;
}

/* Of @count items, the @number-th of @limit evenly chosen ones: first and last are among them. */
static uint64_t chosen(uint64_t number, uint64_t count, uint64_t limit)
{
	return limit > 1 ? number * (count - 1) / (limit - 1) : count - 1;
}

static int choose_ids(struct store *store, const struct store_snapshot_query *wanted,
		      struct number_vec *ids)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_LIST_SNAPSHOTS);
	uint64_t count = 0, limit = store_limit(wanted->limit), at = 0;
	int more = 0, err = count_between(store, wanted, &count);

	if (limit > count)
		limit = count;
	bind_range(&query, wanted);
	while (!err && ids->count < limit && (more = query_next(&query)) > 0)
		if (at++ == chosen(ids->count, count, limit))
			err = vec_push(ids, query_column_u64(&query, 0));
	return err ? err : more < 0 ? more : 0;
}

int store_list_snapshots(struct store *store, const struct store_snapshot_query *query,
			 struct store_snapshots *ret_snapshots)
{
	_cleanup_(numbers_done) struct number_vec ids = VEC_INIT;
	struct store_snapshots list = {0};
	struct snapshot_vec found = VEC_INIT;
	int err = choose_ids(store, query, &ids);

	for (size_t i = 0; !err && i < ids.count; i++) {
		struct store_snapshot snapshot;

		err = read_row(store, ids.items[i], NULL, &snapshot);
		if (!err)
			err = vec_push(&found, snapshot);
	}
	err = store_read_end(store, err);
	list.items = found.items;
	list.count = found.count;
	if (err)
		store_snapshots_done(&list);
	else
		*ret_snapshots = list;
	return err;
}

/* Its sites, on the heap, are the caller's: free(). */
static int read_whole(struct store *store, uint64_t id, struct map64 *hashes,
		      struct store_snapshot *ret_snapshot, struct store_site **ret_sites)
{
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	size_t count = 0;
	int err = read_row(store, id, &bytes, ret_snapshot);

	/* all of its stacks at once: one by one would take longer than the rest */
	if (!err && !hashes->count)
		err = store_stacks_hashes(store, ret_snapshot->target, hashes);
	if (err)
		return err;
	err = unpack(store, &bytes, hashes, ret_sites, &count);
	if (err == -EBADMSG)
		store->state.bad_blobs++;
	if (err)
		return err;
	ret_snapshot->sites = *ret_sites;
	ret_snapshot->site_count = count;
	return 0;
}

int store_read_snapshot(struct store *store, uint64_t id, struct store_snapshots *ret_snapshots)
{
	_cleanup_(map_done) struct map64 hashes = {0};
	_cleanup_free_ struct store_snapshot *item = calloc(1, sizeof(*item));
	struct store_site *sites = NULL;
	int err = -ENOMEM;

	map64_init(&hashes, hash_seed_random());
	if (item)
		err = read_whole(store, id, &hashes, item, &sites);
	err = store_read_end(store, err);
	if (err)
		return err;
	*ret_snapshots = (struct store_snapshots){.items = no_free_ptr(item), .count = 1};
	return 0;
}

static int read_each(struct store *store, const struct number_vec *ids, store_take_snapshot take,
		     void *context)
{
	_cleanup_(map_done) struct map64 hashes = {0};
	int err = 0;

	map64_init(&hashes, hash_seed_random());
	for (size_t i = 0; !err && i < ids->count; i++) {
		_cleanup_free_ struct store_site *sites = NULL;
		struct store_snapshot snapshot;

		err = read_whole(store, ids->items[i], &hashes, &snapshot, &sites);
		if (!err)
			err = take(context, &snapshot);
		else if (err == -EBADMSG && !store->db.damaged)
			err = 0;
	}
	return err;
}

int store_read_snapshots(struct store *store, const struct store_snapshot_query *query,
			 store_take_snapshot take, void *context)
{
	_cleanup_(numbers_done) struct number_vec ids = VEC_INIT;
	int err = choose_ids(store, query, &ids);

	if (!err)
		err = read_each(store, &ids, take, context);
	return store_read_end(store, err);
}

void store_snapshots_done(struct store_snapshots *snapshots)
{
	for (size_t i = 0; i < snapshots->count; i++)
		free((void *)snapshots->items[i].sites);
	free(snapshots->items);
	*snapshots = (struct store_snapshots){0};
}
