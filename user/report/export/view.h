/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A report with only its largest sites, for where the whole does not fit. */
#ifndef HOLDFAST_EXPORT_VIEW_H
#define HOLDFAST_EXPORT_VIEW_H

#include "report/report.h"

struct view {
	struct report report; /* borrows all but what stands below from the original */
	struct report_site *sites;
	struct report_fault *faults;
	struct report_finding *findings;
	struct report_frame *frames;
	struct report_text *notes;
	uint32_t *stacks; /* the kept stacks' frame numbers */
	char *note;
};

/*
 * Keeps the first @sites sites, as many faults and findings, the frames that these name, and adds
 * a note that tells what is missing. -ENOMEM.
 */
int view_init(struct view *view, const struct report *report, size_t sites);
void view_done(struct view *view);

#endif
