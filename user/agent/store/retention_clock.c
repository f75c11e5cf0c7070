/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/retention_clock.h"

#include "base/saturate.h"

#define HOUR_NS  UINT64_C(3600000000000)
#define DAY_NS   (24 * HOUR_NS)
#define CATCH_UP 9

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

uint64_t retention_clock_step(struct retention_clock *clock, uint64_t wall_ns,
			      uint64_t monotonic_ns)
{
	uint64_t passed = 0, apart, stride;

	if (clock->monotonic_ns && monotonic_ns > clock->monotonic_ns)
		passed = monotonic_ns - clock->monotonic_ns;
	clock->monotonic_ns = monotonic_ns;
	if (!clock->trusted_ns)
		clock->trusted_ns = wall_ns;
	add_saturating(&clock->trusted_ns, passed);
	apart = distance(wall_ns, clock->trusted_ns);
	if (apart < HOUR_NS)
		clock->apart_ns = 0;
	else
		add_saturating(&clock->apart_ns, passed);
	if (__builtin_mul_overflow(passed, CATCH_UP, &stride) || stride > apart ||
	    clock->apart_ns >= DAY_NS) {
		clock->trusted_ns = wall_ns;
		clock->apart_ns = 0;
	} else if (wall_ns > clock->trusted_ns) {
		clock->trusted_ns += stride;
	} else {
		clock->trusted_ns -= stride;
	}
	return clock->trusted_ns < wall_ns ? clock->trusted_ns : wall_ns;
}
