/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The garbage collector of CPython as it counts itself: read from outside, nothing is stopped or probed.
 *
 * Source: struct _gc_runtime_state in Include/internal/pycore_gc.h; gc.get_stats(), gc.get_threshold(), gc.get_count().
 */
#ifndef HOLDFAST_PYTHON_COLLECTOR_H
#define HOLDFAST_PYTHON_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "process/python/runtime.h"

struct python_generation {
	uint32_t threshold; /* collected when so many were allocated (the first), or the one before was collected so often */
	uint32_t count;                                 /* of these, since */
	uint64_t collections, collected, uncollectable; /* objects, since the process began */
};

struct python_collector {
	bool enabled;    /* by itself: gc.collect() works in any case */
	bool collecting; /* at this moment */
	struct python_generation generations[PYTHON_GENERATIONS];
};

/* Of the first interpreter. 0; -ENOTSUP: its layout is not known; -ESRCH, -EFAULT: gone, or not there yet. */
int python_collector_read(int pid, const struct python_runtime *runtime,
			  struct python_collector *ret);
/* What is there at @state, PYTHON_GC_BYTES of memory. */
void python_collector_decode(const uint8_t *state, struct python_collector *ret);

#endif
