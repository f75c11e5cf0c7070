/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From samples in memory to batches in the file to packed chunks.
 *
 * Packing takes several steps, so that none takes long. It is for the batches up to one id, a few targets at a time in the
 * order of their ids; both limits are in the file, written in the same transaction as the chunks. So at any moment a sample is
 * either in a chunk (its target is done) or counts in its batch (not yet), never in both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/batch.h"
#include "agent/store/store_internal.h"

#define SAMPLES_OF_BATCH 4096
#define SAMPLES_OF_CHUNK 300 /* of a target, before they are packed */
#define MAX_BATCHES      600 /* a read looks into each */
#define TARGETS_OF_STEP  8
#define BATCHES_OF_STEP  60

VEC_STRUCT(id_vec, uint64_t);

static void ids_done(struct id_vec *ids)
{
	vec_done(ids);
}

int store_add_samples(struct store *store, const struct store_sample *samples, size_t count)
{
	struct sample_vec *waiting = &store->samples;
	size_t room = store->options.max_pending_samples;

	if (store->options.read_only)
		return -EROFS;
	for (size_t i = 0; i < count; i++)
		if (samples[i].time_ns > INT64_MAX || !samples[i].target ||
		    samples[i].target > INT64_MAX)
			return -EINVAL;
	if (count > room) {
		store->state.dropped_samples += count - room;
		samples += count - room;
		count = room;
	}
	if (waiting->count + count > room) {
		/* more than needs be, so that it is not done for each sample */
		size_t drop = waiting->count + count - room + room / 8;

		if (drop > waiting->count)
			drop = waiting->count;
		waiting->count -= drop;
		memmove(waiting->items, waiting->items + drop,
			waiting->count * sizeof(*waiting->items));
		store->state.dropped_samples += drop;
	}
	if (vec_append(waiting, samples, count))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		store_targets_seen(store, &samples[i]);
	return 0;
}

static int write_batch(struct store *store, uint64_t id, struct store_sample *samples, size_t count)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_ADD_RECENT);
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	uint64_t last_ns = 0;
	int err = batch_encode(samples, count, &bytes);

	if (err)
		return err;
	for (size_t i = 0; i < count; i++)
		if (samples[i].time_ns > last_ns)
			last_ns = samples[i].time_ns;
	query_u64(&query, id);
	query_u64(&query, last_ns);
	query_u64(&query, count);
	query_blob(&query, bytes.buf, bytes.len);
	return query_run(&query);
}

int store_recent_write(struct store *store)
{
	uint64_t id = store->recent.last_id;
	int err = 0;

	for (size_t i = 0; !err && i < store->samples.count; i += SAMPLES_OF_BATCH) {
		size_t left = store->samples.count - i;

		err = write_batch(store, ++id, store->samples.items + i,
				  left < SAMPLES_OF_BATCH ? left : SAMPLES_OF_BATCH);
	}
	return err;
}

void store_recent_written(struct store *store)
{
	struct recent *recent = &store->recent;
	size_t count = store->samples.count;
	uint64_t batches = (count + SAMPLES_OF_BATCH - 1) / SAMPLES_OF_BATCH;

	for (size_t i = 0; i < count; i++)
		if (!recent->samples && (!i || store->samples.items[i].time_ns < recent->oldest_ns))
			recent->oldest_ns = store->samples.items[i].time_ns;
	recent->samples += count;
	recent->batches += batches;
	recent->last_id += batches;
	vec_clear(&store->samples);
}

int store_recent_load(struct store *store)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_SUM_RECENT);
	struct recent found = {0};
	int err = query_next(&query);

	if (err > 0) {
		found.samples = query_column_u64(&query, 0);
		found.batches = query_column_u64(&query, 1);
		found.last_id = query_column_u64(&query, 2);
		found.oldest_ns = query_column_u64(&query, 3);
		err = store_get_meta(store, "pack_upto", &found.pack_upto);
	}
	if (!err)
		err = store_get_meta(store, "pack_after", &found.pack_after);
	if (err)
		return err;
	/* so that no new batch falls below the limit */
	if (found.last_id < found.pack_upto)
		found.last_id = found.pack_upto;
	store->recent = found;
	return 0;
}

/* Whether a batch's samples of the target are in a chunk already. */
static bool packed(const struct recent *recent, uint64_t batch_id, uint64_t target)
{
	return batch_id <= recent->pack_upto && target <= recent->pack_after;
}

/* 1: no more of this batch, whose targets ascend. */
typedef int (*take_sample)(void *context, const struct batch *batch);

/*
 * The samples of the batches in (@first, @last] that end at @from_ns or later and are not packed, each to @take. A batch that does not
 * decode is left out.
 */
static int each_sample(struct store *store, const uint64_t range[3], take_sample take,
		       void *context)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_READ_RECENT);
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	int more;

	for (int i = 0; i < 3; i++)
		query_u64(&query, range[i]);
	while ((more = query_next(&query)) > 0) {
		uint64_t id = query_column_u64(&query, 0);
		struct batch batch;
		int err = query_column_bytes(&query, 1, &bytes);

		if (err)
			return err;
		err = batch_open(bytes.buf, bytes.len, &batch);
		while (!err && (err = batch_next(&batch)) > 0)
			err = packed(&store->recent, id, batch.target) ? 0 : take(context, &batch);
		if (err == -EBADMSG)
			store->state.bad_blobs++;
		else if (err < 0)
			return err;
	}
	return more;
}

struct reading {
	const struct store_sample_query *query;
	struct point_vec *points;
};

static int add_in_range(const struct store_sample_query *query, const struct store_sample *sample,
			struct point_vec *points)
{
	if (sample->target != query->target || sample->time_ns < query->from_ns ||
	    sample->time_ns > query->to_ns)
		return 0;
	return vec_push(points, points_of_sample(sample));
}

static int take_in_range(void *context, const struct batch *batch)
{
	struct reading *reading = context;
	struct store_sample sample;
	int err;

	if (batch->target != reading->query->target)
		return batch->target > reading->query->target;
	err = batch_read(batch, &sample);
	return err ? err : add_in_range(reading->query, &sample, reading->points);
}

int store_recent_read(struct store *store, const struct store_sample_query *query,
		      struct point_vec *points)
{
	struct reading reading = {query, points};
	uint64_t range[] = {0, INT64_MAX, query->from_ns};
	int err = store->db.handle ? each_sample(store, range, take_in_range, &reading) : 0;

	for (size_t i = 0; !err && i < store->samples.count; i++)
		err = add_in_range(query, &store->samples.items[i], points);
	return err;
}

/* Keeps the least few, ascending. */
static int take_target(void *context, const struct batch *batch)
{
	struct id_vec *ids = context;
	size_t at = ids->count;

	while (at && ids->items[at - 1] > batch->target)
		at--;
	if (at && ids->items[at - 1] == batch->target)
		return 0;
	if (at == TARGETS_OF_STEP)
		return 1;
	if (ids->count == TARGETS_OF_STEP)
		ids->count--;
	if (vec_reserve(ids, 1))
		return -ENOMEM;
	memmove(ids->items + at + 1, ids->items + at, (ids->count - at) * sizeof(*ids->items));
	ids->items[at] = batch->target;
	ids->count++;
	return 0;
}

/* The next few targets to pack, ascending. */
static int next_targets(struct store *store, struct id_vec *ids)
{
	uint64_t range[] = {0, store->recent.pack_upto, 0};

	return each_sample(store, range, take_target, ids);
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

struct packing {
	const struct id_vec *ids;
	struct point_vec points[TARGETS_OF_STEP];
};

static void packing_done(struct packing *packing)
{
	for (size_t i = 0; i < TARGETS_OF_STEP; i++)
		vec_done(&packing->points[i]);
}

static int take_to_pack(void *context, const struct batch *batch)
{
	struct packing *packing = context;
	const uint64_t *found = bsearch(&batch->target, packing->ids->items, packing->ids->count,
					sizeof(*found), compare_ids);
	struct store_sample sample;
	int err;

	if (!found)
		return batch->target > packing->ids->items[packing->ids->count - 1];
	err = batch_read(batch, &sample);
	return err ? err
		   : vec_push(&packing->points[found - packing->ids->items],
			      points_of_sample(&sample));
}

static int pack_targets(struct store *store, const struct id_vec *ids)
{
	_cleanup_(packing_done) struct packing packing = {.ids = ids};
	uint64_t range[] = {0, store->recent.pack_upto, 0};
	int err = each_sample(store, range, take_to_pack, &packing);

	for (size_t i = 0; !err && i < ids->count; i++)
		if (packing.points[i].count)
			err = store_chunks_add(store, ids->items[i], TIER_RAW, &packing.points[i]);
	return err ? err : store_set_meta(store, "pack_after", ids->items[ids->count - 1]);
}

/* All targets are packed: the batches go, some at a time, and with the last the limits. */
static int finish(struct store *store)
{
	_cleanup_(query_done) struct query query = query_of(&store->db, SQL_DELETE_RECENT);
	int err;

	query_u64(&query, store->recent.pack_upto);
	query_u64(&query, BATCHES_OF_STEP);
	err = query_run(&query);
	if (err || database_changes(&store->db) == BATCHES_OF_STEP)
		return err;
	err = store_set_meta(store, "pack_after", 0);
	return err ? err : store_set_meta(store, "pack_upto", 0);
}

/* One step, in a transaction. *ret_ids is what it did; none: all are done. */
static int step(struct store *store, struct id_vec *ids)
{
	int err = store_set_meta(store, "pack_upto", store->recent.pack_upto);

	if (!err)
		err = next_targets(store, ids);
	if (err)
		return err;
	return ids->count ? pack_targets(store, ids) : finish(store);
}

static bool worth_packing(const struct store *store, uint64_t now_ns)
{
	const struct recent *recent = &store->recent;
	size_t running = store_targets_running(store);

	if (recent->pack_upto || !recent->samples)
		return recent->pack_upto;
	return recent->batches > MAX_BATCHES ||
	       recent->samples >= SAMPLES_OF_CHUNK * (uint64_t)(running ? running : 1) ||
	       (recent->oldest_ns < now_ns &&
		now_ns - recent->oldest_ns > store->options.raw_age_ns);
}

int store_recent_pack(struct store *store, uint64_t now_ns, bool *ret_done)
{
	_cleanup_(ids_done) struct id_vec ids = VEC_INIT;
	int err;

	*ret_done = worth_packing(store, now_ns);
	if (!*ret_done)
		return 0;
	err = store_write_begin(store);
	if (!err && !store->recent.pack_upto)
		store->recent.pack_upto = store->recent.last_id;
	if (!err)
		err = step(store, &ids);
	err = store_write_end(store, err);
	if (err)
		return err;
	if (ids.count)
		store->recent.pack_after = ids.items[ids.count - 1];
	else
		return store_read_end(store, store_recent_load(store));
	return 0;
}
