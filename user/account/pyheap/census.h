/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The objects of a copy by type, and what is to be told of them. */
#ifndef HOLDFAST_PYHEAP_TYPE_CENSUS_H
#define HOLDFAST_PYHEAP_TYPE_CENSUS_H

#include "account/pyheap/objects.h"
#include "account/pyheap/pyheap.h"

/* Counts all objects into @snapshot, which gets its types: the caller frees them with py_census_done(). @judge: what is not seen is
 * unreachable. -ENOMEM. */
int py_census_take(struct py_heap *heap, bool judge, bool holders,
		   struct pyheap_snapshot *snapshot);
void py_census_done(struct pyheap_snapshot *snapshot);

#endif
