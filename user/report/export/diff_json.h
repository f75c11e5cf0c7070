/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the JSON of a diff and the data of its page have in common. */
#ifndef HOLDFAST_EXPORT_DIFF_JSON_H
#define HOLDFAST_EXPORT_DIFF_JSON_H

#include "report/diff.h"
#include "report/export/json_out.h"

/* Opens the document: schema, both sides, totals, counts by kind. The caller closes it. */
void diff_json_begin(struct json_out *json, const char *schema, const struct report_diff *diff);
/* Bytes, blocks and allocations that one side has of a site, into the object that is open. */
void diff_json_amounts(struct json_out *json, const struct diff_side *side);
/* By type: the @most that changed most, either way. */
void diff_json_types(struct json_out *json, const struct report_diff *diff, size_t most);

#endif
