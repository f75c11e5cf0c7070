/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interned stack traces. The kernel names a stack by a 64-bit hash over process, address-space epoch and
 * frames, and sends its frames before the first use, and again when its own table forgot it. A trace gets
 * a small number (stack_id) that is never reused in a session.
 *
 * An id that arrives without its frames (their event was lost) is a trace of depth 0 with end
 * HF_STACK_END_COUNT, completed when the frames come after all; stack_table_unknown_count() tells.
 * One writer (ingest). Pure: no fd, thread, clock. Memory: about 8 bytes a frame and 48 a trace.
 */
#ifndef HOLDFAST_STACK_TABLE_H
#define HOLDFAST_STACK_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t stack_id; /* 0: no stack (a block from before attach, an event without one) */

struct stack_trace {
	uint64_t hash;
	uint64_t first_seen_ns; /* selects which mappings the pcs belong to */
	uint32_t pid;
	uint16_t depth;
	uint8_t end; /* enum hf_stack_end; HF_STACK_END_COUNT: frames not received */
	uint8_t jit_frames;
	const uint64_t *pcs; /* leaf first, owned by the table */
};

struct stack_table;

/* @memory_bytes bounds the table; past it stacks are refused with -ENOSPC and counted. */
int stack_table_new(uint64_t memory_bytes, struct stack_table **ret);
void stack_table_free(struct stack_table *table);

/* Adds or completes. Frames that differ from those already known under the hash are a collision:
 * counted, the first kept. */
int stack_table_add(struct stack_table *table, const struct stack_trace *trace, stack_id *ret_id);
/* The number of @hash, made if unknown. 0 for hash 0. */
int stack_table_lookup(struct stack_table *table, uint64_t hash, uint32_t pid, uint64_t time_ns,
		       stack_id *ret_id);
const struct stack_trace *stack_table_at(const struct stack_table *table, stack_id id);

struct stack_table_counts {
	uint64_t traces, frames, collisions, refused, unknown;
	uint64_t by_end[16]; /* traces by enum hf_stack_end */
	uint64_t memory_bytes;
};

void stack_table_counts(const struct stack_table *table, struct stack_table_counts *ret);

#endif
