/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at the objects of a session's process that runs Python (account/pyheap): what there is by type, what holds it, and what has
 * grown since the first one.
 *
 *	pylook_start(look, &options)	a process of ours goes to work; heap_worker_fd(look->worker) is readable when that is done
 *	pylook_finish(look)		takes the result
 *
 * Main thread.
 */
#ifndef HOLDFAST_SESSION_PYLOOK_H
#define HOLDFAST_SESSION_PYLOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "account/pyheap/pyheap.h"

struct pylook {
	struct heap_worker *worker;             /* under way; NULL: none */
	struct pyheap_snapshot *first, *newest; /* may be the same; NULL: none */
	uint64_t looks, stop_ns_max, stop_ns_total;
	int error; /* of the last one; 0: it was fine */
};

void pylook_done(struct pylook *look);
/* 0 or -errno. */
int pylook_start(struct pylook *look, const struct pyheap_options *options);
void pylook_finish(struct pylook *look);
/* In words, why there is no snapshot. */
const char *pylook_error_text(int error);

#endif
