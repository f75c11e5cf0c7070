/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The catalogue of processes that were watched. A process is its pid and start time: the same pair is the same target, also
 * after a restart of the agent.
 *
 * Running targets are held in memory too, so that one gets its id also where the disk is full; changes are written by
 * store_commit(). last_seen_ns goes with the samples, on disk at most a minute late.
 */
#ifndef HOLDFAST_AGENT_STORE_TARGETS_H
#define HOLDFAST_AGENT_STORE_TARGETS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct store;

/* X(column): texts, as the process gave them */
#define STORE_TARGET_TEXTS(X) \
	X(name)               \
	X(comm)               \
	X(exe)                \
	X(unit)               \
	X(container)          \
	X(cgroup)             \
	X(user)               \
	X(rule)               \
	X(end_reason)         \
	X(end_detail)

struct store_target {
	uint64_t id;
	uint64_t start_time_ns; /* of the process; any number that is always the same for it */
	uint64_t first_seen_ns, last_seen_ns;
	uint64_t ended_ns; /* 0: running */
	int32_t pid;
#define STORE_TARGET_FIELD(column) const char *column;
	STORE_TARGET_TEXTS(STORE_TARGET_FIELD)
#undef STORE_TARGET_FIELD
};

/*
 * Adds the target, or updates the one with its pid and start time: texts that are not NULL replace, first_seen_ns only gets
 * less, last_seen_ns only more, ended_ns is set (0: it runs again). @target->id is not looked at.
 */
int store_put_target(struct store *store, const struct store_target *target, uint64_t *ret_id);
/* @detail: JSON, the caller's; NULL: none. */
int store_end_target(struct store *store, uint64_t id, uint64_t ended_ns, const char *reason,
		     const char *detail);

enum store_target_state { STORE_TARGETS_ALL, STORE_TARGETS_RUNNING, STORE_TARGETS_ENDED };

struct store_target_query {
	enum store_target_state state;
	int32_t pid;    /* 0: any */
	uint64_t after; /* the cursor: ids greater than this; 0: from the first */
	size_t limit;
};

struct store_targets {
	struct store_target *items; /* by id, ascending; texts are never NULL */
	size_t count;
	uint64_t next; /* @after of the next page; 0: this was the last */
	struct arena arena;
};

int store_list_targets(struct store *store, const struct store_target_query *query,
		       struct store_targets *ret_targets);
void store_targets_done(struct store_targets *targets);
/* One, as a list of it: -ENOENT if there is none. */
int store_get_target(struct store *store, uint64_t id, struct store_targets *ret_targets);

#endif
