// SPDX-License-Identifier: GPL-2.0-or-later
/* diff: what grew between two reports, and the gate for builds. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/output.h"

static int write_file(const struct report_diff *diff,
		      int (*write)(const struct report_diff *diff, struct sink *sink),
		      const char *path, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf bytes = STRBUF_INIT;
	struct sink sink;
	int err;

	sink_init_strbuf(&sink, &bytes);
	err = write(diff, &sink);
	if (err)
		return error_set_errno(error, HF_E_CANTWRITE, -err, "cannot write %s: %s", path,
				       strerror(-err));
	return output_bytes(&bytes, path, error);
}

static int write_text(const struct config *config, const struct report_diff *diff,
		      struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct export_options options;
	struct sink sink;
	int err;

	output_options(config, &options);
	sink_init_strbuf(&sink, &text);
	err = diff_write_text(diff, &options, &sink);
	return err ? err : output_bytes(&text, "-", error);
}

/* To the files that are named, and as text to stdout unless that is taken. */
static int write_diff(const struct config *config, const struct report_diff *diff,
		      struct hf_error *error)
{
	const struct {
		const char *path;
		int (*write)(const struct report_diff *diff, struct sink *sink);
	} files[] = {
		{config->json, diff_write_json},
		{config->html, diff_write_html},
		{config->folded, diff_write_folded},
	};
	bool to_stdout = false;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int err = files[i].path ? write_file(diff, files[i].write, files[i].path, error)
					: 0;

		if (err)
			return err;
		to_stdout |= files[i].path && !strcmp(files[i].path, "-");
	}
	return to_stdout || config->quiet ? 0 : write_text(config, diff, error);
}

static int gate(const struct config *config, const struct report_diff *diff)
{
	if (config->source[OPT_fail_above_bytes_per_second] == CONFIG_DEFAULT)
		return EXIT_DONE;
	return report_diff_exceeds(diff, config->fail_above_bytes_per_second) ? EXIT_FOUND
									      : EXIT_DONE;
}

int command_diff(struct config *config, struct hf_error *error)
{
	_cleanup_(report_diff_freep) struct report_diff *diff = NULL;
	struct report *a = NULL, *b = NULL;
	int err = output_load(config, config->words.items[0], &a, error);

	if (!err)
		err = output_load(config, config->words.items[1], &b, error);
	if (!err) {
		err = report_diff(a, b, &diff);
		if (err)
			err = error_set_errno(error, HF_E_INTERNAL, -err, "no diff: %s",
					      strerror(-err));
	}
	if (!err)
		err = write_diff(config, diff, error);
	if (!err)
		err = gate(config, diff);
	report_diff_free(no_free_ptr(diff));
	report_free(a);
	report_free(b);
	return err;
}
