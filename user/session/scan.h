/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session without a trace: a process's heap is looked at, twice and more, and nothing else is done to it. Needs no
 * BPF and no kernel feature; ptrace's rights suffice.
 */
#ifndef HOLDFAST_SESSION_SCAN_H
#define HOLDFAST_SESSION_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "report/report.h"

struct scan_options {
	uint64_t gap_ns; /* between two looks; a second confirms what is lost */
	bool growth; /* tell what has grown in between, with more looks on the way: does what is lost go on? */
	bool no_stop, show_content;
	uint64_t max_stop_ns, memory_bytes;
	const char *tool_version;
	/* After each look; true: that is enough (Ctrl-C). May be NULL. */
	bool (*looked)(void *user, unsigned int looks, unsigned int of);
	void *user;
};

/*
 * Errors: those of target_new(); HF_E_NOMALLOC: its allocator is none whose blocks can be listed; HF_E_PERM: it can't be
 * stopped; HF_E_UNSUPPORTED. Caller frees with report_free().
 */
int scan_report(const struct scan_options *options, const int *pids, size_t count,
		struct report **ret, struct hf_error *err);

#endif
