/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_client.h - HTTP POST on a loop: libcurl's multi handle, turned by its sockets and its timer.
 *
 * Nothing blocks. An answer's head is read up to 64 KiB, of its body the first 4 KiB are kept and what is beyond
 * 256 KiB is not waited for: the status counts. No redirects, no cookies, no files: http and https only, certificates
 * verified.
 *
 * Thread: the loop's. Errors: -ENOMEM, -errno of the loop.
 */
#ifndef HF_AGENT_SEND_HTTP_CLIENT_H
#define HF_AGENT_SEND_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/loop.h"

struct http_client;
struct http_exchange;

#define HTTP_HEADERS_MAX 8

struct http_request {
	const char *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value"; NULL ends them */
	const void *body;                      /* POST; the caller's until the end; never NULL */
	size_t body_size;
	uint64_t timeout_ns;
};

struct http_response {
	int status;              /* 0: none came; then error tells why */
	const char *error;       /* one line; "" if there is a status */
	const char *body;        /* its beginning, NUL-terminated */
	uint64_t retry_after_ns; /* 0: not said */
};

/* Called from the loop, once per exchange that was not cancelled. The response lives as long as the call; the exchange
 * is gone. It may start and cancel others. */
typedef void (*http_done_fn)(void *user, const struct http_response *response);

int http_client_new(struct loop *loop, struct http_client **ret_client);
/* All exchanges have ended or been cancelled. */
void http_client_free(struct http_client *client);
DEFINE_CLEANUP(struct http_client *, http_client_free);

/* Copies url and headers. `done` is not called before this returns. */
int http_client_start(struct http_client *client, const struct http_request *request,
		      http_done_fn done, void *user, struct http_exchange **ret_exchange);
/* Ends it without a call. NULL is fine. */
void http_exchange_cancel(struct http_exchange *exchange);

#endif
