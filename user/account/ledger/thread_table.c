/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/ledger/thread_table.h"

#include <stdlib.h>
#include <string.h>

/* An unmap of more pieces than this gives their memory back when it is over. */
#define KEPT_PIECES 64u

/* A state, its place among the unused, and slots of the map, which are at least 3/8 taken. */
#define STATE_COST \
	(sizeof(struct thread_state) + sizeof(uint32_t) + sizeof(struct map64_slot) * 8 / 3)

void thread_table_init(struct thread_table *table, struct memory_bound *memory, uint64_t seed)
{
	*table = (struct thread_table){.memory = memory};
	map64_init(&table->by_tid, seed);
}

void thread_table_done(struct thread_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->states[i].frees);
		free(table->states[i].pieces);
	}
	free(table->states);
	free(table->unused);
	map64_done(&table->by_tid);
	thread_table_init(table, table->memory, table->by_tid.seed);
}

static bool grow_array(struct memory_bound *memory, void **array, size_t *capacity, size_t bigger,
		       size_t size)
{
	void *moved;

	if (!memory_take(memory, (bigger - *capacity) * size))
		return false;
	moved = realloc(*array, bigger * size);
	if (!moved) {
		memory_give(memory, (bigger - *capacity) * size);
		return false;
	}
	*array = moved;
	*capacity = bigger;
	return true;
}

/* Room for one state more, in all three places. What grew before another failed is found grown next time. */
static bool reserve(struct thread_table *table)
{
	size_t bigger = table->capacity + table->capacity / 2 + 8;
	uint64_t cost;
	void *states, *unused;

	if (table->count < table->capacity)
		return true;
	if (bigger > LEDGER_MAX_THREADS)
		bigger = LEDGER_MAX_THREADS;
	cost = (bigger - table->capacity) * STATE_COST;
	if (!memory_take(table->memory, cost))
		return false;
	states = realloc(table->states, bigger * sizeof(*table->states));
	if (states)
		table->states = states;
	unused = realloc(table->unused, bigger * sizeof(*table->unused));
	if (unused)
		table->unused = unused;
	if (!states || !unused || map64_reserve(&table->by_tid, bigger)) {
		memory_give(table->memory, cost);
		return false;
	}
	table->capacity = bigger;
	return true;
}

static void release_pending(struct thread_table *table, struct thread_state *thread)
{
	free(thread->frees);
	free(thread->pieces);
	memory_give(table->memory, thread->free_capacity * sizeof(*thread->frees) +
					   thread->piece_capacity * sizeof(*thread->pieces));
	*thread = (struct thread_state){0};
}

struct thread_state *thread_table_find(struct thread_table *table, uint32_t tid)
{
	uint64_t index;

	if (table->newest < table->count && table->states[table->newest].tid == tid &&
	    table->states[table->newest].used)
		return &table->states[table->newest];
	if (!map64_get(&table->by_tid, tid, &index))
		return NULL;
	table->newest = index;
	return &table->states[index];
}

/* Round robin: without exits in between, that is the order in which they came. */
static size_t evict(struct thread_table *table)
{
	size_t index = table->hand++ % table->count;

	map64_remove(&table->by_tid, table->states[index].tid, NULL);
	release_pending(table, &table->states[index]);
	table->forgotten++;
	return index;
}

struct thread_state *thread_table_get(struct thread_table *table, uint32_t tid)
{
	struct thread_state *thread = thread_table_find(table, tid);
	size_t index;

	if (thread)
		return thread;
	if (table->unused_count)
		index = table->unused[table->unused_count - 1];
	else if (table->count < LEDGER_MAX_THREADS && reserve(table))
		index = table->count;
	else if (table->count)
		index = evict(table);
	else
		return NULL;
	/* Cannot fail: there is room for as many as there are states. */
	if (map64_put(&table->by_tid, tid, index))
		return NULL;
	if (index == table->count)
		table->count++;
	else if (table->unused_count && table->unused[table->unused_count - 1] == index)
		table->unused_count--;
	thread = &table->states[index];
	*thread = (struct thread_state){.tid = tid, .used = true};
	table->newest = index;
	return thread;
}

void thread_table_forget(struct thread_table *table, uint32_t tid)
{
	struct thread_state *thread = thread_table_find(table, tid);

	if (!thread)
		return;
	map64_remove(&table->by_tid, tid, NULL);
	release_pending(table, thread);
	table->unused[table->unused_count++] = thread - table->states;
}

bool thread_push_free(struct thread_table *table, struct thread_state *thread,
		      const struct pending_free *pending)
{
	if (thread->free_count == LEDGER_MAX_PENDING) {
		thread->free_count--;
		memmove(thread->frees, thread->frees + 1,
			thread->free_count * sizeof(*thread->frees));
	}
	if (thread->free_count == thread->free_capacity &&
	    !grow_array(table->memory, (void **)&thread->frees, &thread->free_capacity,
			thread->free_capacity ? thread->free_capacity * 2 : 1,
			sizeof(*thread->frees)))
		return false;
	thread->frees[thread->free_count++] = *pending;
	return true;
}

bool thread_push_piece(struct thread_table *table, struct thread_state *thread,
		       const struct pending_piece *piece)
{
	size_t capacity = thread->piece_capacity;

	if (thread->piece_count == capacity &&
	    !grow_array(table->memory, (void **)&thread->pieces, &thread->piece_capacity,
			capacity + capacity / 2 + 2, sizeof(*thread->pieces)))
		return false;
	thread->pieces[thread->piece_count++] = *piece;
	return true;
}

static void remove_free(struct thread_state *thread, unsigned int at)
{
	thread->free_count--;
	memmove(&thread->frees[at], &thread->frees[at + 1],
		(thread->free_count - at) * sizeof(*thread->frees));
}

bool thread_take_free(struct thread_state *thread, uint64_t address, struct pending_free *ret)
{
	for (unsigned int i = thread->free_count; i-- > 0;) {
		if (thread->frees[i].address != address)
			continue;
		*ret = thread->frees[i];
		remove_free(thread, i);
		return true;
	}
	return false;
}

void thread_confirm_free(struct thread_state *thread, uint8_t family)
{
	for (unsigned int i = thread->free_count; i-- > 0;) {
		if (thread->frees[i].family == family) {
			remove_free(thread, i);
			return;
		}
	}
}

void thread_confirm_unmap(struct thread_table *table, struct thread_state *thread)
{
	thread->unmap_pending = false;
	thread->piece_count = 0;
	if (thread->piece_capacity <= KEPT_PIECES)
		return;
	memory_give(table->memory, thread->piece_capacity * sizeof(*thread->pieces));
	free(thread->pieces);
	thread->pieces = NULL;
	thread->piece_capacity = 0;
}
