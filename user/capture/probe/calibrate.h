/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures on this machine what a probe hit costs: with programs that do nothing, on a child of ours, in short bursts
 * that take turns, as the child's own CPU time. It takes 30 to 60 ms where traps are cheap; the result
 * is kept in a file (cost_cache.h).
 *
 * What is measured includes our own tracepoints: a return probe comes back by a system call (from 6.11 on), and both of
 * them see it.
 */
#ifndef HOLDFAST_PROBE_CALIBRATE_H
#define HOLDFAST_PROBE_CALIBRATE_H

#include <stdbool.h>

#include "capture/budget/cost.h"
#include "capture/probe/probe.h"

/*
 * @anew: measures even if there are kept figures that hold. While this process has one thread, before any
 * process is added. A figure that this kernel has no way for is that of the next best one. -errno: nothing could
 * be measured; cost_defaults() then serves.
 */
int probe_calibrate(struct probe *probe, bool anew, struct probe_costs *ret);

#endif
