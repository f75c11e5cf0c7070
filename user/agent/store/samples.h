/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gauges of targets over time.
 *
 * They come as they were read; store_retain() packs them (300 of a target in a columnar blob), makes points of a minute of
 * what is older than retention.raw, points of ten minutes of what is older than retention.minutes, and forgets those older
 * than retention.days. A point keeps the largest of each gauge, the least RSS, and the last of each counter.
 *
 * Measured (tests/bench/bench_store.c; 200 targets, a sample each 10 s for 7 days, 2 cores shared with others): 16.5 B a sample or
 * point on disk, 5.8 us CPU a sample in all, a commit of 200 samples 0.7 ms. Reading a target's 7 days (10,480 points) takes 2.1 ms
 * (up to 8 where others work), its last hour 0.6 ms. The longest step of upkeep was 14 ms CPU a day, 48 ms in a week.
 */
#ifndef HOLDFAST_AGENT_STORE_SAMPLES_H
#define HOLDFAST_AGENT_STORE_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct store;

#define STORE_UNKNOWN UINT64_MAX

/* X(field, kind of it). The order is that of the blobs on disk: new ones come last, with a new version of the blob. */
#define STORE_SAMPLE_COLUMNS(X)    \
	X(rss_bytes, GAUGE)        \
	X(vms_bytes, GAUGE)        \
	X(pss_bytes, GAUGE)        \
	X(uss_bytes, GAUGE)        \
	X(swap_bytes, GAUGE)       \
	X(heap_live_bytes, GAUGE)  \
	X(heap_objects, GAUGE)     \
	X(gc_collections, COUNTER) \
	X(minor_faults, COUNTER)   \
	X(major_faults, COUNTER)   \
	X(limit_bytes, GAUGE)

/* Each value may be STORE_UNKNOWN. */
struct store_values {
#define STORE_SAMPLE_FIELD(field, kind) uint64_t field;
	STORE_SAMPLE_COLUMNS(STORE_SAMPLE_FIELD)
#undef STORE_SAMPLE_FIELD
};

/* All unknown. */
#define STORE_VALUES_UNKNOWN               ((struct store_values){STORE_SAMPLE_COLUMNS(STORE_UNKNOWN_FIELD_)})
#define STORE_UNKNOWN_FIELD_(field_, kind) .field_ = STORE_UNKNOWN,

struct store_sample {
	uint64_t target;
	uint64_t time_ns;
	struct store_values values;
};

/* Copies them into memory. Past the bound the oldest that wait are dropped and counted. */
int store_add_samples(struct store *store, const struct store_sample *samples, size_t count);

struct store_point {
	uint64_t time_ns;           /* of the sample, or the beginning of what it stands for */
	uint64_t width_ns;          /* what it stands for; 0: one sample */
	struct store_values values; /* largest; of counters the last */
	uint64_t rss_min_bytes;
};

struct store_sample_query {
	uint64_t target;
	uint64_t from_ns, to_ns; /* both included; to_ns 0: to the end */
	size_t max_points;       /* 0: all */
};

struct store_series {
	struct store_point *items; /* oldest first; times differ */
	size_t count;
	uint64_t resolution_ns; /* the coarsest width among them; 0: all are samples */
};

/*
 * The finest that is there of each time, what waits in memory included. If that is more than max_points, neighbours are
 * merged over equal spans of time, as the points of a minute are. An unknown target has no points.
 */
int store_read_samples(struct store *store, const struct store_sample_query *query,
		       struct store_series *ret_series);
void store_series_done(struct store_series *series);

#endif
