// SPDX-License-Identifier: GPL-2.0-or-later
/* scan: look at a heap without tracing: what it holds by type and size, and what of it is lost. */
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "session/scan.h"

/* A second look confirms what the first one missed; in between the program may use what it keeps elsewhere. */
#define CONFIRM_NS (900 * NS_PER_MS)

static bool on_look(void *user, unsigned int looks, unsigned int of)
{
	const bool *progress = user;

	if (*progress) {
		fprintf(stderr, "\rlooked %u of %u times", looks, of);
		if (looks == of)
			fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	return false;
}

int command_scan(struct config *config, struct hf_error *error)
{
	bool progress = output_shows_progress(config);
	struct scan_options options = {
		.gap_ns = config->every_ns ? config->every_ns : CONFIRM_NS,
		.growth = config->every_ns,
		.no_stop = config->no_stop,
		.show_content = config->show_content,
		.max_stop_ns = config->max_stop_ns,
		.memory_bytes = config->memory_bytes,
		.tool_version = HF_VERSION,
		.looked = on_look,
		.user = &progress,
	};
	struct report *report = NULL;
	int err = scan_report(&options, config->pids.items, config->pids.count, &report, error);

	if (err)
		return err;
	err = output_report(config, report, false, error);
	report_free(report);
	return err;
}
