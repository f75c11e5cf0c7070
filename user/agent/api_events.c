/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: pages of them, and streams. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/api.h"
#include "agent/event_json.h"
#include "agent/store/events.h"
#include "base/log.h"

#define PUMP_EVENTS 64
#define EVENT_SLACK 64 /* bytes that a stream adds to an event */

/* An open stream. */
struct agent_stream {
	struct agent *agent;
	struct http_stream *stream;
	uint64_t sent_id; /* the newest that it got, or did not want */
	char *kind;       /* NULL: all */
	uint64_t target;  /* 0: all */
};

int api_events(struct http_request *request, void *user)
{
	struct agent *agent = user;
	struct agent_target *target;
	struct store_event_query query = {
		.since = (uint64_t)http_integer(request, "since"),
		.kind = http_text(request, "kind"),
		.limit = (size_t)http_integer(request, "limit"),
	};
	struct store_events events;
	struct json_out *json;
	int err;

	if (api_cursor(request))
		query.since = api_cursor(request);
	if (http_given(request, "target")) {
		query.target = api_find_target(agent, request, false, &target);
		if (!query.target)
			return HTTP_ANSWERED;
	}
	err = store_list_events(agent->store, &query, &events);
	if (err)
		return api_answer_errno(request, err, "the events can't be read");
	json = http_json(request);
	json_out_begin_array(json, "events");
	for (size_t i = 0; i < events.count; i++) {
		json_out_begin_object(json, NULL);
		event_put_json(&events.items[i], json);
		json_out_end_object(json);
	}
	json_out_end_array(json);
	api_put_cursor(json, events.next);
	store_events_done(&events);
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
