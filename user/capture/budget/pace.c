// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/budget/pace.h"

#include <math.h>

#define FORGET      0.95 /* what was seen a window earlier counts so much */
#define TICKS_TELL  20
#define SHARE_LEAST 0.005
#define SIGMAS      2 /* a difference of less is none */

static void add(double *sum, double value)
{
	*sum = *sum * FORGET + value;
}

static double share_of(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

struct budget_progress budget_take_ticks(struct budget_pace *p, const struct budget_ticks *ticks)
{
	struct budget_progress all = {.share = 1}, told;
	double usual, expected, in_user;

	add(&p->window_ns, ticks->window_ns);
	add(&p->window_user_ns, ticks->window_user_ns);
	add(&p->all_ns, ticks->all_ns);
	add(&p->own_cpu_ns, fmax(0, ticks->own_cpu_ns));
	add(&p->running, ticks->running);
	add(&p->user, ticks->user);
	/* Hardly ever seen running: then all of it is taken to be its own work. */
	in_user = p->running >= TICKS_TELL ? share_of(p->user, p->running) : 1;
	usual = share_of(p->own_cpu_ns, p->all_ns) * in_user;
	expected = usual * p->window_ns / ticks->tick_ns;
	if (usual <= 0 || expected < TICKS_TELL)
		return all;
	told.share = fmax(SHARE_LEAST, share_of(p->window_user_ns, p->window_ns) / usual);
	told.error = sqrt(1 / fmax(1, p->window_user_ns / ticks->tick_ns) +
			  (1 - in_user) / fmax(1, in_user * p->running));
	if (told.share + SIGMAS * told.error * told.share >= 1)
		return all;
	return told;
}
