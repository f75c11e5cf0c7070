// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/send/http_client.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"

#define HEAD_BYTES_MAX  (64u << 10)
#define BODY_BYTES_KEPT 4096u
#define BODY_BYTES_MAX  (256u << 10)

struct http_client {
	struct loop *loop;
	CURLM *multi;
	int timer_fd;
};

struct http_exchange {
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	http_done_fn done;
	void *user;
	size_t head_size, body_size;
	char body[BODY_BYTES_KEPT + 1];
	char error[CURL_ERROR_SIZE];
};

static uint32_t epoll_events_of(int what)
{
	switch (what) {
	case CURL_POLL_IN:
		return EPOLLIN;
	case CURL_POLL_OUT:
		return EPOLLOUT;
	default:
		return EPOLLIN | EPOLLOUT;
	}
}

static void exchange_free(struct http_exchange *exchange)
{
	curl_multi_remove_handle(exchange->client->multi, exchange->easy);
	curl_easy_cleanup(exchange->easy);
	curl_slist_free_all(exchange->headers);
	free(exchange);
}

static void finish(struct http_exchange *exchange, CURLcode result)
{
	struct http_response response = {.error = "", .body = exchange->body};
	curl_off_t wait_s = 0;
	long status = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &wait_s);
	/* a body that was too long, or cut short, is an answer all the same */
	if (exchange->head_size > HEAD_BYTES_MAX)
		response.error = "the head of the answer is too long";
	else if (result == CURLE_OK || result == CURLE_WRITE_ERROR || result == CURLE_PARTIAL_FILE)
		response.status = (int)status;
	if (wait_s > 0)
		response.retry_after_ns = wait_s > INT32_MAX ? INT32_MAX * NS_PER_S
							     : (uint64_t)wait_s * NS_PER_S;
	if (!response.status && !*response.error)
		response.error = *exchange->error ? exchange->error : curl_easy_strerror(result);
	exchange->done(exchange->user, &response);
}

/* The caller's function runs before the exchange's memory goes, for the response is in it; and after it has left the
 * multi handle, so that a new one may take its connection. */
static void finish_all(struct http_client *client)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(client->multi, &left))) {
		struct http_exchange *exchange = NULL;
		CURLcode result = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
		curl_multi_remove_handle(client->multi, exchange->easy);
		finish(exchange, result);
		exchange_free(exchange);
	}
}

static void act(struct http_client *client, curl_socket_t socket, int what)
{
	int running;

	curl_multi_socket_action(client->multi, socket, what, &running);
	finish_all(client);
}

/* The loop tells no descriptor. curl looks at all that are ready itself when it is told of a time-out; but a socket's own
 * event has to be named: hence one watch per socket. */
struct watch {
	struct http_client *client;
	int fd;
};

static int on_socket(void *user, uint32_t events)
{
	struct watch *watch = user;
	int what = 0;

	if (events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	act(watch->client, watch->fd, what);
	return 0;
}

static int on_timer(void *user, uint32_t expired)
{
	(void)expired;
	act(user, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
	struct http_client *client = user;
	struct watch *watch = socket_user;

	(void)easy;
	if (watch)
		loop_remove(client->loop, fd);
	if (what == CURL_POLL_REMOVE || what == CURL_POLL_NONE) {
		curl_multi_assign(client->multi, fd, NULL);
		free(watch);
		return 0;
	}
	if (!watch) {
		watch = malloc(sizeof(*watch));
		if (!watch)
			return -1;
		*watch = (struct watch){.client = client, .fd = fd};
	}
	if (loop_add_fd(client->loop, fd, epoll_events_of(what), on_socket, watch)) {
		curl_multi_assign(client->multi, fd, NULL);
		free(watch);
		return -1;
	}
	curl_multi_assign(client->multi, fd, watch);
	return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
	const struct http_client *client = user;
	uint64_t first = timeout_ms < 0    ? 0
			 : timeout_ms == 0 ? 1
					   : (uint64_t)timeout_ms * NS_PER_MS;

	(void)multi;

	return loop_set_timer(client->loop, client->timer_fd, first, 0) ? -1 : 0;
}

int http_client_new(struct loop *loop, struct http_client **ret_client)
{
	struct http_client *client = calloc(1, sizeof(*client));
	int err = 0;

	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->timer_fd = -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(client);
		return -ENOMEM;
	}
	client->multi = curl_multi_init();
	err = client->multi ? loop_add_timer(loop, NS_PER_S, on_timer, client, &client->timer_fd)
			    : -ENOMEM;
	if (!err)
		err = loop_set_timer(loop, client->timer_fd, 0, 0);
	if (err) {
		http_client_free(client);
		return err;
	}
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, 16L);
	*ret_client = client;
	return 0;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	if (client->multi)
		curl_multi_cleanup(client->multi);
	if (client->timer_fd >= 0)
		loop_remove(client->loop, client->timer_fd);
	curl_global_cleanup();
	free(client);
}

static size_t take_head(char *bytes, size_t size, size_t count, void *user)
{
	struct http_exchange *exchange = user;

	(void)bytes;
	exchange->head_size += size * count;
	return exchange->head_size > HEAD_BYTES_MAX ? 0 : size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
	struct http_exchange *exchange = user;
	size_t got = size * count, room;

	if (exchange->body_size < BODY_BYTES_KEPT) {
		room = BODY_BYTES_KEPT - exchange->body_size;
		memcpy(exchange->body + exchange->body_size, bytes, got < room ? got : room);
	}
	exchange->body_size += got;
	return exchange->body_size > BODY_BYTES_MAX ? 0 : got;
}

static bool set_options(struct http_exchange *exchange, const struct http_request *request)
{
	CURL *easy = exchange->easy;
	CURLcode bad = CURLE_OK;

	bad |= curl_easy_setopt(easy, CURLOPT_URL, request->url);
	bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
	bad |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
	bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
	bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(request->timeout_ns / NS_PER_MS));
	bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "holdfast/" HF_VERSION);
	bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
	bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
	bad |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->error);
	bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
	return bad == CURLE_OK;
}

static int add_header(struct http_exchange *exchange, const char *header)
{
	struct curl_slist *longer = curl_slist_append(exchange->headers, header);

	if (!longer)
		return -ENOMEM;
	exchange->headers = longer;
	return 0;
}

int http_client_start(struct http_client *client, const struct http_request *request,
		      http_done_fn done, void *user, struct http_exchange **ret_exchange)
{
	struct http_exchange *exchange = calloc(1, sizeof(*exchange));
	int err;

	if (!exchange)
		return -ENOMEM;
	exchange->client = client;
	exchange->done = done;
	exchange->user = user;
	exchange->easy = curl_easy_init();
	/* "Expect: 100-continue" would cost a second with servers that do not know it */
	err = exchange->easy ? add_header(exchange, "Expect:") : -ENOMEM;
	for (size_t i = 0; !err && i < HTTP_HEADERS_MAX && request->headers[i]; i++)
		err = add_header(exchange, request->headers[i]);
	if (!err && (!set_options(exchange, request) ||
		     curl_multi_add_handle(client->multi, exchange->easy)))
		err = -ENOMEM;
	if (err) {
		exchange_free(exchange);
		return err;
	}
	*ret_exchange = exchange;
	return 0;
}

void http_exchange_cancel(struct http_exchange *exchange)
{
	if (exchange)
		exchange_free(exchange);
}
