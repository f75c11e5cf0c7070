// SPDX-License-Identifier: GPL-2.0-or-later
/* diff: what grew between two reports, and the gate for builds. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/output.h"

/* As JSON to a file or stdout, and as text to stdout unless that is taken. */
static int write_diff(const struct config *config, const struct report_diff *diff,
		      struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	struct export_options options;
	bool to_stdout = config->json && !strcmp(config->json, "-");
	struct sink sink;
	int err = 0;

	output_options(config, &options);
	if (config->json) {
		sink_init_strbuf(&sink, &text);
		err = diff_write_json(diff, &sink);
		if (!err)
			err = output_bytes(&text, config->json, error);
		if (err)
			return err;
	}
	if (config->folded) {
		strbuf_reset(&text);
		sink_init_strbuf(&sink, &text);
		err = diff_write_folded(diff, &sink);
		if (!err)
			err = output_bytes(&text, config->folded, error);
		if (err)
			return err;
	}
	to_stdout |= config->folded && !strcmp(config->folded, "-");
	if (to_stdout || config->quiet)
		return 0;
	strbuf_reset(&text);
	sink_init_strbuf(&sink, &text);
	err = diff_write_text(diff, &options, &sink);
	return err ? err : output_bytes(&text, "-", error);
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
