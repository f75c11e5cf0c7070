/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http.h - a small HTTP/1.1 server on the loop: routes of a table (route.h), JSON, streams of events.
 *
 * It knows nothing of the agent. libmicrohttpd speaks HTTP, without threads: its epoll descriptor and one
 * timer are in the loop, and every handler and callback runs on the loop's thread.
 *
 * What a request passes before its handler, and what refuses it, in this order:
 *	size of the headers 431 · rate 429 (Retry-After) · Host 400, 403 · path 404 · method 405 (Allow) ·
 *	Origin and CSRF 403 · token 401 · size of the body 411, 413, 415 · parameters and body 400, all faults at once
 * A state-changing request needs `Content-Type: application/json` or `X-Holdfast: 1`, neither of which a foreign
 * page can send without a preflight that is never granted; its Origin, if there, is the Host. The Host is a
 * loopback name or address, or on the list (DNS rebinding); over a unix socket it may be anything. There are no
 * CORS headers. Refusals by libmicrohttpd itself (no HTTP at all, headers beyond its buffer) are its plain 400 and 431.
 *
 * Errors are `{"error":{"code":"HF-E-NOPID","what":…,"why":…,"fix":…}}`; wrong parameters add
 * "parameters":[{"name","in","what","expected"}]. Answers of more than 1 KiB are gzipped for who takes it.
 *
 * Memory, at most: connections × (4 × header_bytes + 32 KiB) + 2 × body_total_bytes + answer_total_bytes
 * + 2 × streams × stream_queue_bytes + the assets' second encoding; with the defaults 4 + 8 + 24 + 8 MiB, while no client
 * does harm about 1. What a handler composes, its gzip (300 KiB while it is made), and a parsed body come on top, one at
 * a time. Who exceeds a total gets 503.
 *
 * Time: a request's headers are complete timeout_ns after the connection opened or the last answer ended, its
 * body timeout_ns later (408, or just closed); an answer is taken by the client within HTTP_ANSWER_TIMEOUTS × that. Who
 * waits for a late answer or has a stream has no limit, but is taken for gone when it closes its sending side. A server
 * without connections sets no timer; with some it looks at them once a second.
 */
#ifndef HF_AGENT_HTTP_HTTP_H
#define HF_AGENT_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/http/route.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/strbuf.h"
#include "report/export/json_out.h"

struct http_server;

#define HTTP_ANSWER_TIMEOUTS 6

struct http_limits {
	unsigned int connections; /* more wait until one ends */
	unsigned int
		connections_per_ip; /* more are closed; not where all are one address: loopback, unix */
	unsigned int streams;       /* more get 503 */
	unsigned int requests_per_second; /* of one address (unix: one user); 0: no limit */
	unsigned int requests_burst;
	size_t header_bytes; /* request line and headers */
	size_t body_bytes;
	size_t body_total_bytes;   /* of all requests at a time */
	size_t answer_total_bytes; /* of all answers that clients have not taken yet */
	size_t stream_queue_bytes; /* of one stream; who lets it fill is dropped */
	uint64_t timeout_ns;
	uint64_t keep_alive_ns; /* a comment line in silent streams */
};

#define HTTP_LIMITS_DEFAULT                                                                 \
	{                                                                                   \
		.connections = 64, .connections_per_ip = 32, .streams = 16,                 \
		.requests_per_second = 100, .requests_burst = 200, .header_bytes = 8 << 10, \
		.body_bytes = 1 << 20, .body_total_bytes = 4 << 20,                         \
		.answer_total_bytes = 24 << 20, .stream_queue_bytes = 256 << 10,            \
		.timeout_ns = 10ULL * 1000 * 1000 * 1000,                                   \
		.keep_alive_ns = 15ULL * 1000 * 1000 * 1000,                                \
	}

struct http_options {
	/* "127.0.0.1:7654", "localhost:7654", "[::1]:7654", "unix:/path". Port 0: any free one. The socket is made with
	 * mode 0660; one that nobody listens on any more is replaced, and ours is removed at the end. */
	const char *listen;
	/* 64 hex digits: SHA-256 of the bearer token, without a newline. NULL or "": none, and then `listen` must be
	 * loopback or a unix socket (HF_E_CONFIG). If there is one it is asked for everywhere. */
	const char *token_sha256;
	const char *const *
		hosts; /* names besides the loopback ones, without port; ends with NULL; NULL: none */
	struct http_limits limits;
	const struct http_table *table; /* outlives the server */
	void *user;                     /* for the handlers */
};

/*
 * Listens at once. Options are copied, but `table` and `user`. HF_E_CONFIG: wrong options; HF_E_CANTWRITE:
 * the address is in use or may not be used.
 */
int http_server_new(struct loop *loop, const struct http_options *options,
		    struct http_server **ret_server, struct hf_error *err);
/* Closes all connections and streams (their `closed` is called); requests still owed an answer stay valid
 * until they get it, and nobody reads it. Not from a handler or callback of the server. */
void http_server_free(struct http_server *server);
DEFINE_CLEANUP(struct http_server *, http_server_free);

/* As one would write it in `listen`, with the port that was given. The server's. */
const char *http_server_address(const struct http_server *server);
/* For a new configuration; rules as for the option (HF_E_CONFIG and nothing changed). Takes effect with the next
 * request. */
int http_server_set_token(struct http_server *server, const char *token_sha256,
			  struct hf_error *err);

/* Why requests, connections and clients were refused. X(name, label) */
#define HTTP_REJECTS(X)                                      \
	X(HEADERS, "headers") /* too large */                \
	X(RATE, "rate")                                      \
	X(HOST, "host")                                      \
	X(PATH, "path") /* no such route */                  \
	X(METHOD, "method")                                  \
	X(ORIGIN, "origin") /* foreign, or the CSRF rules */ \
	X(TOKEN, "token")                                    \
	X(BODY, "body") /* too large, no JSON, no length */  \
	X(PARAMETERS, "parameters")                          \
	X(TIME, "time")       /* too slow */                 \
	X(MEMORY, "memory")   /* one of the totals */        \
	X(STREAMS, "streams") /* too many */

enum http_reject {
#define HTTP_REJECT_ENUM(name, label) HTTP_REJECT_##name,
	HTTP_REJECTS(HTTP_REJECT_ENUM) HTTP_REJECT_COUNT
#undef HTTP_REJECT_ENUM
};

const char *http_reject_name(enum http_reject reject);

struct http_stats {
	uint64_t connections_total;
	uint64_t connections_silent; /* closed without one whole request */
	unsigned int connections;    /* now */
	uint64_t answers[6];         /* by class of status: [2] is 2xx */
	uint64_t rejected[HTTP_REJECT_COUNT];
	uint64_t answer_bytes_total; /* bodies, as sent */
	unsigned int deferred;       /* now */
	unsigned int streams;        /* now */
	uint64_t streams_total;
	uint64_t streams_dropped; /* too slow */
	uint64_t events_total;    /* put into queues */
	uint64_t events_dropped;  /* were in the queue of a dropped stream, or refused by it */
	size_t body_bytes;        /* held now */
	size_t answer_bytes;      /* held now */
};

void http_server_stats(const struct http_server *server, struct http_stats *ret_stats);

/*
 * In a handler: what came with the request. Values have been checked against the route; a name that is not in its
 * table is an error of the program, which ends it. All texts are valid as long as the request.
 */

/* The client has sent it. What it has not sent has its default, or else 0, NULL, false. */
bool http_given(const struct http_request *request, const char *name);
int64_t http_integer(const struct http_request *request, const char *name);
/* Also of an integer. */
double http_number(const struct http_request *request, const char *name);
/* Of TEXT and CHOICE. */
const char *http_text(const struct http_request *request, const char *name);
/* Which of the choices, from 0; -1: none. */
int http_choice(const struct http_request *request, const char *name);
bool http_boolean(const struct http_request *request, const char *name);

const struct http_route *http_request_route(const struct http_request *request);
/* The one of `offers` (media types, best first, `count` > 0) that the Accept header likes best; 0 where it says nothing,
 * or none is acceptable. */
size_t http_preferred(const struct http_request *request, const char *const *offers, size_t count);
/* True and *ret_id if the header Last-Event-ID is there and a number not below 0. */
bool http_last_event_id(const struct http_request *request, int64_t *ret_id);

struct http_peer {
	bool is_local; /* over the unix socket: uid and pid are known (SO_PEERCRED) */
	uid_t uid;
	pid_t pid;
	char address[48]; /* "127.0.0.1", "::1"; "unix" */
};

const struct http_peer *http_request_peer(const struct http_request *request);

/*
 * The answer: exactly one of these per request, in the handler, which then returns HTTP_ANSWERED; or later, from
 * the loop's thread, if it has returned HTTP_LATER. A request that is owed an answer stays valid until then, also when its
 * client or the server is gone meanwhile; once answered it must not be touched. Each returns HTTP_ANSWERED, so a
 * handler can end with `return http_answer_…`. Out of memory gives 500 or 503.
 */

/* The one JSON writer of this request, within the top object: fill in, then call http_answer_composed(). */
struct json_out *http_json(struct http_request *request);
/* Ends the object. Begins a new one if nothing was written: `{}`. */
int http_answer_composed(struct http_request *request, unsigned int status);
/* A whole JSON text. Takes the content, `json` is empty afterwards. `failed` gives 500. */
int http_answer_json(struct http_request *request, unsigned int status, struct strbuf *json);

struct http_content {
	unsigned int status;  /* 0: 200 */
	const char *type;     /* with charset where it is text */
	const char *filename; /* NULL: shown; else offered for saving under this name (ASCII) */
	const char *
		csp; /* Content-Security-Policy; NULL: the strict one, which allows nothing inline */
	bool packed; /* compressed already, as its type says: not again */
};

/* Takes the bytes, as above. */
int http_answer_bytes(struct http_request *request, const struct http_content *content,
		      struct strbuf *bytes);
/* The status follows from the code: USAGE, CONFIG 400; PERM 403; NOPID, NOFILE 404; UNSUPPORTED, NOMALLOC, NOKERNEL,
 * DETACHED 409; BUDGET 503; others 500. */
int http_answer_error(struct http_request *request, const struct hf_error *error);
/* With a status of its own. */
int http_answer_status(struct http_request *request, unsigned int status,
		       const struct hf_error *error);

/*
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): in the handler of a route
 * with HTTP_STREAM, instead of an answer.
 */
struct http_stream;

struct http_stream_calls {
	/* The client went, was dropped, or the server ends. The stream is gone after it. Never from within
	 * http_stream_send(). */
	void (*closed)(void *user);
	/* May be NULL. All that was sent has left the queue: who has more to replay goes on. */
	void (*drained)(void *user);
	void *user;
};

/* 0; -EBUSY: there are too many; -ENOMEM. On failure the request has been answered (503), the handler returns
 * HTTP_ANSWERED in any case. */
int http_stream_open(struct http_request *request, const struct http_stream_calls *calls,
		     struct http_stream **ret_stream);

struct http_event {
	int64_t id;       /* < 0: none */
	const char *name; /* NULL: "message". One line. */
	const char *data; /* lines may be several */
};

/* 0; -ENOBUFS: does not fit, the client is dropped and `closed` comes; -EPIPE: it is about to; -ENOMEM. */
int http_stream_send(struct http_stream *stream, const struct http_event *event);
/* Bytes that still fit. An event takes its texts and at most 48 bytes more, and 7 per line of data. */
size_t http_stream_room(const struct http_stream *stream);
/* Sends what is queued, then ends the answer. `closed` is not called any more; the stream is gone. */
void http_stream_close(struct http_stream *stream);

#endif
