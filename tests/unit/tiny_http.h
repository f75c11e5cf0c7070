/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tiny_http.h - an HTTP server of a test: on loopback, one connection after the other, in a thread. It notes what it gets, and
 * answers what the test says: bytes as they are, good HTTP or not.
 *
 *	struct tiny_http server;
 *	tiny_http_start(&server, answers, count);	the last answer is given again and again
 *	… server.url; tiny_http_count(&server); tiny_http_request(&server, i) …
 *	tiny_http_stop(&server);
 */
#ifndef HF_TESTS_UNIT_TINY_HTTP_H
#define HF_TESTS_UNIT_TINY_HTTP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "cmocka_all.h"

#define TINY_OK          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define TINY_STATUS(x)   "HTTP/1.1 " x "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define TINY_REQUESTS    512
#define TINY_HUGE        ((const char *)1) /* an answer that never ends */
#define TINY_ENDLESS_TOP ((const char *)2) /* a head that never ends */

struct tiny_answer {
	const char *bytes;
	unsigned int delay_ms;
};

struct tiny_request {
	char *text; /* all of it, NUL-terminated */
	size_t size;
	const char *body;
	size_t body_size;
	uint64_t time_ns;
};

struct tiny_http {
	int fd, port;
	char url[64];
	pthread_t thread;
	pthread_mutex_t lock;
	const struct tiny_answer *answers;
	size_t answer_count;
	struct tiny_request requests[TINY_REQUESTS];
	size_t count;
	size_t sent_bytes;
};

static inline void tiny_read(int fd, struct tiny_request *r)
{
	size_t want = SIZE_MAX;

	r->text = calloc(1, 1);
	while (r->size < want) {
		char bytes[4096];
		ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
		const char *end, *length;

		if (got <= 0)
			break;
		r->text = realloc(r->text, r->size + (size_t)got + 1);
		memcpy(r->text + r->size, bytes, (size_t)got);
		r->size += (size_t)got;
		r->text[r->size] = '\0';
		end = strstr(r->text, "\r\n\r\n");
		if (!end || want != SIZE_MAX)
			continue;
		length = strcasestr(r->text, "\r\nContent-Length: ");
		want = (size_t)(end + 4 - r->text) +
		       (length && length < end ? strtoul(length + 18, NULL, 10) : 0);
	}
	r->body = strstr(r->text, "\r\n\r\n");
	r->body = r->body ? r->body + 4 : r->text + r->size;
	r->body_size = r->size - (size_t)(r->body - r->text);
	r->time_ns = clock_now_ns();
}

static inline void tiny_answer(struct tiny_http *s, int fd, const struct tiny_answer *answer)
{
	static const char chunk[4096] = "X-Padding: 1\r\n";
	const char *bytes = answer->bytes;

	usleep(answer->delay_ms * 1000);
	if (bytes != TINY_HUGE && bytes != TINY_ENDLESS_TOP) {
		send(fd, bytes, strlen(bytes), MSG_NOSIGNAL);
		return;
	}
	if (bytes == TINY_HUGE)
		send(fd, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL);
	else
		send(fd, "HTTP/1.1 200 OK\r\n", 17, MSG_NOSIGNAL);
	for (;;) {
		size_t size = bytes == TINY_HUGE ? sizeof(chunk) : strlen(chunk);
		ssize_t sent = send(fd, chunk, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		s->sent_bytes += (size_t)sent;
	}
}

static inline void *tiny_serve(void *user)
{
	struct tiny_http *s = user;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		const struct tiny_answer *answer;
		struct tiny_request request = {0};
		struct timeval limit = {.tv_sec = 5};

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		tiny_read(fd, &request);
		pthread_mutex_lock(&s->lock);
		answer = &s->answers[s->count < s->answer_count ? s->count : s->answer_count - 1];
		if (s->count < TINY_REQUESTS)
			s->requests[s->count++] = request;
		else
			free(request.text);
		pthread_mutex_unlock(&s->lock);
		tiny_answer(s, fd, answer);
		close(fd);
	}
	return NULL;
}

static inline void tiny_http_start_at(struct tiny_http *s, int port,
				      const struct tiny_answer *answers, size_t count)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);
	int yes = 1;

	memset(s, 0, sizeof(*s));
	s->answers = answers;
	s->answer_count = count;
	pthread_mutex_init(&s->lock, NULL);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s->fd, 16), 0);
	getsockname(s->fd, (struct sockaddr *)&address, &length);
	s->port = ntohs(address.sin_port);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
	assert_int_equal(pthread_create(&s->thread, NULL, tiny_serve, s), 0);
}

static inline void tiny_http_start(struct tiny_http *s, const struct tiny_answer *answers,
				   size_t count)
{
	tiny_http_start_at(s, 0, answers, count);
}

static inline void tiny_http_stop(struct tiny_http *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	pthread_mutex_destroy(&s->lock);
	for (size_t i = 0; i < s->count; i++)
		free(s->requests[i].text);
}

static inline size_t tiny_http_count(struct tiny_http *s)
{
	size_t count;

	pthread_mutex_lock(&s->lock);
	count = s->count;
	pthread_mutex_unlock(&s->lock);
	return count;
}

static inline const struct tiny_request *tiny_http_request(struct tiny_http *s, size_t i)
{
	assert_true(i < tiny_http_count(s));
	return &s->requests[i];
}

/* Value of a header, in a buffer of the caller's; "" if it is not there. */
static inline void tiny_http_header(const struct tiny_request *r, const char *name, char value[256])
{
	char before[64];
	const char *at;

	snprintf(before, sizeof(before), "\r\n%s: ", name);
	at = strcasestr(r->text, before);
	snprintf(value, 256, "%.*s",
		 at && at < r->body ? (int)strcspn(at + strlen(before), "\r") : 0,
		 at ? at + strlen(before) : "");
}

/* A port of loopback where nobody listens. */
static inline int tiny_http_free_port(void)
{
	static const struct tiny_answer none = {TINY_OK, 0};
	struct tiny_http s;

	tiny_http_start(&s, &none, 1);
	tiny_http_stop(&s);
	return s.port;
}

/* Lets the loop turn until the condition holds; 20 s are for a machine with much else to do. */
#define TURN_UNTIL(loop, condition)                                \
	do {                                                       \
		uint64_t end_ = clock_now_ns() + 20 * NS_PER_S;    \
		while (!(condition) && clock_now_ns() < end_)      \
			(void)loop_run_for((loop), 5 * NS_PER_MS); \
		assert_true(condition);                            \
	} while (0)

#endif
