/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lane.h - the way to one receiver: one request at a time; after a failure a pause, longer each time; its numbers.
 *
 * A lane asks its source for the next request when it is free, hands the answer back, and asks again. What waits, and
 * where, is the source's business: a queue in memory, alerts that fire, files of a spool.
 *
 * Thread: the loop's.
 */
#ifndef HF_AGENT_SEND_LANE_H
#define HF_AGENT_SEND_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/send/http_client.h"
#include "agent/send/parcel.h"
#include "base/loop.h"

struct lane;

enum lane_outcome {
	LANE_DONE,    /* they have it */
	LANE_PASSED,  /* a question in between went well: nothing of what waits is gone */
	LANE_RETRY,   /* again, after a pause */
	LANE_REFUSED, /* they will not have it */
};

struct lane_source {
	/* Fills in a request that stays valid until `done`: 1. Nothing to send: 0. -errno: tried again after a pause. */
	int (*next)(void *user, struct http_request *ret);
	/*
	 * What became of it. Returns the outcome as it counts: a source that understands the answer's body may know better
	 * than the status does. LANE_REFUSED: what was in it is given up.
	 */
	enum lane_outcome (*done)(void *user, enum lane_outcome outcome,
				  const struct http_response *response);
	/* Fills in queued and queued_bytes. */
	void (*count)(void *user, struct send_stats *ret);
};

struct lane_options {
	const char *kind; /* a literal */
	const char *url;
	uint64_t retry_ns, timeout_ns;
};

/* Copies the options; `source` and `user` outlive the lane. */
int lane_new(struct loop *loop, struct http_client *client, const struct lane_options *options,
	     struct lane **ret_lane);
void lane_free(struct lane *lane);
DEFINE_CLEANUP(struct lane *, lane_free);
void lane_set_source(struct lane *lane, const struct lane_source *source, void *user);

/* There is something to send: now, unless one is on its way or there is a pause. */
void lane_wake(struct lane *lane);
/* There will be, then (monotonic). Each call moves that time. */
void lane_wake_at(struct lane *lane, uint64_t time_ns);
/* A request is on its way. */
bool lane_busy(const struct lane *lane);
/* No pause any more, and after a failure no further try: for the last seconds. */
void lane_hurry(struct lane *lane);

void lane_count_dropped(struct lane *lane, uint64_t count);
void lane_note_error(struct lane *lane, const char *text);
const char *lane_url(const struct lane *lane);
void lane_stats(const struct lane *lane, struct send_stats *ret);

/* The pause after the n-th failure in a row, n > 0; `random` is any number, wait_ns what the answer asked for. */
uint64_t lane_pause_ns(uint64_t first_ns, uint64_t failures, uint64_t random, uint64_t wait_ns);

#endif
