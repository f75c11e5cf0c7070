/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * webhook.h - messages to one URL: events with a signature, profiles with their name in the query.
 *
 * Thread: the loop's.
 */
#ifndef HF_AGENT_SEND_WEBHOOK_H
#define HF_AGENT_SEND_WEBHOOK_H

#include <stdbool.h>

#include "agent/send/lane.h"
#include "agent/send/message.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

struct webhook;

/*
 * Takes the lane over when it succeeds. With `query` a message's name is what is added to the URL, and nothing is
 * signed.
 */
int webhook_new(struct lane *lane, const char *secret, bool query, struct webhook **ret_webhook);
void webhook_free(struct webhook *webhook);
DEFINE_CLEANUP(struct webhook *, webhook_free);

void webhook_add(struct webhook *webhook, struct message *message);
struct lane *webhook_lane(const struct webhook *webhook);
bool webhook_is(const struct webhook *webhook, const char *url, const char *secret);

/* "sha256=" and 64 digits: HMAC-SHA-256(secret, timestamp "." body). 0 or -ENOMEM. */
int webhook_sign(struct strbuf *out, const char *secret, uint64_t timestamp_s,
		 const struct message *message);

#endif
