// SPDX-License-Identifier: GPL-2.0-or-later
/* A look is the work of a short-lived process of ours. */
#include "account/pyheap/look.h"
#include "account/pyheap/pyheap.h"
#include "account/pyheap/snapshot.h"

static int run(const void *options, _Atomic uint64_t *stop_began_ns, int fd)
{
	return pyheap_look(options, stop_began_ns, fd);
}

static int take(int fd, void *user)
{
	return pyheap_snapshot_unpack(fd, user);
}

int pyheap_start(const struct pyheap_options *options, struct heap_worker **ret)
{
	const struct heap_work work = {run, options, options->max_stop_ns};

	return heap_worker_start(&work, ret);
}

int pyheap_finish(struct heap_worker *worker, struct pyheap_snapshot **ret)
{
	uint64_t cpu_ns;
	int err = heap_worker_finish(worker, take, ret, &cpu_ns);

	if (!err)
		(*ret)->work_ns = cpu_ns;
	return err;
}
