/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time by which things grow old: wall time, mistrusted. Pure.
 *
 * The clock goes on with the monotonic one. Where the wall clock is elsewhere, it follows: at most nine times as fast as time
 * passes (a night's sleep of the machine is made up for in an hour), and at once when the wall clock has been an hour or
 * more away from it for a day in all. The time given is never ahead of the wall clock.
 */
#ifndef HOLDFAST_AGENT_STORE_RETENTION_CLOCK_H
#define HOLDFAST_AGENT_STORE_RETENTION_CLOCK_H

#include <stdint.h>

struct retention_clock {
	uint64_t trusted_ns; /* kept over restarts; 0: none yet, the first wall time is believed */
	uint64_t apart_ns;   /* how long the wall clock has been away; kept over restarts */
	uint64_t monotonic_ns; /* of the last step; 0: none yet */
};

/* The time, after a step to @wall_ns and @monotonic_ns. */
uint64_t retention_clock_step(struct retention_clock *clock, uint64_t wall_ns,
			      uint64_t monotonic_ns);

#endif
