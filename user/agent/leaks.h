/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The leaks that were found, of all targets, running or not. In memory: those that are active, and cleared ones that may come back; the store has all.
 *
 * A finding of a report becomes a leak if it is leaking, growing, or at least LEAK_LOST_LEAST blocks of it are lost: what is only watched is none. What was lost
 * before a trace began, of which nobody knows the stack, is one only once the verdict is firm, and if its process has none with a stack.
 * The same site (or type) of the same program in the same process is the same leak. A cleared one comes back only with new evidence: more was lost,
 * or it grew on, after it was cleared. Main thread.
 */
#ifndef HOLDFAST_AGENT_LEAKS_H
#define HOLDFAST_AGENT_LEAKS_H

#include "agent/agent_internal.h"

#define LEAK_LOST_LEAST 8
#define LEAK_RECENT     12   /* reports that its present rate is told from */
#define LEAKS_MOST      2000 /* in memory; those least recently seen go */

struct agent_leak {
	char leak_id[17];
	uint64_t target;
	char *key, *component, *detail; /* detail: a JSON object, see leak_detail.h */
	enum verdict_state state;
	bool active;
	double growth_bytes_per_second, growth_low, growth_high, confidence;
	uint64_t outstanding_bytes, lost_count;
	uint64_t first_seen_ns, last_seen_ns, cleared_ns; /* wall */
	uint64_t profile;
	/* What was there when it was cleared: by the same job, which counts from its beginning; without a stack, from the process's. */
	pid_t job;
	bool has_stack;
	uint64_t cleared_bytes, cleared_lost;
	uint64_t lost_before; /* that jobs before this one told */
	/* What this job's newest reports said, oldest first: see recent_growth() in leaks.c. */
	struct {
		uint64_t time_ns[LEAK_RECENT];
		double bytes[LEAK_RECENT];
		size_t count;
	} recent;
};

void leaks_take(struct agent_job *job, const struct report *report, uint64_t wall_ns);
/* What is active in the store, at the start, and what was cleared of targets that run on. */
void leaks_load(struct agent *agent);
/* @leak_id NULL: all (of @target, if it is not 0). How many. */
size_t leaks_clear(struct agent *agent, const char *leak_id, uint64_t target);
/* To those who are told of what fires, at the start. */
void leaks_announce(const struct agent *agent);
/* All again, into a store that was begun anew. */
void leaks_put_all(struct agent *agent);
void leaks_free(struct agent *agent);

#endif
