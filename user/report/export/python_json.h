/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interpreters of Python and their objects, in JSON: the member "python" of a report. */
#ifndef HOLDFAST_EXPORT_PYTHON_JSON_H
#define HOLDFAST_EXPORT_PYTHON_JSON_H

#include "report/export/json_in.h"
#include "report/export/json_out.h"
#include "report/report.h"

void json_put_pythons(struct json_out *json, const struct report *report);
void json_read_pythons(struct json_in *in, const json_t *root, struct report *report);

#endif
