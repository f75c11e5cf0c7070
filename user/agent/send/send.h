/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * send.h - what leaves the agent by itself: events to webhooks and to the log, alerts to Alertmanagers, samples to
 * ClickHouse, profiles to a Pyroscope.
 *
 *	err = send_new(loop, &options, &set);
 *	err = send_configure(set, &config.agent, &error);	also after each reload
 *	send_event(set, &event);				…
 *	send_free(set);						waits for at most 2 s
 *
 * No call waits for a network: it copies what it is given, and the loop does the rest. Nothing grows without bound:
 * what does not fit drops the oldest, and is counted. Nothing here fails for who calls it while others do not answer;
 * send_stats() tells. Memory: at most SEND_QUEUE_BYTES a receiver, SEND_ROWS_BYTES a table of ClickHouse.
 *
 * A receiver gets one thing at a time, in order. Any 2xx: it has it. No answer within 10 s, 5xx, 408, 429: again, after
 * 1 s, 2 s, … 5 min (each less up to a half, by chance), not before what Retry-After says (an hour at most). Any other
 * answer: it will not have it, which is counted. Redirects are not followed; certificates are verified.
 *
 * Thread: all on the loop's. (libcurl looks up host names in a thread of its own, which touches nothing of ours.)
 */
#ifndef HF_AGENT_SEND_SEND_H
#define HF_AGENT_SEND_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/send/parcel.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "config/agent_config.h"

struct sender_set;

struct send_options {
	const char *spool_path; /* for what waits for ClickHouse; made, 0700, when first needed */
	const char *web_url;    /* of the agent's pages, for links in alerts; NULL: no links */
	uint64_t spool_bytes;   /* at most in it; 0: 128 MiB */
	uint64_t spool_ns;      /* at most between its oldest and its newest batch; 0: an hour */
	uint64_t retry_ns;      /* the first pause; 0: 1 s */
	uint64_t timeout_ns;    /* of a request; 0: 10 s */
	uint64_t alert_ns;      /* a firing alert is sent again after this; 0: a minute */
};

/* Copies the options. Nothing is sent anywhere before send_configure(). 0 or -errno. */
int send_new(struct loop *loop, const struct send_options *options, struct sender_set **ret_set);

/*
 * Receivers as the configuration has them: one that was there before (same URL, secret) keeps its queue and its
 * numbers, one that is gone loses them, a new Alertmanager gets what fires now. All or nothing: on failure (-errno with
 * `err` set: the spool's folder cannot be used, or is another agent's) all is as before. Copies what it needs.
 */
int send_configure(struct sender_set *set, const struct agent_config *config, struct hf_error *err);

/*
 * Tries for at most 2 s to send what waits. What waits for ClickHouse after that stays in the spool; the rest is lost.
 * Not from a handler of the loop. NULL is fine.
 */
void send_free(struct sender_set *set);
DEFINE_CLEANUP(struct sender_set *, send_free);

/*
 * To every webhook, as POST of event->json (Content-Type: application/json) with
 *	X-Holdfast-Event: LeakDetected
 *	X-Holdfast-Delivery: 32 hex digits, the same whenever it is tried again, other for each receiver
 *	X-Holdfast-Timestamp: seconds since 1970, of this attempt
 *	X-Holdfast-Signature: sha256=HEX, where there is a secret: HMAC-SHA-256(secret, timestamp "." body)
 * It gives up after 24 h. And a line in the log (component `event`; info, warn or error by severity).
 */
void send_event(struct sender_set *set, const struct send_event *event);

/*
 * To every Alertmanager (API v2), with service, host and the fleet's labels: at once, and every minute while it fires;
 * once more with its end. Each is told to forget a firing one that it has not heard of for 4 minutes. At most
 * SEND_QUEUE_COUNT are kept, those that have ended go first.
 */
void send_alert(struct sender_set *set, const struct send_alert *alert);

/*
 * Rows for ClickHouse (schema.h); nothing where none is configured. They go into the spool as one batch per table every
 * fleet.interval, or once there are 5,000 or SEND_ROWS_BYTES of them; up to then they live in memory, from then on they
 * survive kill -9 and power cuts. Batches leave in order. One that may have arrived is sent again: the tables make one
 * of equal rows.
 */
void send_add_sample(struct sender_set *set, const struct send_target *target,
		     const struct send_sample *sample);
void send_add_sites(struct sender_set *set, const struct send_target *target, uint64_t time_ns,
		    const struct send_site *sites, size_t count);

/* POST /ingest?name=SERVICE{host=…,pid=…,version=…}&from=&until=&format=pprof; nothing where none is configured. */
void send_profile(struct sender_set *set, const struct send_target *target,
		  const struct send_profile *profile);

size_t send_receiver_count(const struct sender_set *set);
/* @index below the count; in the configuration's order. */
void send_stats(const struct sender_set *set, size_t index, struct send_stats *ret);

#endif
