/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By how much a window slows the target down. Its own work goes on in user mode, our probes take their time in the kernel:
 * so its time in user mode, in windows and at all times, tells (capture/probe/clock.h). At all times that is its CPU
 * time, less what our probes took, and the share of it that timers find in user mode. Pure.
 */
#ifndef HOLDFAST_BUDGET_PACE_H
#define HOLDFAST_BUDGET_PACE_H

/* Since the last window. */
struct budget_ticks {
	double window_ns, window_user_ns, tick_ns; /* in the window, by ticks of that distance */
	double all_ns, own_cpu_ns;                 /* at all times */
	double running, user; /* ticks that found it running, and in user mode */
};

/* Sums over windows, of which older ones count less. */
struct budget_pace {
	double window_ns, window_user_ns, all_ns, own_cpu_ns, running, user;
};

struct budget_progress {
	double share; /* of its usual pace, at most 1 */
	double error; /* its standard deviation, as a part of it */
};

/* 1, if too little was seen to tell that it is less. */
struct budget_progress budget_take_ticks(struct budget_pace *pace,
					 const struct budget_ticks *ticks);

#endif
