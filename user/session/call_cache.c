// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/call_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"

static void free_sites(struct call_sites *sites)
{
	if (sites)
		call_sites_done(sites);
	free(sites);
}

void call_cache_init(struct call_cache *cache, size_t most_sites)
{
	*cache = (struct call_cache){.most_sites = most_sites};
}

void call_cache_done(struct call_cache *cache)
{
	for (size_t i = 0; i < cache->entries.count; i++)
		free_sites(cache->entries.items[i].sites);
	vec_done(&cache->entries);
}

/* The newest stays, whatever it has. */
static void let_oldest_go(struct call_cache *cache)
{
	struct call_cache_entries *entries = &cache->entries;
	size_t gone = 0;

	while (cache->site_count > cache->most_sites && gone + 1 < entries->count) {
		cache->site_count -= entries->items[gone].sites->count;
		free_sites(entries->items[gone++].sites);
	}
	entries->count -= gone;
	memmove(entries->items, entries->items + gone, entries->count * sizeof(*entries->items));
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

int call_cache_find(struct call_cache *cache, const struct module *module,
		    const struct code_goal *goals, size_t goal_count, const struct call_sites **ret)
{
	struct call_cache_entry entry = {.module = module, .goals = hash_goals(goals, goal_count)};
	int err = -ENOMEM;

	for (size_t i = 0; i < cache->entries.count; i++)
		if (cache->entries.items[i].module == module &&
		    cache->entries.items[i].goals == entry.goals) {
			*ret = cache->entries.items[i].sites;
			return 0;
		}
	entry.sites = calloc(1, sizeof(*entry.sites));
	if (entry.sites)
		err = call_sites_find(module->elf, goals, goal_count, CALL_CACHE_MAX, entry.sites);
	if (!err)
		err = vec_push(&cache->entries, entry);
	if (err) {
		free_sites(entry.sites);
		return err;
	}
	cache->site_count += entry.sites->count;
	let_oldest_go(cache);
	*ret = entry.sites;
	return 0;
}
