/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiling sessions, by the caller's id. Those that ended go after retention.days, or when deleted. */
#ifndef HOLDFAST_AGENT_STORE_SESSIONS_H
#define HOLDFAST_AGENT_STORE_SESSIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct store;

struct store_session {
	const char *session_id; /* STORE_ID_LENGTH (leaks.h) characters, the caller's choice */
	uint64_t target;
	const char *name, *description;
	const char *state;
	const char *detail; /* JSON, the caller's */
	uint64_t start_ns;
	uint64_t end_ns;  /* 0: running */
	uint64_t profile; /* id of its report; 0: none. It is kept as long as the session. */
};

/* Adds it, or replaces the one with its id, as a whole. */
int store_put_session(struct store *store, const struct store_session *session);
/* -ENOENT if there is none. */
int store_delete_session(struct store *store, const char *session_id);

enum store_session_state { STORE_SESSIONS_ALL, STORE_SESSIONS_RUNNING, STORE_SESSIONS_ENDED };

struct store_session_query {
	enum store_session_state state; /* by end_ns */
	uint64_t target;                /* 0: any */
	uint64_t after;                 /* the cursor; 0: from the first */
	size_t limit;
};

struct store_sessions {
	struct store_session *items; /* in the order in which they were first put */
	size_t count;
	uint64_t next; /* @after of the next page; 0: this was the last */
	struct arena arena;
};

int store_list_sessions(struct store *store, const struct store_session_query *query,
			struct store_sessions *ret_sessions);
/* One, as a list of it: -ENOENT if there is none. */
int store_get_session(struct store *store, const char *session_id,
		      struct store_sessions *ret_sessions);
void store_sessions_done(struct store_sessions *sessions);

#endif
