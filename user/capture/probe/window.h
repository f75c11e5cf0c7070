/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A window: the allocator probes of some processes, put in for milliseconds and taken out again.
 *
 *	probe_window_new(probe, &window)
 *	probe_window_add(window, target, set)	for each process
 *	probe_window_run(window, &hold, &times)	on a thread of its own, which it keeps waiting until the probes are gone:
 *						to take them out takes the kernel 35-80 ms
 *	probe_window_end(window)		from any thread: enough seen
 *
 * The probes are gone hold_ns after they came at the latest, whatever becomes of us meanwhile: a process of its own
 * (shield.h) waits for that, so a stopped or a killed holdfast leaves no window open.
 *
 * Needs uprobe_multi; by perf events a close takes 0.1 s a probe.
 */
#ifndef HOLDFAST_PROBE_WINDOW_H
#define HOLDFAST_PROBE_WINDOW_H

#include <stdint.h>

#include "base/cleanup.h"
#include "capture/budget/plan.h"
#include "capture/probe/probe.h"

struct probe_window;

/* 0, -ENOTSUP (no uprobe_multi), -ENOMEM. @probe must outlive it. Main thread, as the next two. */
int probe_window_new(struct probe *probe, struct probe_window **ret);
void probe_window_free(struct probe_window *window);
DEFINE_CLEANUP(struct probe_window *, probe_window_free);
/* The functions of @set in that process. What it needs of both is copied. 0 or -errno. */
int probe_window_add(struct probe_window *window, const struct target *target,
		     const struct allocator_set *set);

/* The functions at these addresses of @module as linked, whose returns tell of objects. As probe_window_add(). */
int probe_window_add_births(struct probe_window *window, int pid, const struct module *module,
			    const uint64_t *functions, size_t count);

struct probe_window_hold {
	uint64_t ns; /* so long at most, */
	uint64_t most_bytes; /* or until so many bytes of events have come: whoever opened it may be too busy to see that */
	int opened_fd; /* an eventfd that gets 1 once the probes are in; -1: none */
};

/* 0 or -errno (-ESRCH: a process is gone): then nothing is left in. */
int probe_window_run(struct probe_window *window, const struct probe_window_hold *hold,
		     struct budget_times *ret);
void probe_window_end(struct probe_window *window);

#endif
