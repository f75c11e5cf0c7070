/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: pages of them, and streams. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api.h"
#include "agent/event_json.h"
#include "agent/store/events.h"
#include "base/log.h"

#define PUMP_EVENTS  64
#define PIECE_EVENTS 500
#define PIECES_MOST  40
#define EVENT_SLACK  64 /* bytes that a stream adds to an event */

/* An open stream. */
struct agent_stream {
	struct agent *agent;
	struct http_stream *stream;
	uint64_t sent_id; /* the newest that it got, or did not want */
	char *kind;       /* NULL: all */
	uint64_t target;  /* 0: all */
};

static void put_one(struct json_out *json, const struct store_event *event)
{
	json_out_begin_object(json, NULL);
	event_put_json(event, json);
	json_out_end_object(json);
}

/* From an event on, oldest first. */
static int put_onwards(struct agent *agent, const struct store_event_query *query,
		       struct json_out *json, uint64_t *ret_next)
{
	struct store_events events;
	int err = store_list_events(agent->store, query, &events);

	if (err)
		return err;
	json_out_begin_array(json, "events");
	for (size_t i = 0; i < events.count; i++)
		put_one(json, &events.items[i]);
	json_out_end_array(json);
	*ret_next = events.next;
	store_events_done(&events);
	return 0;
}

/* Those before @before (and after asked->since), newest first: looked for piece by piece, for kinds may be rare. */
static int put_backwards(struct agent *agent, const struct store_event_query *asked,
			 uint64_t before, struct json_out *json, uint64_t *ret_next)
{
	struct store_event_query query = *asked;
	size_t shown = 0;

	json_out_begin_array(json, "events");
	for (int piece = 0;
	     before > asked->since + 1 && shown < asked->limit && piece < PIECES_MOST; piece++) {
		struct store_events events;
		int err;

		query.since = before - asked->since > PIECE_EVENTS ? before - 1 - PIECE_EVENTS
								   : asked->since;
		query.limit = PIECE_EVENTS;
		err = store_list_events(agent->store, &query, &events);
		if (err)
			return err;
		for (size_t i = events.count; i-- && shown < asked->limit;) {
			if (events.items[i].id >= before)
				continue;
			put_one(json, &events.items[i]);
			before = events.items[i].id;
			shown++;
		}
		if (shown < asked->limit)
			before = query.since + 1;
		store_events_done(&events);
	}
	json_out_end_array(json);
	*ret_next = before > asked->since + 1 ? before : 0;
	return 0;
}

static uint64_t time_of(const struct http_request *request, const char *name)
{
	return http_given(request, name) ? (uint64_t)(http_number(request, name) * 1e9) : 0;
}

/* Which ids lie in the time asked for; both ends within (after @since, up to @last). */
static int bound(const struct agent *agent, struct store_event_query *query, uint64_t *ret_last)
{
	uint64_t first = 1, last = store_last_event_id(agent->store);
	int err = 0;

	if (query->from_ns || query->to_ns)
		err = store_event_bounds(agent->store, query, &first, &last);
	if (err)
		return err;
	if (first && query->since < first - 1)
		query->since = first - 1;
	*ret_last = last;
	return 0;
}

int api_events(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	struct store_event_query query = {
		.since = (uint64_t)http_integer(request, "since"),
		.from_ns = time_of(request, "from"),
		.to_ns = time_of(request, "to"),
		.kind = http_text(request, "kind"),
		.limit = (size_t)http_integer(request, "limit"),
	};
	uint64_t cursor = api_cursor(request), next = 0, last;
	int err;

	if (http_given(request, "target")) {
		query.target = api_find_target(agent, request, false, &target);
		if (!query.target)
			return HTTP_ANSWERED;
	}
	if (http_given(request, "since") && cursor)
		query.since = cursor;
	err = bound(agent, &query, &last);
	if (!err && http_given(request, "since"))
		err = put_onwards(agent, &query, http_json(request), &next);
	else if (!err)
		err = put_backwards(agent, &query, cursor && cursor <= last ? cursor : last + 1,
				    http_json(request), &next);
	if (err)
		return api_answer_errno(request, err, "the events can't be read");
	api_put_cursor(http_json(request), next);
	return http_answer_composed(request, 200);
}

/* False: it does not fit now. */
static bool send_one(struct agent_stream *stream, const struct store_event *event)
{
	_cleanup_(strbuf_done) struct strbuf json = STRBUF_INIT;
	struct http_event sent = {.id = (int64_t)event->id, .name = event->kind};

	event_add_json(event, &json);
	sent.data = json.buf;
	if (json.failed ||
	    http_stream_room(stream->stream) < json.len + strlen(event->kind) + EVENT_SLACK)
		return false;
	return !http_stream_send(stream->stream, &sent);
}

/* As many as fit; those that do not come when there is room again. */
static void pump(struct agent_stream *stream)
{
	struct store_events events = {.next = 1};

	while (events.next) {
		const struct store_event_query query = {
			.since = stream->sent_id,
			.kind = stream->kind,
			.target = stream->target,
			.limit = PUMP_EVENTS,
		};
		bool fits = true;

		if (store_list_events(stream->agent->store, &query, &events))
			return;
		for (size_t i = 0; fits && i < events.count; i++) {
			fits = send_one(stream, &events.items[i]);
			if (fits)
				stream->sent_id = events.items[i].id;
		}
		store_events_done(&events);
		if (!fits)
			return;
	}
}

void streams_pump(struct agent *agent)
{
	for (size_t i = 0; i < agent->streams.count; i++)
		pump(agent->streams.items[i]);
}

static void on_drained(void *user)
{
	pump(user);
}

static void on_closed(void *user)
{
	struct agent_stream *stream = user;
	struct agent *agent = stream->agent;

	for (size_t i = 0; i < agent->streams.count; i++) {
		if (agent->streams.items[i] != stream)
			continue;
		vec_remove_unordered(&agent->streams, i);
		break;
	}
	free(stream->kind);
	free(stream);
}

/* From where the client left off; a new one gets what comes from now on. */
static uint64_t first_id(const struct agent *agent, const struct http_request *request)
{
	int64_t last;

	if (http_last_event_id(request, &last))
		return (uint64_t)last;
	if (http_given(request, "since"))
		return (uint64_t)http_integer(request, "since");
	return store_last_event_id(agent->store);
}

static struct agent_stream *stream_new(struct agent *agent, const struct http_request *request,
				       uint64_t target)
{
	struct agent_stream *stream = calloc(1, sizeof(*stream));
	const char *kind = http_text(request, "kind");

	if (!stream || vec_reserve(&agent->streams, 1)) {
		free(stream);
		return NULL;
	}
	stream->agent = agent;
	stream->target = target;
	stream->sent_id = first_id(agent, request);
	stream->kind = kind ? strdup(kind) : NULL;
	return stream;
}

int api_event_stream(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	struct agent_stream *stream;
	struct http_stream_calls calls = {.closed = on_closed, .drained = on_drained};
	uint64_t id = 0;

	if (http_given(request, "target")) {
		id = api_find_target(agent, request, false, &target);
		if (!id)
			return HTTP_ANSWERED;
	}
	stream = stream_new(agent, request, id);
	if (!stream)
		return api_answer_errno(request, -ENOMEM, "the stream can't begin");
	calls.user = stream;
	if (http_stream_open(request, &calls, &stream->stream)) {
		free(stream->kind);
		free(stream);
		return HTTP_ANSWERED;
	}
	(void)vec_push(&agent->streams, stream);
	pump(stream);
	return HTTP_ANSWERED;
}
