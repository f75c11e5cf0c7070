/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A collection of garbage on request, in one process of Python, with what there was before and after; and free memory of the C library
 * given back (account/pyheap/force.h).
 */
#ifndef HOLDFAST_SESSION_COLLECTION_H
#define HOLDFAST_SESSION_COLLECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "account/pyheap/force.h"
#include "base/err.h"

struct collection_options {
	bool trim;                          /* also of a process that runs no Python */
	uint64_t wait_ns;                   /* for a safe point */
	uint64_t max_stop_ns, memory_bytes; /* of the looks before and after */
};

/* At one moment. */
struct collection_state {
	uint64_t objects, bytes; /* of Python; 0: not known */
	uint64_t rss_bytes;
};

struct collection {
	int pid;
	char comm[32], version[32]; /* version "": no Python */
	struct force_result result;
	bool objects_known;
	struct collection_state before, after;
};

/*
 * Errors: those of target_new(); HF_E_UNSUPPORTED: no Python, or one that is not understood, or a process that can't be called into;
 * HF_E_DETACHED: no safe point came.
 */
int collection_run(const struct collection_options *options, int pid, struct collection *ret,
		   struct hf_error *error);

#endif
