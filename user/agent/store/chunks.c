/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Points by target and tier, packed. New ones are put to the last chunk of the target and tier as long as that is short, so that
 * blobs get large enough to pack well. A window of time may lie in two chunks: whoever reads merges it.
 */
#include <errno.h>

#include "agent/store/store_internal.h"

#define POINTS_OF_CHUNK 300
#define MAX_BLOB_BYTES  (POINTS_MAX_IN_BLOB * 256)

_Static_assert(POINTS_OF_CHUNK <= POINTS_MAX_IN_BLOB, "a chunk is a blob");

#define MINUTE_NS UINT64_C(60000000000)

/* By enum store_tier. */
static const uint64_t widths_ns[] = {0, 0, MINUTE_NS, 10 * MINUTE_NS};

static void points_done(struct point_vec *points)
{
	vec_done(points);
}

/* Appends a blob's points; one that does not decode is counted and has none. */
static int unpack(struct store *store, const struct query *query, int column,
		  struct point_vec *points)
{
	_cleanup_(strbuf_done) struct strbuf packed = STRBUF_INIT, plain = STRBUF_INIT;
	int err = query_column_bytes(query, column, &packed);

	if (!err)
		err = packer_unpack(&store->packer, &packed, MAX_BLOB_BYTES, &plain);
	if (!err)
		err = points_decode(&plain, points);
	if (err != -EBADMSG)
		return err;
	store->state.bad_blobs++;
	return 0;
}

static int delete_chunk(struct store *store, uint64_t id)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_DELETE_CHUNK);

	query_u64(&query, id);
	return query_run(&query);
}

static int write_chunk(struct store *store, uint64_t target, enum store_tier tier,
		       const struct point_vec *points)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_ADD_CHUNK);
	_cleanup_(strbuf_done) struct strbuf plain = STRBUF_INIT, packed = STRBUF_INIT;
	int err = points_encode(points->items, points->count, &plain);

	if (!err)
		err = packer_pack(&store->packer, plain.buf, plain.len, &packed);
	if (err)
		return err;
	query_u64(&query, target);
	query_u64(&query, tier);
	query_u64(&query, points->items[0].time_ns);
	/* the end of the last window, so that it is not aged while it is young */
	query_u64(&query, points->items[points->count - 1].time_ns + widths_ns[tier]);
	query_u64(&query, points->count);
	query_blob(&query, packed.buf, packed.len);
	return query_run(&query);
}

/* The last chunk before the end of these points, if it is short: its points go before them, and it goes. */
static int take_last(struct store *store, uint64_t target, enum store_tier tier,
		     struct point_vec *points)
{
	_cleanup_(points_done) struct point_vec before = VEC_INIT;
	uint64_t id = 0;
	int err;

	{
		_cleanup_(query_done) struct query query = query_of(&store->db, SQL_LAST_CHUNK);

		query_u64(&query, target);
		query_u64(&query, tier);
		query_u64(&query, points->items[points->count - 1].time_ns + widths_ns[tier]);
		err = query_next(&query);
		if (err <= 0 || query_column_u64(&query, 1) >= POINTS_OF_CHUNK)
			return err < 0 ? err : 0;
		id = query_column_u64(&query, 0);
		err = unpack(store, &query, 2, &before);
	}
	if (!err)
		err = vec_append(&before, points->items, points->count);
	if (err)
		return err;
	vec_clear(points);
	err = vec_append(points, before.items, before.count);
	return err ? err : delete_chunk(store, id);
}

int store_chunks_add(struct store *store, uint64_t target, enum store_tier tier,
		     struct point_vec *points)
{
	int err = points_arrange(points);

	if (!err)
		err = take_last(store, target, tier, points);
	if (!err)
		err = points_arrange(points);
	for (size_t i = 0; !err && i < points->count; i += POINTS_OF_CHUNK) {
		size_t left = points->count - i;
		struct point_vec part = {
			.items = points->items + i,
			.count = left < POINTS_OF_CHUNK ? left : POINTS_OF_CHUNK,
		};

		err = write_chunk(store, target, tier, &part);
	}
	return err;
}

static void keep_range(const struct store_sample_query *query, struct point_vec *points)
{
	size_t kept = 0;

	for (size_t i = 0; i < points->count; i++) {
		struct store_point *point = &points->items[i];
		uint64_t last_ns = point->time_ns + (point->width_ns ? point->width_ns - 1 : 0);

		if (last_ns >= query->from_ns && point->time_ns <= query->to_ns)
			points->items[kept++] = *point;
	}
	points->count = kept;
}

int store_chunks_read(struct store *store, const struct store_sample_query *query,
		      struct point_vec *points)
{
	/* the coarsest is the oldest */
	for (enum store_tier tier = TIER_TENS; tier >= TIER_RAW; tier--) {
		_cleanup_(query_done) struct query rows = query_of(&store->db, SQL_READ_CHUNKS);
		int more, err = 0;

		query_u64(&rows, query->target);
		query_u64(&rows, tier);
		query_u64(&rows, query->from_ns);
		query_u64(&rows, query->to_ns);
		while ((more = query_next(&rows)) > 0 && !err)
			err = unpack(store, &rows, 0, points);
		if (err || more < 0)
			return err ? err : more;
	}
	keep_range(query, points);
	return 0;
}

static int take_oldest(struct store *store, enum store_tier tier, uint64_t before_ns,
		       struct point_vec *points, uint64_t ret_ids[2])
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_OLDEST_CHUNK);
	int more;

	query_u64(&query, tier);
	query_u64(&query, before_ns);
	more = query_next(&query);
	if (more <= 0)
		return more;
	ret_ids[0] = query_column_u64(&query, 0);
	ret_ids[1] = query_column_u64(&query, 1);
	return tier == TIER_TENS ? 0 : unpack(store, &query, 2, points);
}

int store_chunks_age(struct store *store, enum store_tier tier, uint64_t before_ns, bool *ret_done)
{
	_cleanup_(points_done) struct point_vec points = VEC_INIT;
	uint64_t ids[2] = {0}; /* of the chunk, of its target */
	int err = take_oldest(store, tier, before_ns, &points, ids);

	*ret_done = false;
	if (err || !ids[0])
		return store_read_end(store, err);
	err = store_write_begin(store);
	if (!err && points.count) {
		points_roll_up(&points, widths_ns[tier + 1]);
		err = store_chunks_add(store, ids[1], tier + 1, &points);
	}
	if (!err)
		err = delete_chunk(store, ids[0]);
	err = store_write_end(store, err);
	*ret_done = !err;
	return err;
}
