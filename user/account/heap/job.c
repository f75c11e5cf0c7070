// SPDX-License-Identifier: GPL-2.0-or-later
/* A scan is the work of a short-lived process of ours. */
#include "account/heap/heap.h"
#include "account/heap/scan.h"
#include "account/heap/snapshot.h"
#include "account/heap/worker.h"

static int run(const void *options, _Atomic uint64_t *stop_began_ns, int fd)
{
	return heap_scan_work(options, stop_began_ns, fd);
}

static int take(int fd, void *user)
{
	return heap_snapshot_unpack(fd, user);
}

int heap_scan_start(const struct heap_scan_options *options, struct heap_worker **ret)
{
	const struct heap_work work = {run, options, options->max_stop_ns};

	return heap_worker_start(&work, ret);
}

int heap_scan_finish(struct heap_worker *scan, struct heap_snapshot **ret)
{
	uint64_t cpu_ns;
	int err = heap_worker_finish(scan, take, ret, &cpu_ns);

	if (!err)
		(*ret)->work_ns = cpu_ns;
	return err;
}
