/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "agent/http/http_internal.h"
#include "base/clock.h"

#define BLOCK_BYTES 4096 /* asked of the reader at a time */
#define KEPT_BYTES  8192 /* of an empty queue's memory */

static size_t queued(const struct http_stream *stream)
{
	return stream->queue.len - stream->sent;
}

static void forget_sent(struct http_stream *stream)
{
	struct strbuf *queue = &stream->queue;

	if (queued(stream))
		memmove(queue->buf, queue->buf + stream->sent, queued(stream));
	strbuf_truncate(queue, queued(stream));
	stream->sent = 0;
	if (!queue->len && queue->capacity > KEPT_BYTES)
		strbuf_done(queue);
}

/* MHD asks for bytes of the answer. */
static ssize_t on_read(void *user, uint64_t position, char *to, size_t most)
{
	struct http_stream *stream = user;
	size_t size = queued(stream) < most ? queued(stream) : most;

	(void)position;
	if (stream->is_dropped)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (size) {
		memcpy(to, stream->queue.buf + stream->sent, size);
		stream->sent += size;
		if (!queued(stream)) {
			forget_sent(stream);
			stream->events_queued = 0;
			stream->has_drained = true;
		}
		return (ssize_t)size;
	}
	if (stream->is_closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (stream->request->connection->is_shut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	stream->request->is_suspended = true;
	MHD_suspend_connection(stream->request->mhd);
	return 0;
}

static struct MHD_Response *make_response(struct http_stream *stream)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, stream, NULL);

	http_response_add(response, "Content-Type", "text/event-stream");
	http_response_add(response, "Cache-Control", "no-store");
	http_response_add(response, "X-Accel-Buffering", "no"); /* nginx before us */
	http_response_add(response, "X-Content-Type-Options", "nosniff");
	http_response_add(response, "Referrer-Policy", "no-referrer");
	http_response_add(response, "Content-Security-Policy", HTTP_STRICT_CSP);
	return response;
}

static int refuse_stream(struct http_request *request)
{
	http_refuse(request,
		    &(struct http_refusal){
			    .reject = HTTP_REJECT_STREAMS,
			    .status = 503,
			    .code = HF_E_BUDGET,
			    .what = "too many streams are open",
			    .fix = "close one, or ask for /api/v1/events from time to time",
			    .header = "Retry-After",
			    .value = "10",
		    });
	return -EBUSY;
}

static int put(struct http_stream *stream, const char *bytes, size_t size)
{
	/* behind what was sent already there may not be room enough */
	if (stream->sent && stream->queue.len + size > stream->server->limits.stream_queue_bytes)
		forget_sent(stream);
	if (strbuf_add(&stream->queue, bytes, size))
		return -ENOMEM;
	stream->active_ns = clock_now_ns();
	http_resume_later(stream->request);
	return 0;
}

int http_stream_open(struct http_request *request, const struct http_stream_calls *calls,
		     struct http_stream **ret_stream)
{
	static const char hello[] = ":\n\n"; /* so that the headers leave at once */
	struct http_server *server = request->server;
	struct http_stream *stream;
	struct MHD_Response *response;

	if (server->stats.streams >= server->limits.streams)
		return refuse_stream(request);
	stream = calloc(1, sizeof(*stream));
	response = stream ? make_response(stream) : NULL;
	if (!response) {
		free(stream);
		http_answer_response(request, 503, NULL);
		return -ENOMEM;
	}
	stream->server = server;
	stream->request = request;
	stream->calls = *calls;
	strbuf_init(&stream->queue);
	TAILQ_INSERT_TAIL(&server->streams, stream, link);
	server->stats.streams++;
	server->stats.streams_total++;
	request->stream = stream;
	put(stream, hello, sizeof(hello) - 1);
	http_answer_response(request, 200, response);
	*ret_stream = stream;
	return 0;
}

size_t http_stream_room(const struct http_stream *stream)
{
	size_t most = stream->server->limits.stream_queue_bytes;

	return !stream->request || stream->is_dropped || queued(stream) >= most
		       ? 0
		       : most - queued(stream);
}

/* Each line of a text on one of its own (HTML, 9.2.5: CR, LF or both end one). */
static void add_lines(struct strbuf *sb, const char *field, const char *text)
{
	for (;;) {
		size_t size = strcspn(text, "\r\n");

		strbuf_addf(sb, "%s: ", field);
		strbuf_add(sb, text, size);
		strbuf_addch(sb, '\n');
		text += size;
		if (!*text)
			return;
		text += text[0] == '\r' && text[1] == '\n' ? 2 : 1;
	}
}

static void drop(struct http_stream *stream)
{
	struct http_stats *stats = &stream->server->stats;

	stream->is_dropped = true;
	stats->streams_dropped++;
	stats->events_dropped += stream->events_queued + 1;
	http_shut(stream->request->connection);
	http_resume_later(stream->request);
}

int http_stream_send(struct http_stream *stream, const struct http_event *event)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	int err;

	if (!stream->request || stream->is_dropped || stream->request->connection->is_shut) {
		stream->server->stats.events_dropped++;
		return -EPIPE;
	}
	if (event->id >= 0)
		strbuf_addf(&text, "id: %lld\n", (long long)event->id);
	if (event->name)
		strbuf_addf(&text, "event: %.*s\n", (int)strcspn(event->name, "\r\n"), event->name);
	add_lines(&text, "data", event->data);
	strbuf_addch(&text, '\n');
	if (text.failed)
		return -ENOMEM;
	if (text.len > http_stream_room(stream)) {
		drop(stream);
		return -ENOBUFS;
	}
	err = put(stream, text.buf, text.len);
	if (err)
		return err;
	stream->events_queued++;
	stream->server->stats.events_total++;
	return 0;
}

void http_stream_close(struct http_stream *stream)
{
	stream->is_closing = true;
	if (stream->request)
		http_resume_later(stream->request);
}

void http_streams_tick(struct http_server *server, uint64_t now_ns)
{
	static const char comment[] = ":\n\n";
	struct http_stream *stream;

	TAILQ_FOREACH(stream, &server->streams, link)
	{
		bool is_silent = now_ns - stream->active_ns >= server->limits.keep_alive_ns;

		if (is_silent && stream->request && !stream->is_closing &&
		    http_stream_room(stream) >= sizeof(comment))
			put(stream, comment, sizeof(comment) - 1);
	}
}

void http_stream_detach(struct http_stream *stream)
{
	stream->request = NULL;
	stream->server->stats.streams--;
}

void http_streams_tell(struct http_server *server)
{
	struct http_stream *stream, *next;

	for (stream = TAILQ_FIRST(&server->streams); stream; stream = next) {
		/* a callback may close others, but these stay in the list until their turn; new ones come last */
		bool has_ended = !stream->request;

		if (has_ended && !stream->is_closing) {
			stream->is_closing = true;
			stream->calls.closed(stream->calls.user);
		} else if (!has_ended && stream->has_drained && !stream->is_closing) {
			stream->has_drained = false;
			if (stream->calls.drained)
				stream->calls.drained(stream->calls.user);
		}
		next = TAILQ_NEXT(stream, link);
		if (!has_ended)
			continue;
		TAILQ_REMOVE(&server->streams, stream, link);
		strbuf_done(&stream->queue);
		free(stream);
	}
}
