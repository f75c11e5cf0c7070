/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leaks that were found, active or cleared, by the caller's id. Cleared ones go after retention.days. */
#ifndef HOLDFAST_AGENT_STORE_LEAKS_H
#define HOLDFAST_AGENT_STORE_LEAKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct store;

#define STORE_ID_LENGTH 16 /* of a leak's or session's id */

struct store_leak {
	const char *leak_id; /* STORE_ID_LENGTH characters, the caller's choice */
	uint64_t target;
	const char *key; /* of the finding: what makes it the same one again */
	const char *component;
	const char *state;
	const char *detail; /* JSON, the caller's */
	uint64_t first_seen_ns, last_seen_ns;
	uint64_t cleared_ns; /* 0: not cleared */
	uint64_t outstanding_bytes;
	uint64_t profile;               /* id of the profile that shows it; 0: none */
	double growth_bytes_per_second; /* NaN: not known; so the interval */
	double growth_low, growth_high;
	bool active;
	const char *evidence; /* JSON, the caller's: that it does not come back without new one */
};

/* Adds it, or replaces the one with its id, as a whole. */
int store_put_leak(struct store *store, const struct store_leak *leak);

enum store_leak_state {
	STORE_LEAKS_ALL,
	STORE_LEAKS_ACTIVE,
	STORE_LEAKS_CLEARED,
	STORE_LEAKS_AT_END, /* of targets that have ended: active until then, or found by what came afterwards */
	STORE_LEAKS_RUNNING, /* active, or of a target that runs */
};

struct store_leak_query {
	enum store_leak_state state; /* cleared: whose cleared_ns is not 0 */
	uint64_t target;             /* 0: any */
	const char *key;             /* NULL: any */
	uint64_t after;              /* the cursor; 0: from the first */
	size_t limit;
};

struct store_leaks {
	struct store_leak *items; /* in the order in which they were first put */
	size_t count;
	uint64_t next; /* @after of the next page; 0: this was the last */
	struct arena arena;
};

int store_list_leaks(struct store *store, const struct store_leak_query *query,
		     struct store_leaks *ret_leaks);
/* One, as a list of it: -ENOENT if there is none. */
int store_get_leak(struct store *store, const char *leak_id, struct store_leaks *ret_leaks);
void store_leaks_done(struct store_leaks *leaks);

#endif
