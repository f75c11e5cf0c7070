// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/webhook.h"

#include <string.h>

#include "base/clock.h"
#include "base/sha256.h"

#define GIVE_UP_NS (24 * 3600 * NS_PER_S)

struct webhook {
	struct lane *lane;
	char *secret; /* NULL: unsigned */
	bool query;
	struct message_queue queue;
	struct strbuf url, event, delivery, timestamp, signature; /* of the request on its way */
};

int webhook_sign(struct strbuf *out, const char *secret, uint64_t timestamp_s,
		 const struct message *message)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	uint8_t digest[SHA256_BYTES];
	char hex[SHA256_HEX_LENGTH + 1];

	strbuf_addf(&text, "%llu.", (unsigned long long)timestamp_s);
	if (strbuf_add(&text, message->bytes, message->size))
		return -ENOMEM;
	sha256_hmac(secret, strlen(secret), text.buf, text.len, digest);
	sha256_to_hex(digest, hex);
	return strbuf_addf(out, "sha256=%s", hex);
}

/* A name from elsewhere must not end its header's line. */
static void add_header(struct strbuf *out, const char *name, const char *value)
{
	strbuf_reset(out);
	strbuf_addf(out, "%s: ", name);
	strbuf_add_printable(out, value, strlen(value));
}

static int fill_event(struct webhook *webhook, const struct queued_message *queued,
		      struct http_request *ret)
{
	uint64_t now_s = clock_wall_ns() / NS_PER_S;
	size_t count = 0;

	add_header(&webhook->event, "X-Holdfast-Event", queued->message->name);
	add_header(&webhook->delivery, "X-Holdfast-Delivery", queued->id);
	strbuf_reset(&webhook->timestamp);
	strbuf_addf(&webhook->timestamp, "X-Holdfast-Timestamp: %llu", (unsigned long long)now_s);
	ret->url = lane_url(webhook->lane);
	ret->headers[count++] = "Content-Type: application/json";
	ret->headers[count++] = webhook->event.buf;
	ret->headers[count++] = webhook->delivery.buf;
	ret->headers[count++] = webhook->timestamp.buf;
	if (webhook->secret) {
		strbuf_reset(&webhook->signature);
		strbuf_addstr(&webhook->signature, "X-Holdfast-Signature: ");
		if (webhook_sign(&webhook->signature, webhook->secret, now_s, queued->message))
			return -ENOMEM;
		ret->headers[count] = webhook->signature.buf;
	}
	return webhook->event.failed || webhook->delivery.failed || webhook->timestamp.failed ||
			       webhook->signature.failed
		       ? -ENOMEM
		       : 0;
}

static int fill_profile(struct webhook *webhook, const struct queued_message *queued,
			struct http_request *ret)
{
	strbuf_reset(&webhook->url);
	strbuf_addf(&webhook->url, "%s%s", lane_url(webhook->lane), queued->message->name);
	ret->url = webhook->url.buf;
	ret->headers[0] = "Content-Type: application/octet-stream";
	return webhook->url.failed ? -ENOMEM : 0;
}

static void drop_old(struct webhook *webhook)
{
	uint64_t now = clock_now_ns();

	while (webhook->queue.first && now - webhook->queue.first->message->made_ns > GIVE_UP_NS) {
		message_queue_remove_first(&webhook->queue);
		lane_count_dropped(webhook->lane, 1);
	}
}

static int next_message(void *user, struct http_request *ret)
{
	struct webhook *webhook = user;
	const struct queued_message *queued;
	int err;

	drop_old(webhook);
	queued = webhook->queue.first;
	if (!queued)
		return 0;
	err = webhook->query ? fill_profile(webhook, queued, ret)
			     : fill_event(webhook, queued, ret);
	if (err)
		return err;
	ret->body = queued->message->bytes;
	ret->body_size = queued->message->size;
	webhook->queue.first_is_out = true;
	return 1;
}

static enum lane_outcome message_sent(void *user, enum lane_outcome outcome,
				      const struct http_response *response)
{
	struct webhook *webhook = user;

	(void)response;
	webhook->queue.first_is_out = false;
	if (outcome != LANE_RETRY)
		message_queue_remove_first(&webhook->queue);
	return outcome;
}

static void count_queued(void *user, struct send_stats *ret)
{
	const struct webhook *webhook = user;

	ret->queued = webhook->queue.count;
	ret->queued_bytes = webhook->queue.bytes;
}

static const struct lane_source webhook_source = {
	.next = next_message,
	.done = message_sent,
	.count = count_queued,
};

int webhook_new(struct lane *lane, const char *secret, bool query, struct webhook **ret_webhook)
{
	struct webhook *webhook = calloc(1, sizeof(*webhook));

	if (!webhook)
		return -ENOMEM;
	if (secret) {
		webhook->secret = strdup(secret);
		if (!webhook->secret) {
			free(webhook);
			return -ENOMEM;
		}
	}
	strbuf_init(&webhook->url);
	strbuf_init(&webhook->event);
	strbuf_init(&webhook->delivery);
	strbuf_init(&webhook->timestamp);
	strbuf_init(&webhook->signature);
	webhook->query = query;
	webhook->queue.count_max = SEND_QUEUE_COUNT;
	webhook->queue.bytes_max = SEND_QUEUE_BYTES;
	webhook->lane = lane;
	lane_set_source(lane, &webhook_source, webhook);
	*ret_webhook = webhook;
	return 0;
}

void webhook_free(struct webhook *webhook)
{
	if (!webhook)
		return;
	lane_free(webhook->lane); /* what is on its way borrows from the queue */
	message_queue_done(&webhook->queue);
	strbuf_done(&webhook->url);
	strbuf_done(&webhook->event);
	strbuf_done(&webhook->delivery);
	strbuf_done(&webhook->timestamp);
	strbuf_done(&webhook->signature);
	free(webhook->secret);
	free(webhook);
}

void webhook_add(struct webhook *webhook, struct message *message)
{
	uint64_t lost;

	message_queue_add(&webhook->queue, message, &lost);
	lane_count_dropped(webhook->lane, lost);
	lane_wake(webhook->lane);
}

struct lane *webhook_lane(const struct webhook *webhook)
{
	return webhook->lane;
}

bool webhook_is(const struct webhook *webhook, const char *url, const char *secret)
{
	if (strcmp(lane_url(webhook->lane), url))
		return false;
	return secret && webhook->secret ? !strcmp(secret, webhook->secret)
					 : !secret && !webhook->secret;
}
