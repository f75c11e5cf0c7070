// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/proc/machine.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "process/proc/proc_text.h"

/* A line for each CPU, and as many numbers as there are interrupts. */
#define STAT_MAX_BYTES (4u << 20)

int machine_parse_idle(const char *text, size_t size, uint64_t *ret_ticks)
{
	struct text rest = {text, text + size}, word;
	uint64_t value = 0, idle = 0;

	if (!text_take_prefix(&rest, "cpu "))
		return -EBADMSG;
	/* user, nice, system, idle, iowait */
	for (unsigned int i = 0; i < 5; i++) {
		if (!text_next_word(&rest, &word) || !text_take_decimal(&word, &value) ||
		    word.p != word.end)
			return -EBADMSG;
		idle += i >= 3 ? value : 0;
	}
	*ret_ticks = idle;
	return 0;
}

int machine_idle_ns(uint64_t *ret_idle_ns)
{
	_cleanup_free_ char *data = NULL;
	uint64_t ticks = 0;
	size_t size;
	int err = file_read("/proc/stat", STAT_MAX_BYTES, &data, &size);

	if (!err)
		err = machine_parse_idle(data, size, &ticks);
	if (!err)
		*ret_idle_ns = ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
	return err;
}
