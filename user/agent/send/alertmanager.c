// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/alertmanager.h"

#include <string.h>

#include "base/clock.h"
#include "base/vec.h"

#define ALERTS_PER_POST 64
/* Prometheus, too, lets an alert live for four times the interval in which it is repeated. */
#define LIVES_INTERVALS 4

struct entry {
	struct alert *alert;
	uint64_t due_ns; /* monotonic */
	bool out;        /* being sent; a newer one that comes meanwhile is not */
};

struct alertmanager {
	struct lane *lane;
	uint64_t resend_ns;
	VEC(struct entry) entries;
	char *url;
	struct strbuf body;
};

static void remove_entry(struct alertmanager *manager, size_t i)
{
	struct entry *entries = manager->entries.items;

	alert_release(entries[i].alert);
	manager->entries.count--;
	memmove(entries + i, entries + i + 1, (manager->entries.count - i) * sizeof(*entries));
}

static int next_post(void *user, struct http_request *ret)
{
	struct alertmanager *manager = user;
	uint64_t now = clock_now_ns(), next = 0;
	uint64_t expires = clock_wall_ns() + LIVES_INTERVALS * manager->resend_ns;
	size_t count = 0;

	strbuf_reset(&manager->body);
	strbuf_addch(&manager->body, '[');
	for (size_t i = 0; i < manager->entries.count; i++) {
		struct entry *entry = &manager->entries.items[i];

		entry->out = entry->due_ns <= now && count < ALERTS_PER_POST;
		if (!entry->out) {
			if (!next || entry->due_ns < next)
				next = entry->due_ns;
			continue;
		}
		strbuf_addstr(&manager->body, count++ ? "," : "");
		alert_add_json(&manager->body, entry->alert, expires);
	}
	if (!count && next)
		lane_wake_at(manager->lane, next);
	if (!count)
		return 0;
	strbuf_addch(&manager->body, ']');
	ret->url = manager->url;
	ret->headers[0] = "Content-Type: application/json";
	ret->body = manager->body.buf;
	ret->body_size = manager->body.len;
	return manager->body.failed ? -ENOMEM : 1;
}

/* What it refuses today it may take in a minute, from a newer configuration; an end that is refused is let go. */
static enum lane_outcome post_sent(void *user, enum lane_outcome outcome,
				   const struct http_response *response)
{
	struct alertmanager *manager = user;
	uint64_t now = clock_now_ns();

	(void)response;
	for (size_t i = manager->entries.count; i--;) {
		struct entry *entry = &manager->entries.items[i];

		if (!entry->out)
			continue;
		entry->out = false;
		if (outcome == LANE_RETRY)
			continue;
		if (entry->alert->ends_ns)
			remove_entry(manager, i);
		else
			entry->due_ns = now + manager->resend_ns;
	}
	return outcome;
}

static void count_waiting(void *user, struct send_stats *ret)
{
	const struct alertmanager *manager = user;
	uint64_t now = clock_now_ns();

	for (size_t i = 0; i < manager->entries.count; i++) {
		const struct entry *entry = &manager->entries.items[i];

		if (entry->due_ns > now)
			continue;
		ret->queued++;
		ret->queued_bytes +=
			strlen(entry->alert->labels) + strlen(entry->alert->annotations);
	}
}

static const struct lane_source alert_source = {
	.next = next_post,
	.done = post_sent,
	.count = count_waiting,
};

int alertmanager_new(struct lane *lane, uint64_t resend_ns, struct alertmanager **ret_manager)
{
	_cleanup_(strbuf_done) struct strbuf url = STRBUF_INIT;
	struct alertmanager *manager = calloc(1, sizeof(*manager));
	size_t length = strlen(lane_url(lane));

	if (!manager)
		return -ENOMEM;
	while (length && lane_url(lane)[length - 1] == '/')
		length--;
	strbuf_add(&url, lane_url(lane), length);
	strbuf_addstr(&url, "/api/v2/alerts");
	manager->url = strbuf_detach(&url, NULL);
	if (!manager->url) {
		free(manager);
		return -ENOMEM;
	}
	manager->resend_ns = resend_ns;
	strbuf_init(&manager->body);
	manager->lane = lane;
	lane_set_source(lane, &alert_source, manager);
	*ret_manager = manager;
	return 0;
}

void alertmanager_free(struct alertmanager *manager)
{
	if (!manager)
		return;
	lane_free(manager->lane);
	while (manager->entries.count)
		remove_entry(manager, manager->entries.count - 1);
	vec_done(&manager->entries);
	strbuf_done(&manager->body);
	free(manager->url);
	free(manager);
}

/* The oldest that has ended, or else the oldest. */
static void make_room(struct alertmanager *manager)
{
	size_t victim = 0;

	if (manager->entries.count < SEND_QUEUE_COUNT)
		return;
	for (size_t i = 0; i < manager->entries.count; i++) {
		if (manager->entries.items[i].alert->ends_ns) {
			victim = i;
			break;
		}
	}
	remove_entry(manager, victim);
	lane_count_dropped(manager->lane, 1);
}

void alertmanager_add(struct alertmanager *manager, struct alert *alert)
{
	struct entry added = {.alert = alert, .due_ns = clock_now_ns()};

	for (size_t i = 0; i < manager->entries.count; i++) {
		if (!alert_is_same(manager->entries.items[i].alert, alert))
			continue;
		alert->users++;
		alert_release(manager->entries.items[i].alert);
		manager->entries.items[i] = added;
		lane_wake(manager->lane);
		return;
	}
	make_room(manager);
	if (vec_push(&manager->entries, added)) {
		lane_count_dropped(manager->lane, 1);
		return;
	}
	alert->users++;
	lane_wake(manager->lane);
}

struct lane *alertmanager_lane(const struct alertmanager *manager)
{
	return manager->lane;
}
