/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judgement on what was proved to be lost. Internal to verdict/. */
#ifndef HOLDFAST_VERDICT_LEAK_H
#define HOLDFAST_VERDICT_LEAK_H

#include "verdict/lost.h"
#include "verdict/verdict.h"

struct leak_context {
	const struct lost_evidence *evidence;
	const struct lost_entry *entries; /* by lost_evidence_share() */
	const struct ledger *ledger;      /* NULL: none */
	double observed_s;
	uint64_t now_ns;
};

/*
 * @found: what the site's growth alone said, or a zeroed finding if that was nothing (its evidence_count is 0). True: it
 * is a finding, with the losses in it; false: they are too few to be told of, *found is as it was.
 */
bool leak_judge(const struct leak_context *context, size_t entry, struct finding *found);

#endif
