/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer of each format, for the table in export.c; each stands in a file of its name. */
#ifndef HOLDFAST_EXPORT_WRITERS_H
#define HOLDFAST_EXPORT_WRITERS_H

#include "report/export/sink.h"
#include "report/report.h"

struct export_options; /* report/export/export.h; never NULL here */

struct report_source { /* what is written, where one pointer must name it */
	const struct report *report;
	const struct export_options *options;
};

int write_json(const struct report *report, const struct export_options *options,
	       struct sink *sink);
/* The JSON, compressed, as the content of @ret_bytes. */
int pack_json(const struct report *report, const struct export_options *options,
	      struct strbuf *ret_bytes);
int write_text(const struct report *report, const struct export_options *options,
	       struct sink *sink);
int write_html(const struct report *report, const struct export_options *options,
	       struct sink *sink);
int write_folded(const struct report *report, const struct export_options *options,
		 struct sink *sink);
int write_pprof(const struct report *report, const struct export_options *options,
		struct sink *sink);
int write_speedscope(const struct report *report, const struct export_options *options,
		     struct sink *sink);

#endif
