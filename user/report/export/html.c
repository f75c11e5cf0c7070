/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page of a report. */
#include "report/export/export.h"
#include "report/export/page.h"
#include "report/export/view.h"
#include "report/export/writers.h"

static size_t most_rows(const struct report *r)
{
	return r->site_count > r->fault_count ? r->site_count : r->fault_count;
}

/* The report as it is, which may have been packed before; or with only its @count largest sites. */
static int pack_report(const void *user, size_t count, struct strbuf *ret_bytes)
{
	const struct report_source *from = user;
	const struct strbuf *packed = from->options->packed;
	struct view view;
	int err;

	if (count >= most_rows(from->report))
		return packed && packed->len ? strbuf_add(ret_bytes, packed->buf, packed->len)
					     : pack_json(from->report, from->options, ret_bytes);
	err = view_init(&view, from->report, count);
	if (err)
		return err;
	err = pack_json(&view.report, from->options, ret_bytes);
	view_done(&view);
	return err;
}

int write_html(const struct report *report, const struct export_options *options, struct sink *sink)
{
	const struct report_source from = {report, options};
	const struct page_data data = {&from, most_rows(report), pack_report};

	return write_page(PAGE_REPORT, &data, sink);
}
