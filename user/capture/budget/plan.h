/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How to stay within the budget: what the target's calls would cost if all were seen, and how much of the time may be
 * looked at if that is too much.
 *
 * A budget is a share of the time that the target runs: of one core, or of as many as it keeps busy. Costs are what a
 * hit takes from the target (calibrated on this machine) times how many there were. Pure.
 */
#ifndef HOLDFAST_BUDGET_PLAN_H
#define HOLDFAST_BUDGET_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct budget_costs {       /* ns, of the target's time */
	double alloc_ns;    /* a call of malloc and the like, entry and return, with its stack */
	double free_ns;     /* a call of free */
	double followed_ns; /* a call that is followed at its site: at the call and behind it */
	double syscall_ns;  /* a system call that our tracepoints let pass */
	double fault_ns;    /* a page fault, with its stack */
	double trap_ns;     /* a probe that only counts, or takes the time */
};

struct budget_hits {
	uint64_t allocs, frees, followed, system_calls, faults, traps;
	uint64_t stopped_ns; /* in looks at the heap */
};

double budget_cost_ns(const struct budget_costs *costs, const struct budget_hits *hits);

/* The target's time that may be taken, in ns, of @elapsed_ns in which it kept @cores busy. */
double budget_allowed_ns(double percent, double cores, uint64_t elapsed_ns);

/* Lets short bursts pass: so much of what is allowed may be spent ahead. */
#define BUDGET_BURST_NS 250000000ULL
/* Every call is seen again once that would take no more than this share of what is allowed, and this often in a row. */
#define BUDGET_EXACT_SHARE   0.6
#define BUDGET_EXACT_WINDOWS 4
/* The rest is for what is not reckoned: caches and branch tables that a trap leaves cold. */
#define BUDGET_MARGIN 0.85
/* Calls that are followed at their sites may take this share of what is allowed. */
#define BUDGET_FOLLOWED_SHARE 0.5
/* Where watching mappings, or page faults, takes more of it than this, it is given up. */
#define BUDGET_EXTRA_SHARE 0.2
/* Windows get at least so much of what is allowed, whatever else is spent. */
#define BUDGET_WINDOWS_LEAST 0.25

/* What the last window was like. */
struct budget_window {
	uint64_t on_ns; /* its probes were in for so long */
	double cost_ns; /* and took so much */
};

/* When its probes came and went; CLOCK_MONOTONIC. */
struct budget_times {
	uint64_t open_ns;    /* the first is about to be put in */
	uint64_t opened_ns;  /* all are in */
	uint64_t closing_ns; /* the first is about to be taken out */
	uint64_t closed_ns;  /* all are gone */
};

struct budget_span {
	uint64_t from_ns, until_ns;
};

/*
 * From when to when they were in: from opened to closing, and as long before and after as there were events, from @first_ns
 * to @last_ns (0: none). Never from the first event to the last: a program that works at the ticks of a clock may have all
 * of them in one millisecond.
 */
struct budget_span budget_span(const struct budget_times *times, uint64_t first_ns,
			       uint64_t last_ns);

struct budget_step {
	uint64_t hold_ns; /* how long the next is to be open */
	uint64_t gap_ns;  /* from the end of the last one to its opening */
};

/* The shortest window that is worth its opening, and the longest. */
#define BUDGET_HOLD_MIN_NS 6000000ULL
#define BUDGET_HOLD_MAX_NS 400000000ULL
/* A window is opened about so often, if its cost allows, unless the caller's own work for it forbids that. */
#define BUDGET_PERIOD_NS  800000000ULL
#define BUDGET_GAP_MAX_NS 20000000000ULL
/* What was spent beyond what is allowed, or not spent, is made up for in so many periods. */
#define BUDGET_PAY_BACK 3.75

/*
 * @period_ns: BUDGET_PERIOD_NS, or longer. @share: of the time that windows may take (0.01). @debt_ns: what was spent beyond that so far, or less than 0.
 * @random: evenly drawn: windows at regular times would see a regular program always at the same work.
 */
struct budget_step budget_next(const struct budget_window *last, double share, double debt_ns,
			       uint64_t random, uint64_t period_ns);

#endif
