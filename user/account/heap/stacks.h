/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the threads' stacks is not in use: below the stack pointer of a running thread (its red zone counts as its
 * registers do), and the stacks of ended threads that glibc keeps for the next ones. What lies there are left-overs, no roots.
 *
 * Where it is not certain, all of it counts: a thread may run on a stack that is not its own (coroutines, signals), and
 * neighbouring mappings may have become one. Certain is a thread whose own control block says that its stack begins in
 * the inaccessible memory right below the mapping.
 */
#ifndef HOLDFAST_HEAP_STACKS_H
#define HOLDFAST_HEAP_STACKS_H

#include "account/heap/walker.h"

/* Of a stopped process: what of its threads' stacks is not in use, and the mappings that they run on; ascending. -ENOMEM. */
int stacks_find(const struct heap_place *place, struct address_ranges *ret_unused,
		struct address_ranges *ret_stacks);

/* May the mapping be a thread's stack: read and written, anonymous, with inaccessible memory below it? */
bool stack_is_guarded(const struct maps *maps, size_t index);
/* The control block of a thread (struct pthread of glibc) at the end of a mapping, by the two words that point to
 * itself. 0: none. */
uint64_t stack_control_block(int pid, const struct mapping *mapping);

#endif
