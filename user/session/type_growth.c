// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/type_growth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"

static const struct heap_type *type_of(const struct heap_snapshot *snapshot, size_t group)
{
	return &snapshot->types[snapshot->groups[group].type];
}

static uint64_t key_of(const struct heap_snapshot *snapshot, size_t group, uint64_t seed)
{
	const struct heap_type *type = type_of(snapshot, group);
	uint64_t hash = hash_bytes(type->name, strlen(type->name), seed);

	return hash_u64(hash ^ (uint64_t)type->kind, snapshot->groups[group].size_bytes ^ seed);
}

static bool is_same(const struct heap_snapshot *a, size_t i, const struct heap_snapshot *b,
		    size_t k)
{
	const struct heap_type *x = type_of(a, i), *y = type_of(b, k);

	return a->groups[i].size_bytes == b->groups[k].size_bytes && x->kind == y->kind &&
	       !strcmp(x->name, y->name);
}

static int index_groups(const struct heap_snapshot *snapshot, struct map64 *ret)
{
	uint64_t known;

	for (size_t i = 0; i < snapshot->group_count; i++) {
		uint64_t key = key_of(snapshot, i, ret->seed);

		while (map64_get(ret, key, &known))
			key++;
		if (map64_put(ret, key, i) < 0)
			return -ENOMEM;
	}
	return 0;
}

int type_growth_init(const struct heap_snapshot *first, const struct heap_snapshot *last,
		     struct type_growth *ret)
{
	struct map64 groups;
	int err;

	*ret = (struct type_growth){0};
	if (!first || !last || last->time_ns <= first->time_ns)
		return 0;
	ret->seconds = (double)(last->time_ns - first->time_ns) / NS_PER_S;
	ret->counts = calloc(last->group_count + 1, sizeof(*ret->counts));
	ret->bytes = calloc(last->group_count + 1, sizeof(*ret->bytes));
	map64_init(&groups, hash_seed_random());
	err = ret->counts && ret->bytes ? index_groups(first, &groups) : -ENOMEM;
	for (size_t i = 0; !err && i < last->group_count; i++) {
		uint64_t key = key_of(last, i, groups.seed), at;

		ret->counts[i] = (double)last->groups[i].count;
		ret->bytes[i] = (double)last->groups[i].bytes;
		while (map64_get(&groups, key, &at) && !is_same(last, i, first, at))
			key++;
		if (!map64_get(&groups, key, &at))
			continue;
		ret->counts[i] -= (double)first->groups[at].count;
		ret->bytes[i] -= (double)first->groups[at].bytes;
	}
	map64_done(&groups);
	if (err)
		type_growth_done(ret);
	return err;
}

void type_growth_done(struct type_growth *growth)
{
	free(growth->counts);
	free(growth->bytes);
	*growth = (struct type_growth){0};
}
