/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording: any bytes give a report or an error that is set, and nothing leaks. Whole replay, names included. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/replay_or_refuse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("recording", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	replay_or_refuse(fd);
	return 0;
}
