// SPDX-License-Identifier: GPL-2.0-or-later
/* report: show or convert a saved report. */
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/output.h"

int command_report(struct config *config, struct hf_error *error)
{
	struct report *report = NULL;
	int err = output_load(config, config->words.items[0], &report, error);

	if (err)
		return err;
	err = output_report(config, report, false, error);
	report_free(report);
	return err ? err : EXIT_DONE;
}
