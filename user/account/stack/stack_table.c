/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/stack/stack_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/event.h>
#include <holdfast/limits.h>

#include "base/arena.h"
#include "base/hashmap.h"

#define CHUNK_TRACES 128u
#define CHUNK_BYTES  (CHUNK_TRACES * sizeof(struct stack_trace))
#define FIRST_INDEX  256u
#define FRAME_BLOCK  ((size_t)8192)
#define MAX_TRACES   (UINT32_MAX / 2)

struct frame_block {
	struct frame_block *next;
	size_t used; /* of pcs */
	uint64_t pcs[];
};

#define FRAMES_IN_BLOCK ((FRAME_BLOCK - sizeof(struct frame_block)) / sizeof(uint64_t))

struct stack_table {
	struct stack_trace **chunks; /* traces never move */
	stack_id *index;             /* open addressing by hash; 0: free */
	struct frame_block *frames;  /* newest first */
	size_t count, chunk_capacity, index_capacity;
	uint64_t seed; /* a target can choose its frames, so not where they land */
	uint64_t limit_bytes;
	struct stack_table_counts counts;
};

_Static_assert(FRAMES_IN_BLOCK >= HF_MAX_FRAMES, "any stack fits into a block");
_Static_assert(HF_STACK_END_COUNT < 16, "by_end has a place for each");

static void *take(struct stack_table *table, uint64_t bytes)
{
	void *memory;

	if (bytes > table->limit_bytes - table->counts.memory_bytes)
		return NULL;
	memory = calloc(1, bytes);
	if (memory)
		table->counts.memory_bytes += bytes;
	return memory;
}

static void give(struct stack_table *table, void *memory, uint64_t bytes)
{
	free(memory);
	table->counts.memory_bytes -= bytes;
}

int stack_table_new(uint64_t memory_bytes, struct stack_table **ret)
{
	struct stack_table *table;

	if (memory_bytes < sizeof(*table))
		return -ENOSPC;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->limit_bytes = memory_bytes;
	table->counts.memory_bytes = sizeof(*table);
	table->seed = hash_seed_random();
	*ret = table;
	return 0;
}

void stack_table_free(struct stack_table *table)
{
	if (!table)
		return;
	while (table->frames) {
		struct frame_block *next = table->frames->next;

		free(table->frames);
		table->frames = next;
	}
	for (size_t i = 0; i * CHUNK_TRACES < table->count; i++)
		free(table->chunks[i]);
	free(table->chunks);
	free(table->index);
	free(table);
}

static struct stack_trace *trace_at(const struct stack_table *table, stack_id id)
{
	id--;
	return id < table->count ? &table->chunks[id / CHUNK_TRACES][id % CHUNK_TRACES] : NULL;
}

const struct stack_trace *stack_table_at(const struct stack_table *table, stack_id id)
{
	return trace_at(table, id);
}

/* Where @hash is, or belongs. There is always a free slot. */
static size_t index_slot(const struct stack_table *table, uint64_t hash)
{
	size_t at = hash_u64(hash, table->seed);

	for (;; at++) {
		stack_id id = table->index[at &= table->index_capacity - 1];

		if (!id || trace_at(table, id)->hash == hash)
			return at;
	}
}

static bool index_grow(struct stack_table *table)
{
	size_t before = table->index_capacity, capacity = before ? before * 2 : FIRST_INDEX;
	stack_id *old = table->index, *index;

	if (table->count + 1 <= before / 8 * 5)
		return true;
	index = take(table, capacity * sizeof(*index));
	if (!index)
		return false;
	table->index = index;
	table->index_capacity = capacity;
	for (stack_id id = 1; id <= table->count; id++)
		index[index_slot(table, trace_at(table, id)->hash)] = id;
	give(table, old, before * sizeof(*old));
	return true;
}

static bool chunk_add(struct stack_table *table)
{
	size_t at = table->count / CHUNK_TRACES;
	size_t capacity = table->chunk_capacity + table->chunk_capacity / 2 + 4;
	struct stack_trace **chunks;

	if (at == table->chunk_capacity) {
		chunks = take(table, capacity * sizeof(struct stack_trace *));
		if (!chunks)
			return false;
		if (at)
			memcpy(chunks, table->chunks, at * sizeof(struct stack_trace *));
		give(table, table->chunks, at * sizeof(struct stack_trace *));
		table->chunks = chunks;
		table->chunk_capacity = capacity;
	}
	table->chunks[at] = take(table, CHUNK_BYTES);
	return table->chunks[at];
}

/* Room for @depth frames; it is used up only with keep_frames(). */
static uint64_t *frame_room(struct stack_table *table, size_t depth)
{
	struct frame_block *block = table->frames;

	if (!block || FRAMES_IN_BLOCK - block->used < depth) {
		block = take(table, FRAME_BLOCK);
		if (!block)
			return NULL;
		block->next = table->frames;
		table->frames = block;
	}
	return &block->pcs[block->used];
}

/* A trace without frames. False: no memory. */
static bool trace_add(struct stack_table *table, uint64_t hash, stack_id *ret_id)
{
	struct stack_trace *trace;

	if (table->count >= MAX_TRACES || !index_grow(table) ||
	    (table->count % CHUNK_TRACES == 0 && !chunk_add(table)))
		return false;
	*ret_id = (stack_id)++table->count;
	trace = trace_at(table, *ret_id);
	*trace = (struct stack_trace){.hash = hash, .end = HF_STACK_END_COUNT};
	table->index[index_slot(table, hash)] = *ret_id;
	table->counts.traces++;
	table->counts.unknown++;
	table->counts.by_end[HF_STACK_END_COUNT]++;
	return true;
}

static stack_id find(const struct stack_table *table, uint64_t hash)
{
	return table->count ? table->index[index_slot(table, hash)] : 0;
}

static void complete(struct stack_table *table, struct stack_trace *known,
		     const struct stack_trace *trace, uint64_t *pcs)
{
	if (trace->depth) {
		memcpy(pcs, trace->pcs, trace->depth * sizeof(*pcs));
		table->frames->used += trace->depth;
		known->pcs = pcs;
	}
	known->depth = trace->depth;
	known->end = trace->end;
	known->jit_frames = trace->jit_frames;
	table->counts.frames += trace->depth;
	table->counts.unknown--;
	table->counts.by_end[HF_STACK_END_COUNT]--;
	table->counts.by_end[trace->end]++;
}

static bool same_frames(const struct stack_trace *a, const struct stack_trace *b)
{
	return a->pid == b->pid && a->depth == b->depth &&
	       (!a->depth || !memcmp(a->pcs, b->pcs, a->depth * sizeof(*a->pcs)));
}

int stack_table_add(struct stack_table *table, const struct stack_trace *trace, stack_id *ret_id)
{
	struct stack_trace *known;
	uint64_t *pcs = NULL;
	stack_id id;

	if (!trace->hash || trace->depth > HF_MAX_FRAMES || trace->end >= HF_STACK_END_COUNT)
		return -EINVAL;
	id = find(table, trace->hash);
	known = trace_at(table, id);
	if (known && (known->end != HF_STACK_END_COUNT || known->pid != trace->pid)) {
		if (known->pid != trace->pid || !same_frames(known, trace))
			table->counts.collisions++;
		*ret_id = id;
		return 0;
	}
	if (trace->depth)
		pcs = frame_room(table, trace->depth);
	if ((trace->depth && !pcs) || (!known && !trace_add(table, trace->hash, &id))) {
		table->counts.refused++;
		return -ENOSPC;
	}
	if (!known) {
		known = trace_at(table, id);
		known->pid = trace->pid;
		known->first_seen_ns = trace->first_seen_ns;
	}
	complete(table, known, trace, pcs);
	*ret_id = id;
	return 0;
}

int stack_table_lookup(struct stack_table *table, uint64_t hash, uint32_t pid, uint64_t time_ns,
		       stack_id *ret_id)
{
	struct stack_trace *trace;
	stack_id id = hash ? find(table, hash) : 0;

	if (hash && !id) {
		if (!trace_add(table, hash, &id)) {
			table->counts.refused++;
			return -ENOSPC;
		}
		trace = trace_at(table, id);
		trace->pid = pid;
		trace->first_seen_ns = time_ns;
	}
	*ret_id = id;
	return 0;
}

void stack_table_counts(const struct stack_table *table, struct stack_table_counts *ret)
{
	*ret = table->counts;
}
