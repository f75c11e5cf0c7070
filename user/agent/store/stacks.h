/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dictionary of stacks for each target: a 64-bit hash stands for bytes of the caller's choosing. A stack is forgotten about a day
 * after the last snapshot that has it.
 */
#ifndef HOLDFAST_AGENT_STORE_STACKS_H
#define HOLDFAST_AGENT_STORE_STACKS_H

#include <stddef.h>
#include <stdint.h>

struct store;

struct store_stack {
	uint64_t hash;
	const void *bytes;
	size_t size;
};

/* Those that the dictionary has already are left as they are. */
int store_put_stacks(struct store *store, uint64_t target, const struct store_stack *stacks,
		     size_t count);
/* On the heap (free() it). -ENOENT: no such stack, or never put. */
int store_read_stack(struct store *store, uint64_t target, uint64_t hash, void **ret_bytes,
		     size_t *ret_size);

#endif
