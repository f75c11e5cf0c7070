/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session that took place earlier: a recording's events go through the same accounts, the same verdict and the
 * same report as live ones. Needs no rights.
 */
#ifndef HOLDFAST_SESSION_REPLAY_H
#define HOLDFAST_SESSION_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "report/component.h"
#include "report/report.h"

struct replay_options {
	uint64_t memory_bytes; /* our own bound */
	bool show_content;     /* command lines in the report, if the recording has them */
	const char *tool_version;
	struct component_rules
		components; /* borrowed; of cgroups and units a recording knows nothing */
};

/*
 * @fd: the recording, at its beginning. A recording without its end gives a report of what is there, with a note.
 * HF_E_BADFILE: no recording, or damaged before anything was told; HF_E_INTERNAL. Caller frees with report_free().
 */
int replay_report(int fd, const struct replay_options *options, struct report **ret,
		  struct hf_error *err);

#endif
