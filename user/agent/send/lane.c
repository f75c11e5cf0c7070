// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/lane.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/random.h"

#define PAUSE_MAX_NS  (300 * NS_PER_S)
#define ASKED_MAX_NS  (3600 * NS_PER_S)
#define REASON_LENGTH 160

struct lane {
	struct loop *loop;
	struct http_client *client;
	const struct lane_source *source;
	void *user;
	struct http_exchange *exchange;
	const char *kind;
	char *url, *place;
	uint64_t retry_ns, timeout_ns;
	int timer_fd;
	uint64_t paused_until_ns, wake_ns; /* monotonic; 0: no */
	uint64_t random;
	bool hurried, given_up;
	uint64_t sent, retried, dropped, failures;
	uint64_t last_error_ns, last_success_ns;
	struct strbuf last_error;
};

uint64_t lane_pause_ns(uint64_t first_ns, uint64_t failures, uint64_t random, uint64_t wait_ns)
{
	uint64_t pause = first_ns;

	for (uint64_t i = 1; i < failures && pause < PAUSE_MAX_NS; i++)
		pause *= 2;
	if (pause > PAUSE_MAX_NS)
		pause = PAUSE_MAX_NS;
	/* many agents that lost the same receiver shall not come back as one */
	pause -= random % (pause / 2 + 1);
	if (wait_ns > ASKED_MAX_NS)
		wait_ns = ASKED_MAX_NS;
	return pause > wait_ns ? pause : wait_ns;
}

static enum lane_outcome outcome_of(const struct http_response *response)
{
	int status = response->status;

	if (status >= 200 && status < 300)
		return LANE_DONE;
	if (!status || status >= 500 || status == 408 || status == 429)
		return LANE_RETRY;
	return LANE_REFUSED;
}

void lane_note_error(struct lane *lane, const char *text)
{
	size_t length = strcspn(text, "\r\n");

	strbuf_reset(&lane->last_error);
	strbuf_add_printable(&lane->last_error, text,
			     length > REASON_LENGTH ? REASON_LENGTH : length);
	lane->last_error_ns = clock_wall_ns();
}

static void note_answer(struct lane *lane, const struct http_response *response)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	if (!response->status) {
		lane_note_error(lane, response->error);
		return;
	}
	strbuf_addf(&text, "answered %d", response->status);
	if (response->status >= 300 && response->status < 400)
		strbuf_addstr(&text, ", a redirect, which is not followed");
	else if (*response->body)
		strbuf_addf(&text, ": %s", response->body);
	lane_note_error(lane, text.buf);
}

/* The timer is for the pause, or else for the next thing that is due. */
static void set_timer(struct lane *lane)
{
	uint64_t now = clock_now_ns(), at = lane->wake_ns;

	if (lane->exchange)
		return;
	if (lane->paused_until_ns)
		at = lane->paused_until_ns;
	loop_set_timer(lane->loop, lane->timer_fd, !at ? 0 : at > now ? at - now : 1, 0);
}

static void fail(struct lane *lane, uint64_t wait_ns)
{
	lane->failures++;
	if (lane->hurried)
		lane->given_up = true;
	lane->paused_until_ns = clock_now_ns() + lane_pause_ns(lane->retry_ns, lane->failures,
							       random_next(&lane->random), wait_ns);
	set_timer(lane);
}

static void count_outcome(struct lane *lane, enum lane_outcome outcome,
			  const struct http_response *response)
{
	if (outcome == LANE_DONE || outcome == LANE_PASSED) {
		if (lane->failures)
			log_info("%s %s: takes what it gets again", lane->kind, lane->place);
		lane->sent += outcome == LANE_DONE;
		lane->failures = 0;
		lane->last_success_ns = clock_wall_ns();
		return;
	}
	note_answer(lane, response);
	if (outcome == LANE_REFUSED) {
		lane->dropped++;
		lane->failures = 0;
		log_warn("%s %s: %s; dropped", lane->kind, lane->place, lane->last_error.buf);
		return;
	}
	lane->retried++;
	if (!lane->failures)
		log_warn("%s %s: %s; tried again", lane->kind, lane->place, lane->last_error.buf);
	fail(lane, response->retry_after_ns);
}

static void on_done(void *user, const struct http_response *response)
{
	struct lane *lane = user;
	enum lane_outcome outcome;

	lane->exchange = NULL;
	outcome = lane->source->done(lane->user, outcome_of(response), response);
	count_outcome(lane, outcome, response);
	lane_wake(lane);
}

void lane_wake(struct lane *lane)
{
	struct http_request request = {.timeout_ns = lane->timeout_ns};
	int err;

	if (lane->exchange || lane->paused_until_ns || lane->given_up)
		return;
	err = lane->source->next(lane->user, &request);
	if (err > 0)
		err = http_client_start(lane->client, &request, on_done, lane, &lane->exchange);
	if (err < 0) {
		lane_note_error(lane, strerrordesc_np(-err) ?: "unknown error");
		fail(lane, 0);
		return;
	}
	set_timer(lane);
}

static int on_timer(void *user, uint32_t expired)
{
	struct lane *lane = user;
	uint64_t now = clock_now_ns();

	(void)expired;
	if (lane->paused_until_ns && lane->paused_until_ns <= now)
		lane->paused_until_ns = 0;
	if (lane->wake_ns && lane->wake_ns <= now)
		lane->wake_ns = 0;
	lane_wake(lane);
	return 0;
}

void lane_wake_at(struct lane *lane, uint64_t time_ns)
{
	lane->wake_ns = time_ns;
	set_timer(lane);
}

bool lane_busy(const struct lane *lane)
{
	return lane->exchange != NULL;
}

void lane_hurry(struct lane *lane)
{
	lane->hurried = true;
	lane->paused_until_ns = 0;
	lane_wake(lane);
}

/* "https://user:secret@host:443/path?token" is at https://host:443 */
static char *place_of(const char *url)
{
	struct strbuf place = STRBUF_INIT;
	const char *host = strstr(url, "://"), *end, *at;

	if (!host)
		return strdup("");
	host += 3;
	strbuf_add(&place, url, (size_t)(host - url));
	end = host + strcspn(host, "/?#");
	at = memrchr(host, '@', (size_t)(end - host));
	if (at)
		host = at + 1;
	strbuf_add(&place, host, (size_t)(end - host));
	return strbuf_detach(&place, NULL);
}

int lane_new(struct loop *loop, struct http_client *client, const struct lane_options *options,
	     struct lane **ret_lane)
{
	_cleanup_(lane_freep) struct lane *lane = calloc(1, sizeof(*lane));
	int err;

	if (!lane)
		return -ENOMEM;
	lane->loop = loop;
	lane->client = client;
	lane->kind = options->kind;
	lane->retry_ns = options->retry_ns;
	lane->timeout_ns = options->timeout_ns;
	lane->timer_fd = -1;
	lane->random = hash_seed_random() | 1;
	strbuf_init(&lane->last_error);
	lane->url = strdup(options->url);
	lane->place = place_of(options->url);
	if (!lane->url || !lane->place)
		return -ENOMEM;
	err = loop_add_timer(loop, NS_PER_S, on_timer, lane, &lane->timer_fd);
	if (!err)
		err = loop_set_timer(loop, lane->timer_fd, 0, 0);
	if (err)
		return err;
	*ret_lane = no_free_ptr(lane);
	return 0;
}

void lane_set_source(struct lane *lane, const struct lane_source *source, void *user)
{
	lane->source = source;
	lane->user = user;
}

void lane_free(struct lane *lane)
{
	if (!lane)
		return;
	http_exchange_cancel(lane->exchange);
	if (lane->timer_fd >= 0)
		loop_remove(lane->loop, lane->timer_fd);
	strbuf_done(&lane->last_error);
	free(lane->url);
	free(lane->place);
	free(lane);
}

void lane_count_dropped(struct lane *lane, uint64_t count)
{
	lane->dropped += count;
}

const char *lane_url(const struct lane *lane)
{
	return lane->url;
}

void lane_stats(const struct lane *lane, struct send_stats *ret)
{
	*ret = (struct send_stats){
		.kind = lane->kind,
		.place = lane->place,
		.sent = lane->sent,
		.retried = lane->retried,
		.dropped = lane->dropped,
		.last_error = lane->last_error.buf,
		.last_error_ns = lane->last_error_ns,
		.last_success_ns = lane->last_success_ns,
		.failures_in_a_row = lane->failures,
	};
	lane->source->count(lane->user, ret);
}
