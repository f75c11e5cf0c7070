// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/call_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"

void call_cache_done(struct call_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++) {
		call_sites_done(cache->items[i].sites);
		free(cache->items[i].sites);
	}
	vec_done(cache);
}

/* All that call_sites_find() looks at, in its order. */
static uint64_t hash_goals(const struct code_goal *goals, size_t count)
{
	uint64_t hash = count;

	for (size_t i = 0; i < count; i++) {
		const struct code_goal *g = &goals[i];
		const uint64_t fields[] = {
			g->address,
			g->frees,
			g->returns_none,
			g->pointer_argument,
			g->size.kind,
			g->size.argument,
			g->size.count_argument,
			g->size.extension,
			g->size.scale,
			(uint64_t)g->size.added_bytes,
			(uint64_t)g->size.zero_bytes,
		};

		hash = hash_bytes(fields, sizeof(fields), hash);
		hash = g->symbol ? hash_bytes(g->symbol, strlen(g->symbol), hash) : hash + 1;
	}
	return hash;
}

static int add(struct call_cache *cache, const struct call_cache_entry *entry)
{
	int err = entry->sites ? vec_push(cache, *entry) : -ENOMEM;

	if (!err)
		return 0;
	if (entry->sites)
		call_sites_done(entry->sites);
	free(entry->sites);
	return err;
}

int call_cache_find(struct call_cache *cache, const struct module *module,
		    const struct code_goal *goals, size_t goal_count, const struct call_sites **ret)
{
	struct call_cache_entry entry = {.module = module, .goals = hash_goals(goals, goal_count)};
	int err;

	for (size_t i = 0; i < cache->count; i++)
		if (cache->items[i].module == module && cache->items[i].goals == entry.goals) {
			*ret = cache->items[i].sites;
			return 0;
		}
	entry.sites = calloc(1, sizeof(*entry.sites));
	err = entry.sites
		      ? call_sites_find(module->elf, goals, goal_count, CALL_CACHE_MAX, entry.sites)
		      : -ENOMEM;
	if (!err)
		err = add(cache, &entry);
	else
		free(entry.sites);
	if (!err)
		*ret = entry.sites;
	return err;
}
