/* SPDX-License-Identifier: GPL-2.0-or-later */
/* table.h - whether a table of routes (route.h) is sound: the server asks once, at its start. */
#ifndef HF_AGENT_HTTP_TABLE_H
#define HF_AGENT_HTTP_TABLE_H

#include "agent/http/route.h"
#include "base/err.h"

/* 0, or HF_E_INTERNAL naming the first route that contradicts itself or another one. Pure. */
int http_table_check(const struct http_table *table, struct hf_error *err);

#endif
