/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes RSS grow when no call site does. Internal to verdict/. */
#ifndef HOLDFAST_VERDICT_CAUSE_H
#define HOLDFAST_VERDICT_CAUSE_H

#include "account/gauge/trend.h"
#include "verdict/lost.h"
#include "verdict/verdict.h"

/*
 * FRAGMENTED: free memory inside the heap grows, and is a good part of it; UNTRACED: shared memory does. STEADY: the free
 * memory is little; or pages of files, which the kernel takes back, or of shared memory that was there all the time, are
 * touched for the first time. False: nothing that is known explains VERDICT_MIN_EXPLAINED_PERCENT of @rss_growth, in
 * bytes/s.
 */
bool cause_find(const struct verdict_process *in, double rss_growth, enum verdict_state *ret_state,
		struct evidence *ret_evidence);

/* How fast the bytes of live blocks of these sizes grow (bit i: 2^i and more), by the looks at the heap. False: too few
 * looks. */
bool cause_heap_trend(const struct lost_evidence *evidence, uint64_t sizes, struct trend *ret);

#endif
