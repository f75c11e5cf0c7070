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
#include "base/hashmap.h"
#include "base/vec.h"
#include "verdict/objects.h"

#define PYLOOK_POINTS_MAX 64 /* of a type; then each other one is dropped */

/* How a type went, from look to look. */
struct pylook_type {
	uint64_t address;
	char *name; /* owned */
	struct object_point points[PYLOOK_POINTS_MAX];
	size_t count;
};

struct pylook {
	struct heap_worker *worker;             /* under way; NULL: none */
	struct pyheap_snapshot *first, *newest; /* may be the same; NULL: none */
	uint64_t looks, stop_ns_max, stop_ns_total, next_ns;
	int error; /* of the last one; 0: it was fine */
	VEC(struct pylook_type *) types;
	struct map64 by_address;          /* -> index of the type there now */
	VEC(struct object_type) evidence; /* of types, by the same index */
};

void pylook_init(struct pylook *look);
/* Also after an exec, when nothing that was seen holds any more: it is as new then. */
void pylook_done(struct pylook *look);
/* 0 or -errno. */
int pylook_start(struct pylook *look, const struct pyheap_options *options);
void pylook_finish(struct pylook *look);
/* What the looks say of its types, by index. Borrowed until the next pylook_finish(). False: nothing yet. @placed: is it known where
 * objects of the type are made? NULL: that is not asked. */
typedef bool (*pylook_placed_fn)(void *user, uint64_t type);
bool pylook_evidence(struct pylook *look, pylook_placed_fn placed, void *user,
		     struct object_evidence *ret);
/* In words, why there is no snapshot. */
const char *pylook_error_text(int error);

#endif
