/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A leak in words and as JSON: what of a finding is kept, and how it is shown. */
#ifndef HOLDFAST_AGENT_LEAK_DETAIL_H
#define HOLDFAST_AGENT_LEAK_DETAIL_H

#include "agent/store/leaks.h"
#include "base/strbuf.h"
#include "report/export/json_out.h"
#include "report/report.h"

struct leak_origin {
	int pid;
	const char *target_name;
	bool recommend; /* say what to do */
};

/* {"pid","target_name","confidence","lost_count","type","held_by","recommendation","evidence","stack"}: what the store keeps as detail. */
void leak_add_detail(const struct leak_origin *origin, const struct report *report,
		     const struct report_finding *finding, struct strbuf *out);
/* "leaking, +3.98 MiB/min: 61,240 blocks lost at ngx_http_foo_handler (foo.c:212)" */
void leak_add_summary(const struct report *report, const struct report_finding *finding,
		      struct strbuf *out);
/* The members of a leak's object in the API. */
void leak_put_json(const struct store_leak *leak, struct json_out *json);

#endif
