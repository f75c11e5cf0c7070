/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole reports of a target, as bytes (gzip of JSON; the store does not look into them).
 *
 * Of each target the newest profiles_per_target are kept. Not forgotten before the target is (retention.days after it ended): its
 * newest, those of reason "oom", and those that a session refers to.
 */
#ifndef HOLDFAST_AGENT_STORE_PROFILES_H
#define HOLDFAST_AGENT_STORE_PROFILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct store;

struct store_profile {
	uint64_t id;
	uint64_t target;
	uint64_t time_ns;
	const char *reason; /* growth, session, request, oom, interval */
	const char *state;
	double growth_bytes_per_second; /* NaN: not known */
	uint64_t finding_count;
	uint64_t size_bytes;
	const void *bytes; /* NULL in a list */
};

/* @profile->id is not looked at. */
int store_add_profile(struct store *store, const struct store_profile *profile, uint64_t *ret_id);

struct store_profile_query {
	uint64_t target;         /* 0: any */
	uint64_t from_ns, to_ns; /* both included; to_ns 0: to the end */
	uint64_t before;         /* the cursor: ids less than this; 0: from the newest */
	size_t limit;
};

struct store_profiles {
	struct store_profile *items; /* by id, descending: newest first */
	size_t count;
	uint64_t next; /* @before of the next page; 0: this was the last */
	struct arena arena;
};

int store_list_profiles(struct store *store, const struct store_profile_query *query,
			struct store_profiles *ret_profiles);
/* One, with its bytes: -ENOENT if there is none. */
int store_read_profile(struct store *store, uint64_t id, struct store_profiles *ret_profiles);
void store_profiles_done(struct store_profiles *profiles);

#endif
