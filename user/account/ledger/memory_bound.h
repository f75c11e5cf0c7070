/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory the parts of one ledger (or series) may take together. Takers give back what they took. */
#ifndef HOLDFAST_MEMORY_BOUND_H
#define HOLDFAST_MEMORY_BOUND_H

#include <stdbool.h>
#include <stdint.h>

struct memory_bound {
	uint64_t limit_bytes, used_bytes;
};

static inline bool memory_take(struct memory_bound *memory, uint64_t bytes)
{
	if (bytes > memory->limit_bytes - memory->used_bytes)
		return false;
	memory->used_bytes += bytes;
	return true;
}

static inline void memory_give(struct memory_bound *memory, uint64_t bytes)
{
	memory->used_bytes -= bytes;
}

#endif
