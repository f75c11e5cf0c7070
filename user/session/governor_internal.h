/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the governor's files share. */
#ifndef HOLDFAST_SESSION_GOVERNOR_INTERNAL_H
#define HOLDFAST_SESSION_GOVERNOR_INTERNAL_H

#include "capture/budget/pace.h"
#include "capture/budget/plan.h"
#include "session/governor.h"
#include "session/session_internal.h"
#include "session/window_thread.h"

#define GOVERNOR_CHECK_NS (100 * NS_PER_MS)
/*
 * Where our own time is short, too: while less is spent than may be, four seconds later does, for what fills the ring calls for a
 * check at once. With windows, followed calls and sampled blocks want to be looked at more often.
 */
#define GOVERNOR_CALM_NS      (4 * NS_PER_S)
#define GOVERNOR_CALM_SOME_NS (2 * NS_PER_S)
#define GOVERNOR_BALANCES \
	50 /* GOVERNOR_WATCHDOG_S, in steps of GOVERNOR_CHECK_NS; windows_times() as long */

enum window_phase { WINDOW_IDLE, WINDOW_OPENING, WINDOW_OPEN, WINDOW_CLOSING };

struct governor {
	struct session *session;
	struct budget_costs costs;
	bool exact;
	bool forced;            /* to be so, whatever it costs */
	int check_fd, phase_fd; /* timers; -1: the loop does not run */
	uint64_t check_ns;      /* between two checks */
	/* Spending: since the session began, and since the last check. */
	double spent_ns, allowed_ns, burst_ns, cores;
	double stopped_ns; /* of what was spent: in looks */
	double others_ns,
		other_share; /* what is not spent on windows: since the last check, and evened out */
	uint64_t checked_ns, cpu_ns;
	struct budget_hits hits;            /* at the last check */
	double told_percent, told_spent_ns; /* since the facts were asked for last */
	uint64_t told_ns;
	struct budget_hits extras; /* at the last check */
	uint64_t pauses;           /* of these, probes at collections of garbage */
	double syscall_share, fault_share, pause_share; /* of what is allowed */
	/* At the last checks: a ring. */
	struct governor_balance {
		double spent_ns, allowed_ns;
	} balances[GOVERNOR_BALANCES];
	uint64_t balance_count;
	double balance_ns; /* since the newest of them */
	/* Windows. */
	struct window_thread *thread;
	struct probe_window *window; /* of the members as they are; NULL: to be made */
	enum window_phase phase;
	bool members_changed; /* while it was open */
	bool loop_has_fds;
	struct budget_step step;
	uint64_t opened_ns;
	uint64_t planned_ns; /* it is to be open for so long; 0: until the watch ends */
	uint64_t signed_ns; /* when what the blocks of the open window hold was noted; 0: not yet */
	uint64_t ended_ns;  /* the last one */
	uint64_t windows, seen_ns;
	uint64_t windows_cut; /* closed early, for what they cost */
	uint64_t own_ns; /* of that, what would have been enough for the same work without our probes */
	struct pace pace;
	struct pace_reading mark,
		closing;   /* when the phase began; when an open window began to close */
	unsigned int calm; /* windows in a row that would have allowed to see all */
	double rate;       /* allocations a second, in the last window or check */
	uint64_t random, polled_ns, chosen_ns;
	uint64_t sites_followed, sites_dropped, sites_changes;
};

/* windows.c */
/* So many times as long as BUDGET_PERIOD_NS is it from one to the next, and what belongs to that. */
double windows_times(const struct session *session);
void windows_schedule(struct governor *governor, uint64_t in_ns);
void windows_stop(struct governor *governor);
int windows_begin(struct governor *governor);
void windows_end(struct governor *governor);
/* Between two windows: up to now what the last one showed is true, from now on what the next one will. */
void windows_settle(struct governor *governor);
/* All was seen up to now; what the blocks hold was noted at @known_ns. */
void windows_end_exact(struct governor *governor, uint64_t known_ns, uint64_t now_ns);
/* governor.c: */
/* Counts what hits cost, and that all calls were seen for so long; @slowdown: of the target, by that. */
void governor_saw(struct governor *governor, const struct budget_window *window, double slowdown);
/* Of all processes that run. */
uint64_t governor_cpu_ns(const struct governor *governor);
void governor_see_all(struct governor *governor);

/* survivors.c: blocks whose release nobody may see. */
/* Notes what those hold that came since the last call. */
void survivors_sign(struct governor *governor);
/* And of all that were handed out before lists were kept. */
void survivors_sign_all(struct governor *governor);
/* The same of processes that came: a fork holds its parent's blocks, and nobody sees what it releases before a window. */
void survivors_sign_new(struct governor *governor);
/* The same, but those of the window that came after @signed_ns are let go. */
void survivors_end_window(struct governor *governor, uint64_t signed_ns);
void survivors_poll(struct governor *governor);
void survivors_keep_lists(struct governor *governor, bool on);

#endif
