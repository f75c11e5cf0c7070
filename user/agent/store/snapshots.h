/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of a traced target's allocation sites: each one columnar blob, and a dictionary of its stacks, in which a
 * stack's 64-bit hash stands for bytes of the caller's choosing.
 */
#ifndef HOLDFAST_AGENT_STORE_SNAPSHOTS_H
#define HOLDFAST_AGENT_STORE_SNAPSHOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct store;

#define STORE_MAX_SITES 1000000

struct store_site {
	uint64_t stack; /* hash */
	uint64_t outstanding_bytes, outstanding_count;
	uint64_t allocs, alloc_bytes;
	uint32_t component; /* index, the caller's */
	uint8_t state;      /* the caller's */
};

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

struct store_stack {
	uint64_t hash;
	const void *bytes;
	size_t size;
};

/* Those that the dictionary has already are left as they are. */
int store_put_stacks(struct store *store, uint64_t target, const struct store_stack *stacks,
		     size_t count);
/* On the heap (free() it). -ENOENT: no such stack, or never put. */
int store_read_stack(struct store *store, uint64_t target, uint64_t hash, void **ret_bytes,
		     size_t *ret_size);

struct store_snapshot_query {
	uint64_t target;
	uint64_t from_ns, to_ns; /* both included; to_ns 0: to the end */
	size_t limit;            /* at most STORE_MAX_LIST */
};

struct store_snapshots {
	struct store_snapshot *items; /* oldest first */
	size_t count;
	struct arena arena;
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
