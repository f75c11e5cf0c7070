/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fleet_query.h - what grows in the fleet: asks ClickHouse (schema.h). Blocks; for the command line, not for the agent.
 *
 * Growth is the slope of a least-squares line through each series (one stack of one process), times how long the
 * process was there, over the window: bytes per second that the fleet grew by on average. What ended processes gave
 * back does not count, so a leak is not hidden by restarts. Times and rates are SI: seconds, bytes per second.
 */
#ifndef HF_AGENT_SEND_FLEET_QUERY_H
#define HF_AGENT_SEND_FLEET_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct fleet_question {
	const char *url;     /* of ClickHouse, may carry user and password */
	const char *service; /* NULL: all */
	uint64_t window_ns;
	uint64_t now_ns; /* wall time; the window ends here */
};

struct fleet_stack {
	uint64_t id;
	char *function, *line;         /* never NULL; "" where nobody told */
	double growth, growth_low;     /* lower bound: two standard errors below */
	uint64_t bytes, process_count; /* of those that are there now; that had it in the window */
};

struct fleet_version {
	char *version; /* never NULL, may be "" */
	uint64_t first_seen_s, process_count;
	double process_growth,
		process_growth_low; /* of one process while it is there, of the fastest stack */
	bool grows;
};

VEC_STRUCT(fleet_stack_vec, struct fleet_stack);
VEC_STRUCT(fleet_version_vec, struct fleet_version);

struct fleet_service {
	char *name;
	double growth, growth_low, growth_high;
	double process_growth; /* the same per process */
	bool grows; /* growth_low > 0, and by a hundredth of what it holds in the window */
	uint64_t bytes, process_count, host_count;
	struct fleet_stack_vec stacks;     /* those that grow, fastest first; a few */
	struct fleet_version_vec versions; /* by first appearance, up to 30 days back */
	/* Into versions: the first of those that grow without one in between that does not; -1: none grows. */
	int since;
};

VEC_STRUCT(fleet_service_vec, struct fleet_service);

struct fleet_answer {
	struct fleet_service_vec
		services;        /* fastest first; those that grow, or the one that was named */
	uint64_t slope_query_ns; /* how long the question for all of them took */
};

/* HF_E_NOFILE: nobody answers there, or has such tables; HF_E_BADFILE: that is no answer. */
int fleet_ask(const struct fleet_question *question, struct fleet_answer *ret,
	      struct hf_error *err);
void fleet_answer_done(struct fleet_answer *answer);

#endif
