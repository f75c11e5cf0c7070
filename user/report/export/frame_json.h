/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame as a JSON object, as reports and diffs have it. */
#ifndef HOLDFAST_EXPORT_FRAME_JSON_H
#define HOLDFAST_EXPORT_FRAME_JSON_H

#include "report/export/json_out.h"
#include "report/report.h"

void json_frame(struct json_out *json, const struct report_frame *frame);

#endif
