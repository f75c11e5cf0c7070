/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/collector.h"

#include <errno.h>
#include <unistd.h>

#include "process/python/collector.h"

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
	python_collector_decode(state, &collector);
	for (int i = 0; i < PYTHON_GENERATIONS; i++)
		if (__builtin_add_overflow(sum, collector.generations[i].collections, &sum))
			return -EFAULT;
	*ret_collections = sum;
	return 0;
}
