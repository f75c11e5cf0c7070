/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of a traced target's allocation sites, each one columnar blob. Their stacks are in a dictionary (stacks.h).
 *
 * Measured (tests/bench/bench_store.c; 300 snapshots of 2,000 sites): 10.4 B a site on disk without the stacks' bytes, 1.3 ms an
 * insert, 60 snapshots read in 11 ms.
 */
#ifndef HOLDFAST_AGENT_STORE_SNAPSHOTS_H
#define HOLDFAST_AGENT_STORE_SNAPSHOTS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/store/site.h"
#include "agent/store/stacks.h"

struct store;

struct store_snapshot {
	uint64_t id;
	uint64_t target;
	uint64_t time_ns;
	uint64_t outstanding_bytes; /* sum over the sites, saturating */
	uint64_t site_count;
	const struct store_site *sites; /* in no order; NULL in a list */
};

/* @snapshot->id and ->outstanding_bytes are not looked at. A stack may come several times, as several sites. */
int store_add_snapshot(struct store *store, const struct store_snapshot *snapshot,
		       uint64_t *ret_id);

struct store_snapshot_query {
	uint64_t target;
	uint64_t from_ns, to_ns; /* both included; to_ns 0: to the end */
	size_t limit;            /* at most STORE_MAX_LIST */
};

struct store_snapshots {
	struct store_snapshot *items; /* oldest first */
	size_t count;
};

/* Without their sites. If there are more than the limit: evenly chosen, the first and the last among them. */
int store_list_snapshots(struct store *store, const struct store_snapshot_query *query,
			 struct store_snapshots *ret_snapshots);
/* One, with its sites. -ENOENT; -EBADMSG: its blob is damaged. */
int store_read_snapshot(struct store *store, uint64_t id, struct store_snapshots *ret_snapshots);
void store_snapshots_done(struct store_snapshots *snapshots);

/*
 * Those that store_list_snapshots() would list, each with its sites, oldest first, to @take, which borrows it. Another value
 * than 0 ends it and is returned. @take may not use the store.
 */
typedef int (*store_take_snapshot)(void *context, const struct store_snapshot *snapshot);
int store_read_snapshots(struct store *store, const struct store_snapshot_query *query,
			 store_take_snapshot take, void *context);

#endif
