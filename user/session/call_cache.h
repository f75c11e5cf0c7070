/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The calls in modules (process/code/call_sites.h), looked for once for all processes that map them: a compiler's, one after
 * the other, or a server's workers. At most some 80 bytes for each of most_sites. One owner, main thread.
 */
#ifndef HOLDFAST_SESSION_CALL_CACHE_H
#define HOLDFAST_SESSION_CALL_CACHE_H

#include <stddef.h>

#include "base/vec.h"
#include "process/code/call_sites.h"
#include "process/target/module.h"

#define CALL_CACHE_MAX   20000
#define CALL_CACHE_SITES 100000 /* what a session keeps */

struct call_cache_entry {
	const struct module *module;
	uint64_t goals; /* hash of them */
	struct call_sites *sites;
};

VEC_STRUCT(call_cache_entries, struct call_cache_entry);

struct call_cache {
	struct call_cache_entries entries; /* the oldest first */
	size_t site_count, most_sites;     /* kept */
};

void call_cache_init(struct call_cache *cache, size_t most_sites);
void call_cache_done(struct call_cache *cache);
/*
 * The calls of @goals in @module, at most CALL_CACHE_MAX; the cache's, valid until the next call. A site's goal is an index
 * into @goals. Where there are more than most_sites, those found first are let go. 0 or -ENOMEM.
 */
int call_cache_find(struct call_cache *cache, const struct module *module,
		    const struct code_goal *goals, size_t goal_count,
		    const struct call_sites **ret);

#endif
