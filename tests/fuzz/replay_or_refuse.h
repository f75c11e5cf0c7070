/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replays a recording: a report or an error that is set, and nothing leaks. Takes the descriptor. */
#ifndef HF_TESTS_FUZZ_REPLAY_OR_REFUSE_H
#define HF_TESTS_FUZZ_REPLAY_OR_REFUSE_H

#include <stdlib.h>
#include <unistd.h>

#include "session/replay.h"

static inline void replay_or_refuse(int fd)
{
	struct replay_options options = {.memory_bytes = 64u << 20, .tool_version = "fuzz"};
	struct hf_error err = HF_ERROR_INIT;
	struct report *report = NULL;

	if ((replay_report(fd, &options, &report, &err) != 0) != error_is_set(&err))
		abort();
	report_free(report);
	error_done(&err);
	close(fd);
}

#endif
