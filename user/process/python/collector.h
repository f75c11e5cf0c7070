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

#include "process/elf/usdt.h"
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

#define PYTHON_COLLECTOR_PROBES 4 /* of a kind: as often as the compiler made a copy of the place */

/* Where the interpreter says that a collection begins, and that it is done (USDTs python:gc__start and gc__done). */
struct python_collector_probes {
	const struct module *module; /* the target's */
	struct usdt_probe begins[PYTHON_COLLECTOR_PROBES], ends[PYTHON_COLLECTOR_PROBES];
	size_t begin_count, end_count;
};

/* False: it was built without (--with-dtrace). */
bool python_collector_find_probes(const struct target *target, const struct python_runtime *runtime,
				  struct python_collector_probes *ret);

/* Of the first interpreter. 0; -ENOTSUP: its layout is not known; -ESRCH, -EFAULT: gone, or not there yet. */
int python_collector_read(int pid, const struct python_runtime *runtime,
			  struct python_collector *ret);
/* Where it is: it stays there as long as the interpreter. As above. */
int python_collector_find(int pid, const struct python_runtime *runtime, uint64_t *ret_address);
/* What is there at @state, PYTHON_GC_BYTES of memory. */
void python_collector_decode(const uint8_t *state, struct python_collector *ret);

#endif
