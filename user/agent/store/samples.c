/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/samples.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/store/store_internal.h"

static void points_done(struct point_vec *points)
{
	vec_done(points);
}

/* Beside a writing agent: what is packed must not change between the two. */
static int read_as_of_one_moment(struct store *store, const struct store_sample_query *query,
				 struct point_vec *points)
{
	bool foreign = store->options.read_only;
	int err = foreign ? database_begin_reading(&store->db) : 0;

	if (!err && foreign)
		err = store_recent_load(store);
	if (!err && store->db.handle)
		err = store_chunks_read(store, query, points);
	if (!err)
		err = store_recent_read(store, query, points);
	if (foreign)
		err = database_end(&store->db, err);
	return err;
}

int store_read_samples(struct store *store, const struct store_sample_query *query,
		       struct store_series *ret_series)
{
	_cleanup_(points_done) struct point_vec points = VEC_INIT;
	struct store_sample_query wanted = *query;
	struct store_series series = {0};
	int err;

	/* SQL's numbers are signed */
	if (!wanted.to_ns || wanted.to_ns > INT64_MAX)
		wanted.to_ns = INT64_MAX;
	if (wanted.from_ns > INT64_MAX)
		wanted.from_ns = INT64_MAX;
	err = store_read_end(store, read_as_of_one_moment(store, &wanted, &points));
	if (!err)
		err = points_arrange(&points);
	if (err)
		return err;
	if (wanted.max_points)
		points_thin(&points, wanted.max_points);
	for (size_t i = 0; i < points.count; i++)
		if (points.items[i].width_ns > series.resolution_ns)
			series.resolution_ns = points.items[i].width_ns;
	series.count = points.count;
	series.items = no_free_ptr(points.items);
	*ret_series = series;
	return 0;
}

void store_series_done(struct store_series *series)
{
	free(series->items);
	*series = (struct store_series){0};
}
