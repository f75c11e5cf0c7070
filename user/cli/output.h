/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands share about writing reports: which files, terminal or not. */
#ifndef HOLDFAST_CLI_OUTPUT_H
#define HOLDFAST_CLI_OUTPUT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "report/export/export.h"
#include "report/export/json_out.h"

/* Width, colour (NO_COLOR, TERM=dumb), UTF-8 of stdout, and what the config says of frames. */
void output_options(const struct config *config, struct export_options *ret);
/* stderr is a terminal and neither --quiet nor the log speak: progress may be shown. */
bool output_shows_progress(const struct config *config);
/* Over the line that stands there: "12 s of 60". */
void output_add_progress(struct strbuf *line, const struct config *config, uint64_t elapsed_ns);

/*
 * Writes the report to every file that the config names; with @defaults also to PREFIX.json.gz and PREFIX.html.
 * Then the text to stdout, unless --quiet or stdout was taken by a file "-". HF_E_CANTWRITE: the others
 * were written all the same.
 */
int output_report(const struct config *config, const struct report *report, bool defaults,
		  struct hf_error *err);

/* hf-COMM-PID, or the prefix that the user named. -ENOMEM. */
int output_prefix(const struct config *config, const char *comm, int pid, struct strbuf *ret);

/*
 * A report from a file, or from stdin ("-"; a recording only where that is a file): JSON, or a recording that is replayed. Errors: HF_E_NOFILE, HF_E_BADFILE. Caller frees with
 * report_free().
 */
int output_load(const struct config *config, const char *path, struct report **ret,
		struct hf_error *err);

/* Lines to the end of a file (made 0600, no link followed) or, with "-", to stdout. HF_E_CANTWRITE. */
int output_append(const struct strbuf *text, const char *path, struct hf_error *err);
/* A document of one list: {"schema": @schema, "@list": [ what the caller puts between the two calls ]}. */
struct output_json {
	struct strbuf text;
	struct sink sink;
	struct json_out json;
};

void output_json_begin(struct output_json *out, const char *schema, const char *list);
/* Writes it as output_bytes() does, and frees it. */
int output_json_end(struct output_json *out, const char *path, struct hf_error *err);

/* A finished text to a file (0600, no link followed) or, with "-", to stdout. HF_E_CANTWRITE. */
int output_bytes(const struct strbuf *text, const char *path, struct hf_error *err);

#endif
