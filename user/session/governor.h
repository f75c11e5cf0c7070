/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps a session within its budget. As long as every call can be seen for that, all are; else the functions of the
 * allocators are probed in windows only, and rarely made calls at their sites for good.
 *
 *	governor_new(session, &governor)
 *	governor_attached(governor)	after each process: are its calls too many already?
 *	governor_start(governor)	the session's loop is about to run
 *	governor_stop(governor)		before the session detaches
 *
 * Members ask governor_probes_all() before they probe a process's functions, and tell of changes. Main thread.
 */
#ifndef HOLDFAST_SESSION_GOVERNOR_H
#define HOLDFAST_SESSION_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#include "account/heap/watch.h"
#include "base/cleanup.h"

struct session;
struct member;
struct heap_snapshot;
struct governor;

/* 0, or -errno. */
int governor_new(struct session *session, struct governor **ret);
void governor_free(struct governor *governor);
DEFINE_CLEANUP(struct governor *, governor_free);

void governor_attached(struct governor *governor);
int governor_start(struct governor *governor);
void governor_stop(struct governor *governor);

/* Are functions probed for good now? NULL: yes. */
bool governor_probes_all(const struct governor *governor);
/* Was there a time when not all calls were seen? NULL: no. */
bool governor_saw_some(const struct governor *governor);
/* Processes, libraries or allocators came or went. */
void governor_members_changed(struct governor *governor);
void governor_forget_member(struct governor *governor, struct member *member);

/* A look at a heap begins: blocks that it shall look for. Is one wanted now? */
bool governor_allows_look(const struct governor *governor);
int governor_list_watched(struct governor *governor, const struct member *member,
			  struct watched_blocks *ret);
/* And what became of them. */
void governor_take_look(struct governor *governor, struct member *member,
			const struct watched_blocks *watched, const struct heap_snapshot *snapshot);

/* Of this last time (of a patient session up to twenty times as long: its windows are fewer and longer), the cost is held against twice the budget; more ends the session (SESSION_OVER_BUDGET). */
#define GOVERNOR_WATCHDOG_S 5.0

/* What was done and what it cost the target. */
struct governor_facts {
	bool exact; /* now */
	uint64_t windows;
	uint64_t windows_cut; /* of these, closed early for what they cost: bursts */
	double duty;          /* share of the time in which every call was seen */
	double overhead_percent,
		last_overhead_percent; /* of a core, or of all that it keeps busy; since the last call */
	double forecast_percent;       /* what windows and followed calls are planned to take */
	double cores;
	uint64_t hold_ns; /* of the last window */
	uint64_t sites_followed, sites_dropped;
	double allocs_per_second; /* estimated, of the last window or check */
};

void governor_facts(struct governor *governor, uint64_t now_ns, struct governor_facts *ret);

#endif
