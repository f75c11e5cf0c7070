/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One self-contained page: web/report.html with style, scripts and the compressed report put in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "report/export/export.h"
#include "report/export/view.h"
#include "report/export/writers.h"

#define MAX_PAGE_BYTES ((1u << 20) - 1)
#define MAX_TRIES      12 /* each leaves out more */

/* In byte order of the files' names. X(name as the linker knows it) */
#define WEB_SCRIPTS(X)    \
	X(base_js)        \
	X(chart_js)       \
	X(flame_js)       \
	X(flame_panel_js) \
	X(flame_tree_js)  \
	X(model_js)       \
	X(overview_js)    \
	X(report_js)      \
	X(sites_js)       \
	X(types_js)

#define X(name) extern const char hf_asset_##name##_start[], hf_asset_##name##_end[];
WEB_SCRIPTS(X)
X(report_html)
X(report_css)
#undef X

struct span {
	const char *start, *end;
};

static const struct span scripts[] = {
#define X(name) {hf_asset_##name##_start, hf_asset_##name##_end},
	WEB_SCRIPTS(X)
#undef X
};

static const struct span template = {hf_asset_report_html_start, hf_asset_report_html_end};
static const struct span style = {hf_asset_report_css_start, hf_asset_report_css_end};

static size_t length_of(struct span span)
{
	return (size_t)(span.end - span.start);
}

static void put(struct sink *sink, struct span span)
{
	sink_write(sink, span.start, length_of(span));
}

/* What stands before @marker, and moves *rest behind it. */
static struct span before(struct span *rest, const char *marker)
{
	struct span part = {rest->start, rest->end};
	const char *at = memmem(rest->start, length_of(*rest), marker, strlen(marker));

	if (at) {
		part.end = at;
		rest->start = at + strlen(marker);
	}
	return part;
}

static size_t fixed_bytes(void)
{
	size_t bytes = length_of(template) + length_of(style);

	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
		bytes += length_of(scripts[i]) + 1;
	return bytes;
}

static void put_base64(struct sink *sink, const struct strbuf *bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)bytes->buf;

	for (size_t left = bytes->len; left; p += 3) {
		uint32_t word = (uint32_t)p[0] << 16 | (left > 1 ? p[1] << 8 : 0) |
				(left > 2 ? p[2] : 0);
		const char four[4] = {digits[word >> 18], digits[word >> 12 & 63],
				      left > 1 ? digits[word >> 6 & 63] : '=',
				      left > 2 ? digits[word & 63] : '='};

		sink_write(sink, four, sizeof(four));
		left -= left < 3 ? left : 3;
	}
}

/* Leaves out the smallest sites until the rest fits. */
static int pack_to_fit(const struct report *report, const struct export_options *options,
		       struct strbuf *ret_bytes)
{
	size_t room = (MAX_PAGE_BYTES - fixed_bytes()) / 4 * 3 - 3;
	size_t sites = report->site_count;
	int err = options->packed && options->packed->len
			  ? strbuf_add(ret_bytes, options->packed->buf, options->packed->len)
			  : pack_json(report, options, ret_bytes);

	if (sites < report->fault_count)
		sites = report->fault_count;
	for (int tries = 0; !err && ret_bytes->len > room && tries < MAX_TRIES; tries++) {
		struct view view;

		sites = (size_t)((double)sites * 0.95 * (double)room / (double)ret_bytes->len);
		err = view_init(&view, report, sites);
		if (err)
			break;
		err = pack_json(&view.report, options, ret_bytes);
		view_done(&view);
	}
	return !err && ret_bytes->len > room ? -EFBIG : err;
}

int write_html(const struct report *report, const struct export_options *options, struct sink *sink)
{
	_cleanup_(strbuf_done) struct strbuf data = STRBUF_INIT;
	struct span rest = template;
	int err = pack_to_fit(report, options, &data);

	if (err)
		return err;
	put(sink, before(&rest, "/*HF:CSS*/"));
	put(sink, style);
	put(sink, before(&rest, "HF:DATA"));
	put_base64(sink, &data);
	put(sink, before(&rest, "/*HF:JS*/"));
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		put(sink, scripts[i]);
		sink_putc(sink, '\n');
	}
	put(sink, rest);
	return sink->error;
}
