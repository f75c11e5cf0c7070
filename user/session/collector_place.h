/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a process of Python keeps the counts of its garbage collector, so that they can be read again and again without looking for them:
 * PYTHON_GC_BYTES of memory, of its first interpreter. Reads maps and the interpreter's symbols (some 10 ms); nothing is stopped.
 */
#ifndef HOLDFAST_SESSION_COLLECTOR_PLACE_H
#define HOLDFAST_SESSION_COLLECTOR_PLACE_H

#include <stdint.h>

#include "base/err.h"
#include "process/proc/process.h"

struct collector_place {
	char version[32];
	uint64_t address;
};

/*
 * Errors: HF_E_NOPID; HF_E_UNSUPPORTED: no Python, by the names of what it has mapped, or one that is not understood; HF_E_DETACHED: its
 * interpreter is not there yet; those of target_new().
 */
int collector_place_find(struct process_key key, struct collector_place *ret,
			 struct hf_error *error);

#endif
