/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile report: what is read must be written in every format, a diff's too, and its JSON must read back to the same
 * bytes. What it can't find: slowness below the time limit.
 */
#include <stdlib.h>
#include <string.h>

#include "report/export/export.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct strbuf write_format(enum export_format format, const struct report *report)
{
	struct export_options options = {.patterns = true, .utf8 = true};
	struct strbuf out = STRBUF_INIT;
	struct sink *sink = malloc(sizeof(*sink));

	if (!sink)
		abort();
	sink_init_strbuf(sink, &out);
	if (export_write(format, report, &options, sink) != 0 && format != EXPORT_HTML)
		abort();
	free(sink);
	return out;
}

static void write_diff(const struct report *a, const struct report *b)
{
	static int (*const writers[])(const struct report_diff *diff, struct sink *sink) = {
		diff_write_json, diff_write_html, diff_write_folded};
	struct sink *sink = malloc(sizeof(*sink));
	struct report_diff *diff;

	if (!sink || report_diff(a, b, &diff) != 0)
		abort();
	for (size_t i = 0; i < sizeof(writers) / sizeof(*writers); i++) {
		struct strbuf out = STRBUF_INIT;

		sink_init_strbuf(sink, &out);
		if (writers[i](diff, sink) != 0 && writers[i] != diff_write_html)
			abort();
		strbuf_done(&out);
	}
	report_diff_free(diff);
	free(sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report *report, *again;
	struct strbuf first, second;

	if (report_read_json(data, size, &report, NULL) < 0)
		return 0;
	first = write_format(EXPORT_JSON, report);
	if (report_read_json(first.buf, first.len, &again, NULL) < 0)
		abort();
	second = write_format(EXPORT_JSON, again);
	if (first.len != second.len || memcmp(first.buf, second.buf, first.len) != 0)
		abort();
	strbuf_done(&second);
	for (int format = EXPORT_JSON + 1; format < EXPORT_FORMAT_COUNT; format++) {
		second = write_format((enum export_format)format, report);
		strbuf_done(&second);
	}
	write_diff(report, again);
	report_free(report);
	report_free(again);
	strbuf_done(&first);
	return 0;
}
