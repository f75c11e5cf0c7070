// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/pylook.h"

#include <errno.h>
#include <string.h>

void pylook_done(struct pylook *look)
{
	heap_worker_cancel(look->worker);
	if (look->first != look->newest)
		pyheap_snapshot_free(look->first);
	pyheap_snapshot_free(look->newest);
	*look = (struct pylook){0};
}

int pylook_start(struct pylook *look, const struct pyheap_options *options)
{
	look->error = pyheap_start(options, &look->worker);
	return look->error;
}

void pylook_finish(struct pylook *look)
{
	struct pyheap_snapshot *snapshot = NULL, *old = look->newest;

	look->error = pyheap_finish(look->worker, &snapshot);
	look->worker = NULL;
	if (look->error)
		return;
	look->looks++;
	look->stop_ns_total += snapshot->stop_ns;
	if (snapshot->stop_ns > look->stop_ns_max)
		look->stop_ns_max = snapshot->stop_ns;
	look->newest = snapshot;
	if (!look->first)
		look->first = snapshot;
	if (old && old != look->first)
		pyheap_snapshot_free(old);
}

const char *pylook_error_text(int error)
{
	switch (error) {
	case -ESRCH:
		return "it ended";
	case -EPERM:
		return "it is traced by another program, or not ours to trace";
	case -EAGAIN:
		return "whenever it was looked at, its garbage collector was at work";
	case -ETIMEDOUT:
		return "a thread of it could not be stopped";
	case -EUCLEAN:
		return "its lists of objects contradict themselves";
	case -ECANCELED:
		return "the stop took too long";
	case -ENOSPC:
		return "it holds more than --memory allows to copy";
	default:
		return strerror(-error);
	}
}
