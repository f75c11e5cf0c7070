/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The objects of a language's runtime by type, as looks at them have counted: which types grow, and which of them nothing holds.
 *
 * A type grows by the same rule as a call site: the Theil-Sen slope of what it took at each look, if Mann-Kendall's test finds a rise.
 * Objects are lost if references to them are counted that nothing has, or if they only hold each other and nobody collects such.
 */
#ifndef HOLDFAST_VERDICT_OBJECTS_H
#define HOLDFAST_VERDICT_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/ledger/series.h"

/* At one look. */
struct object_point {
	uint64_t time_ns;
	uint64_t count;
	uint64_t bytes; /* of the runtime's own allocator: what malloc gave has a call site */
	uint64_t overcounted; /* objects that nothing holds, though references to them are counted; without what these hold */
	uint64_t circles; /* objects that only hold each other */
};

struct object_type {
	const struct object_point *points; /* ascending; at most SERIES_MAX_POINTS */
	size_t count;
	bool unplaced; /* where they are made may be known soon, and is not yet */
};

struct object_evidence {
	const struct object_type *types;
	size_t type_count;
	bool collects;        /* circles are found and freed by the runtime itself */
	uint64_t arena_bytes; /* the runtime's allocator maps memory in such pieces: a site of these is no growth by itself; 0: none */
};

/* What looks at objects need of a verdict. Internal to verdict/. */
struct finding;
struct object_context {
	const struct object_evidence *evidence;
	uint64_t start_ns, now_ns;
};

/* True: the type is a finding; its state and all else but the process is set. */
bool object_judge(const struct object_context *context, size_t type, struct finding *ret);

#endif
