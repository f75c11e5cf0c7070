/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much more slowly a target gets on while a window is open: probes that keep it busy leave it less time for its own
 * work, and then what fell into windows stands for more than their share of the time.
 *
 * Two clocks tell, each from what was read outside of windows and inside:
 *   its own work	its CPU time less what the probes took; with little left of it, an error in what a probe takes counts
 *			for much. Where it uses twice as much CPU inside, but no whole core, it has time to spare, and is not slowed down;
 *   its system calls	(those that read and write, which the kernel counts for everyone): free of that error, if there are
 *			enough of them.
 * They are joined by their errors (inverse variance), and it can't be more than what the probes take of the time would do to
 * one thread for which all others wait. What lies back counts less and less. Pure.
 */
#ifndef HOLDFAST_BUDGET_PACE_H
#define HOLDFAST_BUDGET_PACE_H

#include <stdint.h>

/* Of all processes of a session, since they began. */
struct pace_reading {
	uint64_t time_ns, cpu_ns, calls;
};

/* So much in so long, summed up over pieces of time, and how much the pieces differ. */
struct pace_rate {
	double sum, square, cross, time, time_square, pieces;
};

struct pace {
	struct pace_rate outside_calls, inside_calls, outside_cpu, inside_cpu;
	double cost_ns; /* of inside_cpu */
};

/* No window was open from @from to @until. */
void pace_outside(struct pace *pace, const struct pace_reading *from,
		  const struct pace_reading *until);
/* One was, all the time; @cost_ns: what its probes took. */
void pace_inside(struct pace *pace, const struct pace_reading *from,
		 const struct pace_reading *until, double cost_ns);

struct pace_slowdown {
	double factor; /* 1: none */
	double error; /* standard deviation, as a part of it; above 1: the order of magnitude is open */
};

struct pace_slowdown pace_slowdown(const struct pace *pace);

#endif
