/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A report in the formats of the world. Pure but for export_file() and report_load(), which go
 * through base/fileio.
 *
 * One line in EXPORT_FORMATS and one writer adds a format.
 */
#ifndef HOLDFAST_EXPORT_EXPORT_H
#define HOLDFAST_EXPORT_EXPORT_H

#include "base/err.h"
#include "report/diff.h"
#include "report/export/sink.h"
#include "report/report.h"

/* X(upper, name = option without "--", file name's ending) */
#define EXPORT_FORMATS(X)            \
	X(JSON, json, ".json.gz")    \
	X(TEXT, text, ".txt")        \
	X(HTML, html, ".html")       \
	X(FOLDED, folded, ".folded") \
	X(PPROF, pprof, ".pb.gz")    \
	X(SPEEDSCOPE, speedscope, ".speedscope.json")

enum export_format {
#define X(upper, name, ending) EXPORT_##upper,
	EXPORT_FORMATS(X)
#undef X
		EXPORT_FORMAT_COUNT
};

struct export_options {
	uint32_t width;  /* columns of the text; 0: 100 */
	uint32_t frames; /* frames shown per finding in the text; 0: 3; UINT32_MAX: all */
	bool color;      /* ANSI colours in the text */
	bool utf8;       /* characters beyond ASCII in the text */
	bool patterns;   /* the text's section on lifetimes and sizes */
	const char *const *written; /* file names for the text's last lines; NULL: none */
	size_t written_count;
	/* Keeps the packed JSON of one report, which JSON and HTML files both hold: made for the one, it
	 * serves the other. Empty before the first; NULL: each packs its own. */
	struct strbuf *packed;
};

struct exporter {
	const char *name;   /* of the option: "json" */
	const char *ending; /* of file names */
	int (*write)(const struct report *report, const struct export_options *options,
		     struct sink *sink);
};

/* EXPORT_FORMAT_COUNT entries, by enum export_format. */
extern const struct exporter exporters[];
/* By option name; NULL if there is none. */
const struct exporter *exporter_by_name(const char *name);

/* The same by number; @options may be NULL. Finishes the sink. 0 or -errno. */
int export_write(enum export_format format, const struct report *report,
		 const struct export_options *options, struct sink *sink);

/*
 * To a file (mode 0600, links not followed, complete or not at all); "-" is stdout. JSON is
 * compressed where the name ends in ".gz"; pprof always is. Error: HF_E_CANTWRITE.
 */
int export_file(enum export_format format, const struct report *report,
		const struct export_options *options, const char *path, struct hf_error *err);

/*
 * Reads a report back from JSON, compressed or not. Hostile input. -EBADMSG: not a report,
 * damaged; -EFBIG.
 */
#define REPORT_MAX_BYTES (1u << 30) /* of JSON, after decompression */
int report_read_json(const void *bytes, size_t size, struct report **ret_report,
		     struct hf_error *err);
/* From a file. Errors: HF_E_NOFILE, HF_E_BADFILE. */
int report_load(const char *path, struct report **ret_report, struct hf_error *err);
/* Do the bytes look like JSON or gzip (rather than a recording)? Looks at the first few. */
bool report_looks_like_json(const void *bytes, size_t size);

/* A diff for people, and as {"schema":"holdfast.diff/1",...}. Finish the sink. */
int diff_write_text(const struct report_diff *diff, const struct export_options *options,
		    struct sink *sink);
int diff_write_json(const struct report_diff *diff, struct sink *sink);
/*
 * Folded stacks with two numbers, the bytes a minute of A and of B: what flamegraph.pl draws as a differential flamegraph.
 */
int diff_write_folded(const struct report_diff *diff, struct sink *sink);
/* One page with a differential flamegraph and a table of the sites; where not all fit, those that changed most. -EFBIG. */
int diff_write_html(const struct report_diff *diff, struct sink *sink);

#endif
