/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a target is to be traced now: by its mode, by how it grows, by what was found the last time. Pure.
 *
 *	state		of one target, kept between decisions; zeroed at first
 *	signs		what is known now
 *	trace_wanted()	how urgent it is: TRACE_NO, or the higher the more
 *	trace_ended()	a trace is over: when may the next one begin?
 *	trace_fits()	may there be one more at the same time, by what all take?
 *
 * A trace that found nothing is repeated after longer and longer pauses, unless the growth got much faster; one that found a leak is repeated
 * after TRACE_LEAK_PAUSE intervals, to tell how it goes on.
 */
#ifndef HOLDFAST_AGENT_TRACE_PLAN_H
#define HOLDFAST_AGENT_TRACE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/agent_config.h"

#define TRACE_PAUSE_FIRST  2 /* intervals of leak detection */
#define TRACE_PAUSE_MOST   64
#define TRACE_LEAK_PAUSE   8
#define TRACE_GROWTH_LEAST 1024.0 /* bytes per second: less is no growth that anybody waits for */
#define TRACE_FASTER       2.0    /* growth so many times as fast ends a pause */

struct trace_state {
	uint64_t not_before_ns;         /* CLOCK_MONOTONIC */
	unsigned int pauses;            /* intervals that the last pause was long */
	double growth_bytes_per_second; /* when it was traced last */
	uint64_t failed_until_ns;       /* it could not be traced */
	uint64_t asked_until_ns;        /* somebody asked for it; 0: nobody */
};

struct trace_signs {
	enum agent_when when;
	bool growing;    /* the growth's interval lies above 0, over the growth window */
	bool persistent; /* and over three of them */
	bool suspected;  /* it may grow, or a threshold is crossed */
	bool session;    /* a profiling session runs on it */
	double growth_bytes_per_second;
	uint64_t now_ns;
};

/* TRACE_ASKED: a session, or somebody asked. */
enum { TRACE_NO, TRACE_MAYBE_GROWING, TRACE_GROWING, TRACE_ALWAYS, TRACE_ASKED };

/*
 * Memory, as PSS: what is shared with others counts by parts, so sums are true. A trace is a process of its own; it takes
 * TRACE_JOB_BYTES, unless it has told that it takes other, and some TRACE_REPORT_BYTES more while it looks up names for
 * a report, which they do one after the other.
 */
#define TRACE_JOB_BYTES    ((uint64_t)2560 << 10)
#define TRACE_REPORT_BYTES ((uint64_t)6 << 20)
#define TRACES_MOST        48 /* whatever they take: the broker has BROKER_JOBS_MAX */
/*
 * Of traces for growth, which end once they are sure: all share one budget, and a few with enough of it are sure of one after
 * the other sooner than twenty are of all.
 */
#define TRACES_GROWING_MOST 4

struct trace_memory {
	uint64_t most_bytes; /* config.own_memory_bytes */
	uint64_t own_bytes;  /* of agent and broker */
	uint64_t told_bytes; /* of the jobs that have told, as a sum */
	size_t told, jobs;   /* so many have; so many there are */
	size_t growing;      /* traces for growth, of these */
};

/* Of all now. */
uint64_t trace_memory_bytes(const struct trace_memory *memory);
/* One more? The first always may: an agent that traces nothing is of no use. */
bool trace_fits(const struct trace_memory *memory);
/* One more as urgent as this? */
bool trace_may_begin(const struct trace_memory *memory, int wanted);
/* It is too much by now: one should end. */
bool trace_overflows(const struct trace_memory *memory);

int trace_wanted(const struct trace_state *state, const struct trace_signs *signs);
void trace_ended(struct trace_state *state, const struct trace_signs *signs, bool found_leak,
		 uint64_t interval_ns);

#endif
