/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server with a table of every kind of route, in a loop that the test runs, and raw sockets as clients: what is
 * sent is exactly what the test says.
 */
#ifndef HF_TESTS_HTTP_FIXTURE_H
#define HF_TESTS_HTTP_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/http/http.h"
#include "agent/http/openapi.h"
#include "base/clock.h"
#include "cmocka_all.h"

#define ANY_PORT   "127.0.0.1:0"
#define PATIENCE   (10 * NS_PER_S)
#define STEP_NS    (2 * NS_PER_MS)
#define LATER_MOST 64

struct fixture {
	struct loop *loop;
	struct http_options options;
	struct http_server *server;
	struct http_request *later[LATER_MOST]; /* owed */
	unsigned int later_count;
	unsigned int calls; /* of handlers */
	struct http_stream *stream;
	unsigned int closed, drained;
	size_t blob_size;
	const char *blob_type;
	struct http_peer peer;
};

static inline int answer_values(struct http_request *request, void *user)
{
	struct fixture *f = user;
	struct json_out *json = http_json(request);

	f->calls++;
	f->peer = *http_request_peer(request);
	json_out_string(json, "target", http_text(request, "target"));
	json_out_int(json, "points", http_integer(request, "points"));
	json_out_double(json, "share", http_number(request, "share"));
	json_out_string(json, "sort",
			http_text(request, "sort") ? http_text(request, "sort") : "none");
	json_out_int(json, "sort_index", http_choice(request, "sort"));
	json_out_bool(json, "all", http_boolean(request, "all"));
	json_out_bool(json, "points_given", http_given(request, "points"));
	return http_answer_composed(request, 200);
}

static inline int answer_body(struct http_request *request, void *user)
{
	struct fixture *f = user;
	struct json_out *json = http_json(request);
	const char *note = http_text(request, "note");

	f->calls++;
	json_out_string(json, "name", http_text(request, "name"));
	json_out_int(json, "wait_s", http_integer(request, "wait_s"));
	json_out_bool(json, "trim", http_boolean(request, "trim"));
	if (note)
		json_out_string(json, "note", note);
	else
		json_out_null(json, "note");
	return http_answer_composed(request, 201);
}

static inline int answer_plain(struct http_request *request, void *user)
{
	struct http_content content = {.type = "text/plain; charset=utf-8"};
	struct strbuf text = STRBUF_INIT;

	((struct fixture *)user)->calls++;
	strbuf_addstr(&text, "holdfast is healthy.\n");
	return http_answer_bytes(request, &content, &text);
}

static inline int answer_blob(struct http_request *request, void *user)
{
	struct fixture *f = user;
	struct http_content content = {.type = f->blob_type, .filename = "a \"blob\"/é.bin"};
	struct strbuf bytes = STRBUF_INIT;

	for (size_t i = 0; i < f->blob_size; i++)
		strbuf_addch(&bytes, (char)('a' + i % 23));
	return http_answer_bytes(request, &content, &bytes);
}

static inline int answer_failure(struct http_request *request, void *user)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	enum hf_error_code code = (enum hf_error_code)http_integer(request, "code");

	(void)user;
	if (!code)
		return -EIO;
	json_out_string(http_json(request), "half", "an answer that is given up");
	error_set(&error, code, "it \"failed\"");
	error_why(&error, "because");
	error_fix(&error, "do not");
	if (code == HF_E_CANTWRITE)
		return http_answer_status(request, 413, &error);
	return http_answer_error(request, &error);
}

static inline int answer_later(struct http_request *request, void *user)
{
	struct fixture *f = user;

	f->later[f->later_count++] = request;
	return HTTP_LATER;
}

static inline int answer_accept(struct http_request *request, void *user)
{
	static const char *const offers[] = {"text/plain", "application/openmetrics-text"};
	struct json_out *json = http_json(request);

	(void)user;
	json_out_u64(json, "preferred", http_preferred(request, offers, 2));
	json_out_string(json, "path", http_request_route(request)->path);
	return http_answer_composed(request, 200);
}

static inline int answer_openapi(struct http_request *request, void *user)
{
	struct fixture *f = user;
	struct strbuf json = STRBUF_INIT;
	struct sink sink;

	sink_init_strbuf(&sink, &json);
	http_openapi_write(f->options.table, "1.2", &sink);
	if (sink_finish(&sink))
		json.failed = true;
	return http_answer_json(request, 200, &json);
}

static inline void on_closed(void *user)
{
	struct fixture *f = user;

	f->closed++;
	f->stream = NULL;
}

static inline void on_drained(void *user)
{
	((struct fixture *)user)->drained++;
}

static inline int answer_stream(struct http_request *request, void *user)
{
	struct fixture *f = user;
	struct http_stream_calls calls = {on_closed, on_drained, f};
	struct http_stream *stream;
	int64_t id;

	if (http_stream_open(request, &calls, &stream))
		return HTTP_ANSWERED;
	f->stream = stream;
	if (http_last_event_id(request, &id))
		http_stream_send(stream, &(struct http_event){.id = id + 1, .data = "replayed"});
	return HTTP_ANSWERED;
}

static const char page_bytes[] =
	"<!doctype html><title>holdfast</title>"
	"<p>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</p>";
/* printf 'hello, packed world\n' | gzip -n9 */
static const unsigned char packed_bytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
					     0x02, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7,
					     0x51, 0x28, 0x48, 0x4c, 0xce, 0x4e, 0x4d, 0x51,
					     0x28, 0xcf, 0x2f, 0xca, 0x49, 0xe1, 0x02, 0x00,
					     0xde, 0xe1, 0x1c, 0x4a, 0x14, 0x00, 0x00, 0x00};
static char script_bytes[4001] = ""; /* filled by begin(): a script worth packing */

static const struct http_asset page_asset = {"text/html; charset=utf-8", page_bytes,
					     page_bytes + sizeof(page_bytes) - 1, false};
static const struct http_asset script_asset = {"text/javascript; charset=utf-8", script_bytes,
					       script_bytes + sizeof(script_bytes) - 1, false};
static const struct http_asset packed_asset = {"text/plain; charset=utf-8",
					       (const char *)packed_bytes,
					       (const char *)packed_bytes + sizeof(packed_bytes),
					       true};

#define TARGET_FIELD                                                             \
	{                                                                        \
		.name = "target", .place = HTTP_IN_PATH, .least = 1, .most = 20, \
		.help = "id or pid-N"                                            \
	}
static const struct http_field value_fields[] = {
	TARGET_FIELD,
	{.name = "points",
	 .kind = HTTP_INTEGER,
	 .least = 1,
	 .most = 5000,
	 .initial = "500",
	 .help = "how many"},
	{.name = "share",
	 .kind = HTTP_NUMBER,
	 .least = -1,
	 .most = 1,
	 .initial = "0.5",
	 .help = "part"},
	{.name = "sort", .kind = HTTP_CHOICE, .choices = "growth|rss|name", .help = "order"},
	{.name = "all", .kind = HTTP_BOOLEAN, .initial = "false", .help = "also the ended"},
	{.name = NULL},
};
static const struct http_field target_fields[] = {TARGET_FIELD, {.name = NULL}};
static const struct http_field rest_fields[] = {{.name = "rest", .place = HTTP_IN_PATH},
						{.name = NULL}};
static const struct http_field code_fields[] = {
	{.name = "code", .kind = HTTP_INTEGER, .required = true}, {.name = NULL}};
static const struct http_field body_fields[] = {
	{.name = "name", .least = 1, .most = 10, .required = true, .help = "its name"},
	{.name = "wait_s",
	 .kind = HTTP_INTEGER,
	 .least = 0,
	 .most = 60,
	 .initial = "10",
	 .help = "at most"},
	{.name = "trim", .kind = HTTP_BOOLEAN, .help = "give memory back"},
	{.name = "note", .help = "any text"},
	{.name = NULL},
};
static const struct http_answer_field part_answer[] = {{.name = "bytes", .type = "integer?"},
						       {.name = NULL}};
static const struct http_schema part_schema = {"Part", "One part", part_answer};
static const struct http_answer_field whole_answer[] = {
	{.name = "target", .type = "string", .help = "as asked"},
	{.name = "times", .type = "number[]?", .help = "unix seconds"},
	{.name = "parts", .type = "object[]", .of = &part_schema},
	{.name = "largest", .type = "object?", .of = &part_schema},
	{.name = NULL},
};
static const struct http_schema whole_schema = {"Whole", NULL, whole_answer};

static const struct http_route fixture_routes[] = {
	{.path = "/-/healthy",
	 .summary = "Turns",
	 .answer = {.media_types = "text/plain"},
	 .flags = HTTP_PUBLIC,
	 .handler = answer_plain},
	{.path = "/-/touch",
	 .summary = "Changes by GET",
	 .flags = HTTP_CHANGES,
	 .handler = answer_plain},
	{.path = "/api/v1/targets/{target}/trends",
	 .summary = "Values",
	 .parameters = value_fields,
	 .answer = {.schema = &whole_schema},
	 .handler = answer_values},
	{.method = HTTP_POST,
	 .path = "/api/v1/targets/{target}/gc",
	 .summary = "A body",
	 .parameters = target_fields,
	 .body = body_fields,
	 .answer = {.status = 201},
	 .handler = answer_body},
	{.method = HTTP_DELETE,
	 .path = "/api/v1/targets/{target}",
	 .summary = "Deletes",
	 .parameters = target_fields,
	 .handler = answer_plain},
	{.path = "/api/v1/targets/{target}",
	 .summary = "One",
	 .parameters = target_fields,
	 .handler = answer_accept},
	{.path = "/api/v1/targets/all", .summary = "All", .handler = answer_accept},
	{.path = "/ui/{rest*}",
	 .summary = "Pages",
	 .parameters = rest_fields,
	 .flags = HTTP_HIDDEN | HTTP_PUBLIC,
	 .handler = answer_accept},
	{.path = "/",
	 .summary = "The page",
	 .flags = HTTP_HIDDEN | HTTP_PUBLIC,
	 .asset = &page_asset},
	{.path = "/ui/app.js",
	 .summary = "Script",
	 .flags = HTTP_HIDDEN | HTTP_PUBLIC,
	 .asset = &script_asset},
	{.path = "/ui/packed.txt",
	 .summary = "Packed",
	 .flags = HTTP_HIDDEN | HTTP_PUBLIC,
	 .asset = &packed_asset},
	{.path = "/blob",
	 .summary = "Bytes",
	 .answer = {.media_types = "text/plain|image/png"},
	 .handler = answer_blob},
	{.path = "/failure",
	 .summary = "Fails",
	 .parameters = code_fields,
	 .handler = answer_failure},
	{.path = "/later", .summary = "Later", .handler = answer_later},
	{.path = "/stream", .summary = "Events", .flags = HTTP_STREAM, .handler = answer_stream},
	{.path = "/api/v1/openapi.json", .summary = "This", .handler = answer_openapi},
};
static const struct http_table fixture_table = {fixture_routes,
						sizeof(fixture_routes) / sizeof(fixture_routes[0]),
						"test", "A table for tests"};

/* Change f->options, then start(). */
static inline void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	memset(script_bytes, 'x', sizeof(script_bytes) - 1);
	f->options = (struct http_options){.listen = ANY_PORT,
					   .limits = HTTP_LIMITS_DEFAULT,
					   .table = &fixture_table,
					   .user = f};
	f->options.limits.requests_per_second = 0;
	f->blob_type = "text/plain; charset=utf-8";
	assert_int_equal(loop_new(&f->loop), 0);
}

static inline void start(struct fixture *f)
{
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;

	if (http_server_new(f->loop, &f->options, &f->server, &err))
		fail_msg("%s: %s", err.what.buf, err.why.buf);
}

static inline void end(struct fixture *f)
{
	http_server_free(f->server);
	loop_free(f->loop);
}

static inline void turn(struct fixture *f, uint64_t ns)
{
	int result = loop_run_for(f->loop, ns);

	if (result && result != -ETIME)
		fail_msg("loop_run_for: %d", result);
}

/* Until the condition holds, within PATIENCE. */
#define turn_until(f, condition)                                              \
	do {                                                                  \
		uint64_t until_ = clock_now_ns() + PATIENCE;                  \
		while (!(condition)) {                                        \
			if (clock_now_ns() > until_)                          \
				fail_msg("not within the time: " #condition); \
			turn((f), STEP_NS);                                   \
		}                                                             \
	} while (0)

static inline struct http_stats stats_of(const struct fixture *f)
{
	struct http_stats stats;

	http_server_stats(f->server, &stats);
	return stats;
}

/* A connected, non-blocking socket. */
static inline int dial(const struct fixture *f)
{
	const char *address = http_server_address(f->server);
	struct sockaddr_storage to = {0};
	struct sockaddr_un *local = (struct sockaddr_un *)&to;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;
	uint16_t port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
	socklen_t size = sizeof(*v4);
	int fd;

	if (!strncmp(address, "unix:", 5)) {
		local->sun_family = AF_UNIX;
		snprintf(local->sun_path, sizeof(local->sun_path), "%s", address + 5);
		size = sizeof(*local);
	} else if (address[0] == '[') {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
		v6->sin6_addr = in6addr_loopback;
		size = sizeof(*v6);
	} else {
		*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, size), 0);
	return fd;
}

static inline void push_bytes(int fd, const char *bytes, size_t size)
{
	/* what the server has closed takes nothing: what it said before is what counts */
	(void)!send(fd, bytes, size, MSG_NOSIGNAL);
}

static inline void push(int fd, const char *text)
{
	push_bytes(fd, text, strlen(text));
}

/* Adds what has come. False: the server has closed. */
static inline bool pull(int fd, struct strbuf *reply)
{
	char bytes[65536];
	ssize_t size;

	while ((size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		strbuf_add(reply, bytes, (size_t)size);
	return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* Runs the loop until the server closes. */
static inline void pull_to_end(struct fixture *f, int fd, struct strbuf *reply)
{
	turn_until(f, !pull(fd, reply));
}

static inline bool is_open(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 &&
	       (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* Runs the loop until `text` has come. */
static inline void pull_until(struct fixture *f, int fd, struct strbuf *reply, const char *text)
{
	turn_until(f, (pull(fd, reply), memmem(reply->buf, reply->len, text, strlen(text))));
}

/* One request on a connection of its own, which the server is asked to close. `head`: "GET /path", `rest`: more
 * headers, each with its line's end; `body` may be NULL. The reply is the caller's. */
static inline void ask_with(struct fixture *f, const char *head, const char *rest, const char *body,
			    struct strbuf *reply)
{
	_cleanup_(strbuf_done) struct strbuf request = STRBUF_INIT;
	_cleanup_close_ int fd = dial(f);

	strbuf_addf(&request, "%s HTTP/1.1\r\n%s%sConnection: close\r\n", head,
		    !strncasecmp(rest, "host:", 5) || strcasestr(rest, "\nhost:")
			    ? ""
			    : "Host: localhost\r\n",
		    rest);
	if (body)
		strbuf_addf(&request, "Content-Length: %zu\r\n", strlen(body));
	strbuf_addf(&request, "\r\n%s", body ? body : "");
	push(fd, request.buf);
	strbuf_reset(reply);
	pull_to_end(f, fd, reply);
}

static inline void ask(struct fixture *f, const char *head, const char *rest, struct strbuf *reply)
{
	ask_with(f, head, rest, NULL, reply);
}

static inline int status_in(const struct strbuf *reply)
{
	return strncmp(reply->buf, "HTTP/1.1 ", 9) ? 0 : (int)strtol(reply->buf + 9, NULL, 10);
}

static inline const char *body_in(const struct strbuf *reply)
{
	const char *end = strstr(reply->buf, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static inline size_t body_size(const struct strbuf *reply)
{
	return reply->len - (size_t)(body_in(reply) - reply->buf);
}

/* A header's value up to its line's end; "" if it is not there. Valid until the next call. */
static inline const char *header_in(const struct strbuf *reply, const char *name)
{
	static char value[512];
	char wanted[64];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\r\n%s: ", name);
	at = strcasestr(reply->buf, wanted);
	if (!at || at > body_in(reply))
		return "";
	at += strlen(wanted);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
	return value;
}

/* The body's JSON, owned by the caller. */
static inline json_t *json_in(const struct strbuf *reply)
{
	json_error_t error;
	json_t *json = json_loadb(body_in(reply), body_size(reply), 0, &error);

	if (!json)
		fail_msg("no JSON: %s\n%s", error.text, reply->buf);
	return json;
}

static inline void expect(struct fixture *f, const char *head, const char *rest, int status)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;

	ask(f, head, rest, &reply);
	if (status_in(&reply) != status)
		fail_msg("%s (%s): wanted %d, got %s", head, rest, status, reply.buf);
}

#endif
