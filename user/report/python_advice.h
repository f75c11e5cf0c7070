/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reasons and remedies for findings about objects of Python, in words. Internal to report/. */
#ifndef HOLDFAST_REPORT_PYTHON_ADVICE_H
#define HOLDFAST_REPORT_PYTHON_ADVICE_H

#include "base/strbuf.h"
#include "report/report.h"

void python_advice_add_evidence(struct strbuf *sb, const struct evidence *evidence);
void python_advice_add_recommendation(struct strbuf *sb, const struct report *report,
				      const struct report_finding *finding);

#endif
