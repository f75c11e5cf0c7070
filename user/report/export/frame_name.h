/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line for one frame, for formats that know no more than a name. */
#ifndef HOLDFAST_EXPORT_FRAME_NAME_H
#define HOLDFAST_EXPORT_FRAME_NAME_H

#include "base/strbuf.h"
#include "report/report.h"

/* The function; "libfoo.so+0x1234" where it is not known; Python functions with their file. */
void frame_name(struct strbuf *sb, const struct report_frame *frame);

#endif
