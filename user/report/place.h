/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame within a sentence. Internal to report/. */
#ifndef HOLDFAST_REPORT_PLACE_H
#define HOLDFAST_REPORT_PLACE_H

#include "base/strbuf.h"
#include "report/report.h"

/* "keep_forever (t.c:5)", "libfoo.so+0x1234" */
void report_add_place(struct strbuf *sb, const struct report_frame *frame);

#endif
