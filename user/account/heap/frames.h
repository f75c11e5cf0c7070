/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose frame does a word of a stopped thread's stack lie in?
 *
 * The stacks are copied while the process stands still; afterwards a copy is walked by its modules' call frame
 * information, with the kernel side's own step (bpf/core/unwind.h). A frame that can only be guessed at, for want of such
 * information, ends the walk: no function is named then. Used by the worker only (scan.c).
 */
#ifndef HOLDFAST_HEAP_FRAMES_H
#define HOLDFAST_HEAP_FRAMES_H

#include "account/heap/stop.h"
#include "process/proc/maps.h"

/* A deeper stack, or the stacks beyond so much, have no functions. */
#define STACK_COPY_BYTES   (512u << 10)
#define STACK_COPIES_BYTES (16u << 20)

struct stack_copy {
	int tid;
	uint64_t start, size_bytes;
	uint8_t *bytes;
	uint64_t instruction_pointer, stack_pointer, frame_pointer;
};

VEC_STRUCT(stack_copies, struct stack_copy);

/* The process stands still. Those that can't be read are left out. -ENOMEM. */
int stack_copies_take(int pid, const struct stopped_process *stopped, const struct maps *maps,
		      struct stack_copies *ret);
void stack_copies_done(struct stack_copies *copies);

struct frame_finder;

/* What it is made of must outlive it. -ENOMEM. */
int frame_finder_new(int pid, const struct maps *maps, const struct stack_copies *copies,
		     struct frame_finder **ret);
/* NULL is fine. */
void frame_finder_free(struct frame_finder *finder);
/* Where the function that the word at @address belongs to was, as a return address: looked up one byte before. 0: not known. */
uint64_t frame_finder_find(struct frame_finder *finder, int tid, uint64_t address);

#endif
