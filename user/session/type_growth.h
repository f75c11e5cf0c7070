/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a heap holds more of than at an earlier look, by type and size. Pure. Internal to session/. */
#ifndef HOLDFAST_SESSION_TYPE_GROWTH_H
#define HOLDFAST_SESSION_TYPE_GROWTH_H

#include "account/heap/heap.h"

/* Of the groups of a snapshot: blocks and bytes more (or fewer, below 0) than at the earlier one. */
struct type_growth {
	double *counts, *bytes; /* as its groups; NULL: nothing is known */
	double seconds;         /* between the two */
};

/* @first: NULL, or the same as @last: nothing is known then. -ENOMEM. */
int type_growth_init(const struct heap_snapshot *first, const struct heap_snapshot *last,
		     struct type_growth *ret);
void type_growth_done(struct type_growth *growth);

#endif
