/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened, in order. Ids only grow and are never given again, also when the events are forgotten (after
 * retention.days) and after a damaged file (as far as its counter can be read, or else by the clock).
 *
 * An event is on disk before its id is given. Where that fails it waits in memory (the last 1,024; listed as the others are)
 * for store_commit(), and store_add_event() succeeds all the same; only then may a kill of the agent lose it.
 */
#ifndef HOLDFAST_AGENT_STORE_EVENTS_H
#define HOLDFAST_AGENT_STORE_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct store;

struct store_event {
	uint64_t id;
	uint64_t time_ns;
	const char *kind;
	const char *severity;
	uint64_t target; /* 0: none; so the two below */
	int32_t pid;
	const char *target_name;
	const char *text;
	const char *detail; /* JSON, the caller's */
};

/* @event->id is not looked at. */
int store_add_event(struct store *store, const struct store_event *event, uint64_t *ret_id);

struct store_event_query {
	uint64_t since;          /* the cursor: ids greater than this */
	uint64_t from_ns, to_ns; /* both included; to_ns 0: to the end */
	const char *kind;        /* NULL: any */
	uint64_t target;         /* 0: any */
	size_t limit;
};

struct store_events {
	struct store_event *items; /* by id, ascending */
	size_t count;
	uint64_t next; /* @since of the next page; 0: this was the last */
	struct arena arena;
};

int store_list_events(struct store *store, const struct store_event_query *query,
		      struct store_events *ret_events);
void store_events_done(struct store_events *events);
/* The least and the greatest id in the query's time, whatever else it asks for; 0: none is. */
int store_event_bounds(struct store *store, const struct store_event_query *query,
		       uint64_t *ret_first, uint64_t *ret_last);
/* The id given last; 0: none yet. */
uint64_t store_last_event_id(const struct store *store);

#endif
