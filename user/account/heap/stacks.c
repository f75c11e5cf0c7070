// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/stacks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/thread_blocks.h"
#include "base/cleanup.h"

#define TOP_BYTES     8192  /* within so much of its top lies a thread's control block */
#define CONTROL_BYTES 0x800 /* of it that tell where the stack is */

/* Of the threads in one mapping. */
struct stack_use {
	uint64_t stack_pointer, thread_pointer; /* the lowest; 0: none */
};

bool stack_is_guarded(const struct maps *maps, size_t index)
{
	const struct mapping *m = &maps->items[index];

	return m->prot == (PROT_READ | PROT_WRITE) && !m->inode && index && m[-1].end == m->start &&
	       !m[-1].prot;
}

uint64_t stack_control_block(int pid, const struct mapping *m)
{
	uint64_t words[TOP_BYTES / 8], size = m->end - m->start;
	uint64_t from = size < TOP_BYTES ? m->start : m->end - TOP_BYTES;
	uint64_t count = (m->end - from) / 8;

	if (!memory_read(pid, from, words, count * 8))
		return 0;
	for (uint64_t i = 0; i + 2 < count; i++)
		if (thread_block_is_at(words + i, from + i * 8))
			return words[i];
	return 0;
}

/* Does the control block say that its stack begins in the inaccessible memory below the mapping? */
static bool begins_in_guard(int pid, uint64_t control, const struct mapping *m)
{
	uint64_t words[CONTROL_BYTES / 8];

	if (!memory_read(pid, control, words, sizeof(words)))
		return false;
	for (size_t i = 0; i < CONTROL_BYTES / 8; i++)
		if (words[i] % PAGE_BYTES == 0 && words[i] >= m[-1].start && words[i] < m->start)
			return true;
	return false;
}

static void lower(uint64_t *lowest, uint64_t value)
{
	if (!*lowest || value < *lowest)
		*lowest = value;
}

static void note(struct stack_use *uses, const struct heap_place *place)
{
	const struct maps *maps = &place->maps;

	for (size_t i = 0; i < place->stopped->threads.count; i++) {
		const struct stopped_thread *t = &place->stopped->threads.items[i];
		const struct mapping *stack = maps_find(maps, t->stack_pointer);
		const struct mapping *storage = maps_find(maps, t->thread_pointer);

		if (stack)
			lower(&uses[stack - maps->items].stack_pointer, t->stack_pointer);
		if (storage)
			lower(&uses[storage - maps->items].thread_pointer, t->thread_pointer);
	}
}

/* Where what is in use begins; 0: all of it may be. */
static uint64_t first_used(const struct heap_place *place, size_t index,
			   const struct stack_use *use)
{
	const struct mapping *m = &place->maps.items[index];
	uint64_t control = use->thread_pointer;

	if (!strcmp(m->path, "[stack]"))
		return use->stack_pointer;
	if (!stack_is_guarded(&place->maps, index))
		return 0;
	if (control && (!use->stack_pointer || use->stack_pointer >= control))
		return 0; /* it runs elsewhere: its own stack waits for it */
	if (!control && use->stack_pointer)
		return 0; /* somebody's, but whose, and where does it begin? */
	if (!control)
		control = stack_control_block(place->pid, m);
	if (!control || !begins_in_guard(place->pid, control, m))
		return 0;
	/* Of an ended thread the control block counts: its result may wait there for pthread_join(). */
	return use->stack_pointer ? use->stack_pointer : control;
}

int stacks_find(const struct heap_place *place, struct address_ranges *ret_unused,
		struct address_ranges *ret_stacks)
{
	size_t count = place->maps.count;
	_cleanup_free_ struct stack_use *uses = calloc(count ? count : 1, sizeof(*uses));

	if (!uses)
		return -ENOMEM;
	note(uses, place);
	for (size_t i = 0; i < count; i++) {
		const struct mapping *m = &place->maps.items[i];
		uint64_t used = first_used(place, i, &uses[i]);

		if (uses[i].stack_pointer &&
		    vec_push(ret_stacks, (struct address_range){m->start, m->end}) < 0)
			return -ENOMEM;
		/* The red zone below it was read with the registers. */
		if (used > m->start &&
		    vec_push(ret_unused, (struct address_range){m->start, used}) < 0)
			return -ENOMEM;
	}
	return 0;
}
