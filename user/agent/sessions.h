/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Profiling sessions: a stretch of a target's life that somebody named. While one runs, its target is traced, if its mode traces at all; several
 * may run at a time. Memory is read at every pass; what was found is told at the end, from a report made then.
 *
 * A session is in the store from its beginning. One that the agent's end (or a kill) interrupts is ended by the next agent, with what is known.
 * Main thread.
 */
#ifndef HOLDFAST_AGENT_SESSIONS_H
#define HOLDFAST_AGENT_SESSIONS_H

#include "agent/agent_internal.h"

#define SESSIONS_MOST     256
#define SESSION_NAME_MOST 256
#define SESSION_WAIT_NS   20000000000ULL /* for the trace to begin, for the last report */

struct agent_session {
	struct agent *agent;
	struct agent_target *target; /* NULL: it is gone */
	char session_id[17];
	uint64_t target_id;
	int pid;
	char *name, *description;
	uint64_t start_ns, start_wall_ns, end_wall_ns;
	uint64_t start_rss_bytes, end_rss_bytes, peak_rss_bytes, samples;
	uint64_t gc_at_start;
	uint64_t profile;
	/* Who waits for it to begin, or to end; until when at most (CLOCK_MONOTONIC). */
	struct http_request *beginning, *ending;
	uint64_t wait_until_ns;
	bool is_ending;
};

/* @request is answered when the target is traced, or it is known that it won't be. 0; -EBUSY: SESSIONS_MOST run; -errno. */
int session_begin(struct agent_target *target, const char *name, const char *description,
		  struct http_request *request);
/* NULL: it does not run. */
struct agent_session *session_find(const struct agent *agent, const char *session_id);
/* @request (may be NULL) is answered when it has ended. -EALREADY: somebody waits for that already. */
int session_stop(struct agent_session *session, struct http_request *request);
/* At every pass. */
void sessions_tick(struct agent *agent, uint64_t now_ns);
/* What an agent before this one left running. */
void sessions_load(struct agent *agent);
void sessions_put_all(struct agent *agent);
/* Ends all, at once. */
void sessions_free(struct agent *agent);
/* The members of its object in the API, as it is now. */
void session_put_json(const struct agent_session *session, struct json_out *json);

#endif
