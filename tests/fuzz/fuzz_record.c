/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording: any bytes give a report or an error that is set, and nothing leaks. Whole replay, names included. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "session/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replay_options options = {.memory_bytes = 64u << 20, .tool_version = "fuzz"};
	struct hf_error err = HF_ERROR_INIT;
	struct report *report = NULL;
	int fd = memfd_create("recording", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if ((replay_report(fd, &options, &report, &err) != 0) != error_is_set(&err))
		abort();
	report_free(report);
	error_done(&err);
	close(fd);
	return 0;
}
