/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/collector.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "process/python/collector.h"

/* An int that is 0 or 1: what is no collector's state is most likely told by that. */
static bool is_flag(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value <= 1;
}

int collector_read_count(int fd, uint64_t address, uint64_t *ret_collections)
{
	uint8_t state[PYTHON_GC_BYTES];
	struct python_collector collector;
	uint64_t sum = 0;
	ssize_t got;

	if (address > INT64_MAX)
		return -EFAULT;
	got = pread(fd, state, sizeof(state), (off_t)address);
	if (got == 0 || (got < 0 && errno == ESRCH))
		return -ESRCH;
	if (got != sizeof(state))
		return -EFAULT;
	if (!is_flag(state + PYTHON_GC_ENABLED) || !is_flag(state + PYTHON_GC_COLLECTING))
		return -EFAULT;
	python_collector_decode(state, &collector);
	for (int i = 0; i < PYTHON_GENERATIONS; i++)
		if (__builtin_add_overflow(sum, collector.generations[i].collections, &sum))
			return -EFAULT;
	*ret_collections = sum;
	return 0;
}
