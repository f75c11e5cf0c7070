/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The target's own time: how much of it is spent in user mode, by timers that look at every CPU. One is slow and always on;
 * the other is fast and on while a window is open. Probes take their time in the kernel, so the two tell by how much a
 * window slows the target down, which a window's counts alone do not.
 *
 * Needs no counter of the CPU, so it works in a VM. Costs 1 us a tick and CPU: 0.1 % all the time, 2 % in windows.
 */
#ifndef HOLDFAST_PROBE_CLOCK_H
#define HOLDFAST_PROBE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/probe/probe.h"

enum probe_clock { PROBE_CLOCK_SLOW, PROBE_CLOCK_FAST };

#define PROBE_CLOCK_SLOW_NS 1370000ULL /* no divisor of what programs do regularly */
#define PROBE_CLOCK_FAST_NS 49300ULL
/* With more CPUs the fast one would cost more than it tells. */
#define PROBE_CLOCK_MAX_CPUS 64

/* Once; the fast one is off. 0; -E2BIG: too many CPUs; or what the kernel says. Main thread. */
int probe_clock_start(struct probe *probe);
/* System calls only; any thread. */
void probe_clock_set_fast(const struct probe *probe, bool on);
/* Ticks that found the process running since it was added, and of these in user mode. */
struct probe_ticks {
	uint64_t all, user;
};

struct probe_ticks probe_clock_ticks(const struct probe *probe, int pid, enum probe_clock which);

#endif
