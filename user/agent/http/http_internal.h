/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_internal.h - what the files behind http.h share.
 *
 *	server.c   the daemon in the loop, connections, time
 *	request.c  a request from its first line to its handler
 *	answer.c   what handlers answer with, and the errors
 *	asset.c    bytes of the program
 *	stream.c   server-sent events
 *
 * Nothing is ever resumed, and no callback of a stream is made, from within MHD_run(): both are noted, and done by
 * server.c before and after it. So none of these functions is entered again through another.
 */
#ifndef HF_AGENT_HTTP_INTERNAL_H
#define HF_AGENT_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "agent/http/http.h"
#include "agent/http/listen.h"
#include "agent/http/rate.h"
#include "agent/http/values.h"
#include "base/sha256.h"

/* What a connection is doing; each but the last two has a deadline. */
enum http_state {
	HTTP_STATE_IDLE,
	HTTP_STATE_HEADERS, /* the request line has come */
	HTTP_STATE_BODY,
	HTTP_STATE_ANSWER,
	HTTP_STATE_DEFERRED,
	HTTP_STATE_STREAM,
};

struct http_connection {
	TAILQ_ENTRY(http_connection) link;
	int fd; /* MHD's */
	struct http_peer peer;
	uint64_t rate_key;
	enum http_state state;
	uint64_t deadline_ns;
	bool has_asked;
	bool is_shut;
	struct http_request *request; /* under way; NULL: none */
};

struct http_request {
	TAILQ_ENTRY(http_request) link; /* among those to resume */
	struct http_server *server;     /* NULL: it has ended */
	struct MHD_Connection *mhd;     /* NULL: the client, or the server, has gone */
	struct http_connection *connection;
	struct http_peer peer;
	char *target; /* path and query, cut up by the checks */
	bool is_head;
	bool is_checked;   /* of its headers */
	bool is_called;    /* its handler has been */
	bool is_owed;      /* the handler said HTTP_LATER, and no answer came yet */
	bool is_answered;  /* with `response`, or, if even that failed, by closing */
	bool is_suspended; /* in MHD */
	bool is_listed;    /* among those to resume */
	const struct http_route *route;
	struct http_values values;
	bool has_values;
	struct strbuf body;
	size_t body_reserved;          /* of the server's total */
	struct MHD_Response *response; /* to be queued; NULL: no answer yet */
	unsigned int status;
	struct http_stream *stream;
	bool is_composing;
	struct strbuf composed;
	struct json_out json;
	struct sink sink; /* last: not cleared */
};

struct http_stream {
	TAILQ_ENTRY(http_stream) link;
	struct http_server *server;
	struct http_request *request; /* NULL: MHD has done with it */
	struct http_stream_calls calls;
	struct strbuf queue;
	size_t sent; /* of the queue */
	uint64_t events_queued;
	uint64_t active_ns; /* something was put into the queue */
	bool is_closing;    /* by its owner: no calls any more */
	bool is_dropped;
	bool has_drained; /* to be told */
};

TAILQ_HEAD(http_connections, http_connection);
TAILQ_HEAD(http_requests, http_request);
TAILQ_HEAD(http_streams, http_stream);

/* A route's bytes in the two encodings. */
struct http_asset_forms {
	const char *plain, *packed; /* NULL: not at hand */
	size_t plain_size, packed_size;
	char *owned; /* the one of them that was made */
	char etag[SHA256_HEX_LENGTH + 1];
};

struct http_server {
	struct loop *loop;
	struct MHD_Daemon *daemon;
	int epoll_fd; /* MHD's, -1: not in the loop */
	int timer_fd;
	uint64_t wake_ns; /* when the timer fires; UINT64_MAX: not armed */
	uint64_t tick_ns; /* the last look at deadlines */
	bool is_running;
	bool has_room; /* a connection ended in this turn: MHD, if it was full, accepts again in its next one */
	struct http_listen listen;
	struct strbuf address;
	bool has_token;
	uint8_t token[SHA256_BYTES];
	char **hosts;
	struct http_limits limits;
	const struct http_table *table;
	void *user;
	struct http_asset_forms *assets; /* one per route */
	struct http_rate rate;
	uint64_t seed;
	struct http_connections connections;
	struct http_requests to_resume;
	struct http_streams streams;
	struct http_stats stats;
};

/* server.c */
void http_resume_later(struct http_request *request);
void http_set_state(struct http_server *server, struct http_connection *connection,
		    enum http_state state);
/* No more bytes either way: MHD then closes it. */
void http_shut(struct http_connection *connection);

/* What MHD_AccessHandlerCallback takes. */
#define HTTP_MHD_HANDLER                                                             \
	void *user, struct MHD_Connection *mhd, const char *url, const char *method, \
		const char *version, const char *upload, size_t *upload_size, void **context

/* request.c: MHD's callbacks, and their request */
void *http_request_begin(void *server, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_request_continue(HTTP_MHD_HANDLER);
void http_request_end(void *server, struct MHD_Connection *mhd, void **request,
		      enum MHD_RequestTerminationCode code);
const char *http_header(const struct http_request *request, const char *name);
void http_request_free(struct http_request *request);

/* answer.c */
/* Nothing from elsewhere, nothing inline, in nobody's frame. */
#define HTTP_STRICT_CSP \
	"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
struct http_body {
	unsigned int status;
	const char *type; /* NULL: none */
	char *bytes;
	size_t size;
	bool is_static;       /* else owned by malloc */
	const char *encoding; /* NULL: as it is */
};
/* Counts the bytes, and makes a response that frees them; NULL: the total is exceeded, or out of memory. */
struct MHD_Response *http_response_new(struct http_request *request, struct http_body *body);
void http_response_add(struct MHD_Response *response, const char *name, const char *value);
/* This is the answer, NULL: 500. Takes the response. */
int http_answer_response(struct http_request *request, unsigned int status,
			 struct MHD_Response *response);
/* Refused before a handler has seen it. `header` (may be NULL): one more, with its value. */
struct http_refusal {
	enum http_reject reject;
	unsigned int status;
	enum hf_error_code code;
	const char *what, *why, *fix;
	const char *header, *value;
};
int http_refuse(struct http_request *request, const struct http_refusal *refusal);
int http_refuse_values(struct http_request *request);

/* asset.c */
int http_assets_new(const struct http_table *table, struct http_asset_forms **ret_assets);
void http_assets_free(const struct http_table *table, struct http_asset_forms *assets);
int http_answer_asset(struct http_request *request);

/* stream.c */
/* The time for comments; gone clients. */
void http_streams_tick(struct http_server *server, uint64_t now_ns);
/* MHD has done with the request. */
void http_stream_detach(struct http_stream *stream);
/* Calls what is to be called; frees what is gone. */
void http_streams_tell(struct http_server *server);

#endif
