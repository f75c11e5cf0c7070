// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/faults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"

#define KIND_BITS 2

struct fault_table {
	struct map64 counts;     /* stack << KIND_BITS | kind -> count */
	struct map64 last_key;   /* tid -> key of its last fault */
	struct map64 last_major; /* tid -> its major faults then */
};

const char *fault_kind_name(enum fault_kind kind)
{
	static const char *const names[] = {
#define X(upper, name) name,
		ACCOUNT_FAULT_KINDS(X)
#undef X
	};

	return names[kind];
}

int fault_table_new(struct fault_table **ret)
{
	struct fault_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	map64_init(&table->counts, hash_seed_random());
	map64_init(&table->last_key, hash_seed_random());
	map64_init(&table->last_major, hash_seed_random());
	*ret = table;
	return 0;
}

void fault_table_free(struct fault_table *table)
{
	if (!table)
		return;
	map64_done(&table->counts);
	map64_done(&table->last_key);
	map64_done(&table->last_major);
	free(table);
}

static enum fault_kind kind_at(const struct maps *maps, uint64_t address)
{
	const struct mapping *m = maps && maps->count ? maps_find(maps, address) : NULL;

	if (!m || !m->inode)
		return FAULT_ANON;
	/* Shared memory: tmpfs, memfd, /dev/zero, System V segments. */
	if (m->shared && (!strncmp(m->path, "/dev/shm/", 9) || !strncmp(m->path, "/memfd:", 7) ||
			  !strncmp(m->path, "/dev/zero", 9) || !strncmp(m->path, "/SYSV", 5)))
		return FAULT_SHMEM;
	return FAULT_FILE;
}

static void add(struct fault_table *table, uint64_t key)
{
	uint64_t *count = map64_find(&table->counts, key);

	if (count)
		(*count)++;
	else if (table->counts.count < FAULT_TABLE_MAX)
		map64_put(&table->counts, key, 1);
	else if (key >> KIND_BITS)
		add(table, key & ((1u << KIND_BITS) - 1)); /* stack 0 */
}

/* The thread's fault before this one went to swap: move it there. */
static void reclassify(struct fault_table *table, uint64_t key)
{
	uint64_t *count;

	if ((key & ((1u << KIND_BITS) - 1)) != FAULT_ANON)
		return;
	count = map64_find(&table->counts, key);
	if (!count || !*count)
		return;
	(*count)--;
	add(table, (key & ~(uint64_t)((1u << KIND_BITS) - 1)) | FAULT_SWAP);
}

void fault_table_count(struct fault_table *table, const struct hf_event_fault *event,
		       stack_id stack, const struct maps *maps)
{
	uint64_t key = (uint64_t)stack << KIND_BITS | kind_at(maps, event->address);
	uint64_t before, last;

	if (map64_get(&table->last_major, event->h.tid, &before) && event->major_faults > before &&
	    map64_get(&table->last_key, event->h.tid, &last))
		reclassify(table, last);
	add(table, key);
	/* Without memory for it the thread's next major fault stays anonymous. */
	if (table->last_key.count >= FAULT_TABLE_MAX)
		return;
	map64_put(&table->last_key, event->h.tid, key);
	map64_put(&table->last_major, event->h.tid, event->major_faults);
}

void fault_table_thread_exit(struct fault_table *table, uint32_t tid)
{
	map64_remove(&table->last_key, tid, NULL);
	map64_remove(&table->last_major, tid, NULL);
}

int fault_table_for_each(const struct fault_table *table,
			 int (*visit)(const struct fault_count *fault, void *user), void *user)
{
	for (struct map64_iter it = {0}; map64_next(&table->counts, &it);) {
		struct fault_count fault = {
			.stack = it.key >> KIND_BITS,
			.kind = it.key & ((1u << KIND_BITS) - 1),
			.count = it.value,
		};
		int result = fault.count ? visit(&fault, user) : 0;

		if (result)
			return result;
	}
	return 0;
}
