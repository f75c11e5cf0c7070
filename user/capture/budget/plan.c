// SPDX-License-Identifier: GPL-2.0-or-later
#include "capture/budget/plan.h"

#include <math.h>

#define JITTER 0.3

double budget_cost_ns(const struct budget_costs *costs, const struct budget_hits *hits)
{
	return costs->alloc_ns * (double)hits->allocs + costs->free_ns * (double)hits->frees +
	       costs->followed_ns * (double)hits->followed +
	       costs->syscall_ns * (double)hits->system_calls +
	       costs->fault_ns * (double)hits->faults + costs->trap_ns * (double)hits->traps +
	       (double)hits->stopped_ns;
}

double budget_allowed_ns(double percent, double cores, uint64_t elapsed_ns)
{
	return percent / 100 * fmax(1, cores) * (double)elapsed_ns;
}

struct budget_span budget_span(const struct budget_times *times, uint64_t first_ns,
			       uint64_t last_ns)
{
	struct budget_span span = {times->opened_ns, times->closing_ns};

	if (first_ns >= times->open_ns && first_ns < times->opened_ns)
		span.from_ns = first_ns;
	if (last_ns > times->closing_ns && last_ns <= times->closed_ns)
		span.until_ns = last_ns;
	return span;
}

static double clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

struct budget_step budget_next(const struct budget_window *last, double share, double debt_ns,
			       uint64_t random, uint64_t period_ns)
{
	double on = fmax(1, (double)last->on_ns);
	double taken = fmax(last->cost_ns / on, 1e-6); /* of the time while it was open */
	/* As long as a period's share pays for. What comes beside the asked time is known from the last one. */
	double hold = clamp(share * (double)period_ns / taken, (double)BUDGET_HOLD_MIN_NS,
			    (double)BUDGET_HOLD_MAX_NS);
	/* What was spent ahead is paid back over a while: a watch without any window would see nothing. */
	double rate = clamp(share - debt_ns / (BUDGET_PAY_BACK * (double)period_ns), share / 3,
			    share * 1.5);
	double gap = last->cost_ns / rate - on;
	double jitter = 1 - JITTER + 2 * JITTER * ((double)(random >> 11) / (double)(1ULL << 53));

	gap = clamp(gap, hold / 4, (double)BUDGET_GAP_MAX_NS);
	return (struct budget_step){.hold_ns = (uint64_t)hold, .gap_ns = (uint64_t)(gap * jitter)};
}
