/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words: what an evidence means, and what to do about a finding. Pure text from numbers.
 */
#ifndef HOLDFAST_REPORT_ADVICE_H
#define HOLDFAST_REPORT_ADVICE_H

#include "base/strbuf.h"
#include "report/report.h"

/* One evidence as a sentence without full stop. */
void advice_add_evidence(struct strbuf *sb, const struct evidence *evidence);
/*
 * What to look at, naming function and file:line. Uses all of @finding but id, evidence,
 * recommendation.
 */
void advice_add_recommendation(struct strbuf *sb, const struct report *report,
			       const struct report_finding *finding, uint64_t alloc_count);

#endif
