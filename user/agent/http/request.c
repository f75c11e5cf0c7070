/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/http/http_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"

#define ALLOW_MOST 64

const char *http_header(const struct http_request *request, const char *name)
{
	return request->mhd ? MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name)
			    : NULL;
}

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* What is returned here is the request of the other callbacks; NULL: the connection is closed there. */
void *http_request_begin(void *user, const char *uri, struct MHD_Connection *mhd)
{
	struct http_server *server = user;
	struct http_connection *connection = connection_of(mhd);
	struct http_request *request = connection ? malloc(sizeof(*request)) : NULL;

	if (!request)
		return NULL;
	memset(request, 0, offsetof(struct http_request, sink));
	request->target = strdup(uri);
	if (!request->target) {
		free(request);
		return NULL;
	}
	request->server = server;
	request->mhd = mhd;
	request->connection = connection;
	request->peer = connection->peer;
	strbuf_init(&request->body);
	strbuf_init(&request->composed);
	connection->has_asked = true;
	connection->request = request;
	http_set_state(server, connection, HTTP_STATE_HEADERS);
	return request;
}

void http_request_free(struct http_request *request)
{
	if (request->has_values)
		http_values_done(&request->values);
	if (request->response)
		MHD_destroy_response(request->response);
	strbuf_done(&request->body);
	strbuf_done(&request->composed);
	free(request->target);
	free(request);
}

/* Also of requests that never came so far as to have a route. */
void http_request_end(void *user, struct MHD_Connection *mhd, void **context,
		      enum MHD_RequestTerminationCode code)
{
	struct http_server *server = user;
	struct http_request *request = *context;

	(void)mhd;
	(void)code;
	*context = NULL;
	if (!request)
		return;
	server->stats.body_bytes -= request->body_reserved;
	request->connection->request = NULL;
	http_set_state(server, request->connection, HTTP_STATE_IDLE);
	if (request->is_listed)
		TAILQ_REMOVE(&server->to_resume, request, link);
	if (request->stream)
		http_stream_detach(request->stream);
	request->connection = NULL;
	request->mhd = NULL;
	request->server = NULL;
	request->is_listed = request->is_suspended = false;
	if (!request->is_owed)
		http_request_free(request); /* else whoever owes the answer does */
}

static int check_size(struct http_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (!info || info->header_size <= request->server->limits.header_bytes)
		return 0;
	return http_refuse(request, &(struct http_refusal){
					    .reject = HTTP_REJECT_HEADERS,
					    .status = 431,
					    .code = HF_E_USAGE,
					    .what = "the request's headers are too large",
				    });
}

static int check_rate(struct http_request *request)
{
	struct http_server *server = request->server;
	unsigned int wait_s;
	char text[16];

	if (http_rate_take(&server->rate, request->connection->rate_key, clock_now_ns(), &wait_s))
		return 0;
	snprintf(text, sizeof(text), "%u", wait_s);
	return http_refuse(request, &(struct http_refusal){
					    .reject = HTTP_REJECT_RATE,
					    .status = 429,
					    .code = HF_E_BUDGET,
					    .what = "too many requests",
					    .fix = "ask again after the seconds in Retry-After",
					    .header = "Retry-After",
					    .value = text,
				    });
}

static int check_host(struct http_request *request)
{
	const struct http_server *server = request->server;
	const char *const *hosts = (const char *const *)server->hosts;
	enum http_host_verdict verdict =
		server->listen.is_local ? HTTP_HOST_FINE
					: http_host_check(http_header(request, "Host"), hosts,
							  !server->listen.is_loopback);

	if (verdict == HTTP_HOST_FINE)
		return 0;
	if (verdict == HTTP_HOST_BROKEN)
		return http_refuse(request, &(struct http_refusal){
						    .reject = HTTP_REJECT_HOST,
						    .status = 400,
						    .code = HF_E_USAGE,
						    .what = "the Host header is missing or broken",
					    });
	return http_refuse(request,
			   &(struct http_refusal){
				   .reject = HTTP_REJECT_HOST,
				   .status = 403,
				   .code = HF_E_PERM,
				   .what = "the agent does not answer under this host name",
				   .why = "a page from elsewhere could make a browser ask in its "
					  "name",
				   .fix = "use localhost or the address, or add the name to the "
					  "agent's allowed hosts",
			   });
}

/* What the table allows for this path: "GET, HEAD, OPTIONS"; "" if nothing. */
static void list_methods(const struct http_request *request, char allow[ALLOW_MOST])
{
	static const char *const names[] = {
		[HTTP_GET] = "GET, HEAD, ", [HTTP_POST] = "POST, ", [HTTP_DELETE] = "DELETE, "};
	const struct http_table *table = request->server->table;
	bool has[3] = {false};
	struct http_path_match match;
	size_t fill = 0;

	for (size_t i = 0; i < table->count; i++) {
		if (!strcmp(request->target, "*") ||
		    http_path_matches(table->routes[i].path, request->target, &match))
			has[table->routes[i].method] = true;
	}
	allow[0] = '\0';
	for (size_t i = 0; i < 3; i++) {
		if (has[i])
			fill += (size_t)snprintf(allow + fill, ALLOW_MOST - fill, "%s", names[i]);
	}
	if (fill)
		snprintf(allow + fill, ALLOW_MOST - fill, "OPTIONS");
}

static int refuse_path(struct http_request *request, unsigned int status, const char *what)
{
	return http_refuse(request, &(struct http_refusal){
					    .reject = HTTP_REJECT_PATH,
					    .status = status,
					    .code = status == 404 ? HF_E_NOFILE : HF_E_USAGE,
					    .what = what,
					    .fix = "/api/v1/openapi.json describes what there is",
				    });
}

static int answer_options(struct http_request *request, const char *allow)
{
	struct http_body body = {.status = 204, .bytes = (char *)"", .is_static = true};
	struct MHD_Response *response = http_response_new(request, &body);

	http_response_add(response, "Allow", allow);
	return http_answer_response(request, 204, response);
}

static int check_method(struct http_request *request, const char *method)
{
	char allow[ALLOW_MOST];

	if (request->route)
		return 0;
	list_methods(request, allow);
	if (!*allow)
		return refuse_path(request, 404, "there is nothing at this path");
	if (!strcmp(method, "OPTIONS"))
		return answer_options(request, allow);
	return http_refuse(request, &(struct http_refusal){
					    .reject = HTTP_REJECT_METHOD,
					    .status = 405,
					    .code = HF_E_USAGE,
					    .what = "this path does not take this method",
					    .fix = "the header Allow tells which it takes",
					    .header = "Allow",
					    .value = allow,
				    });
}

static bool method_of(const char *name, enum http_method *ret_method)
{
	if (!strcmp(name, "GET") || !strcmp(name, "HEAD"))
		*ret_method = HTTP_GET;
	else if (!strcmp(name, "POST"))
		*ret_method = HTTP_POST;
	else if (!strcmp(name, "DELETE"))
		*ret_method = HTTP_DELETE;
	else
		return false;
	return true;
}

/* The route, or an answer; and the values in path and query, whose faults are told after the other checks. */
static int check_target(struct http_request *request, const char *method)
{
	const struct http_table *table = request->server->table;
	struct http_path_match match, best = {0};
	enum http_method wanted;
	char *query = NULL;
	int err;

	if (strcmp(request->target, "*") != 0 && http_target_split(request->target, &query))
		return refuse_path(request, 400, "the request's target is not a path");
	for (size_t i = 0; i < table->count && method_of(method, &wanted); i++) {
		if (table->routes[i].method != wanted ||
		    !http_path_matches(table->routes[i].path, request->target, &match) ||
		    (request->route && match.literal <= best.literal))
			continue;
		best = match;
		request->route = &table->routes[i];
	}
	if (!request->route)
		return check_method(request, method);
	request->has_values = true;
	err = http_values_init(&request->values, request->route);
	if (!err)
		err = http_values_add_path(&request->values, &best);
	if (!err)
		err = http_values_add_query(&request->values, query);
	return err ? http_answer_response(request, 500, NULL) : 0;
}

static int check_origin(struct http_request *request)
{
	const char *origin = http_header(request, "Origin"),
		   *own = http_header(request, "X-Holdfast");
	bool is_marked = http_is_json(http_header(request, "Content-Type")) ||
			 (own && !strcmp(own, "1"));

	if (request->route->method == HTTP_GET && !(request->route->flags & HTTP_CHANGES))
		return 0;
	if (origin && !http_origin_is_host(origin, http_header(request, "Host")))
		return http_refuse(
			request,
			&(struct http_refusal){
				.reject = HTTP_REJECT_ORIGIN,
				.status = 403,
				.code = HF_E_PERM,
				.what = "a page from elsewhere may not change anything here",
				.why = "the Origin header is not this host",
			});
	if (is_marked)
		return 0;
	return http_refuse(
		request, &(struct http_refusal){
				 .reject = HTTP_REJECT_ORIGIN,
				 .status = 403,
				 .code = HF_E_PERM,
				 .what = "this request changes something and does not say that it "
					 "means it",
				 .why = "any page could make a browser send it",
				 .fix = "send Content-Type: application/json or X-Holdfast: 1",
			 });
}

static int check_token(struct http_request *request)
{
	const char *token = http_bearer(http_header(request, "Authorization"));
	uint8_t digest[SHA256_BYTES];

	if (!request->server->has_token || (request->route->flags & HTTP_PUBLIC))
		return 0;
	if (token) {
		sha256_of(token, strlen(token), digest);
		if (sha256_equal(digest, request->server->token))
			return 0;
	}
	return http_refuse(request, &(struct http_refusal){
					    .reject = HTTP_REJECT_TOKEN,
					    .status = 401,
					    .code = HF_E_PERM,
					    .what = token ? "this is not the agent's token"
							  : "the agent wants its token",
					    .fix = "send Authorization: Bearer TOKEN",
					    .header = "WWW-Authenticate",
					    .value = "Bearer realm=\"holdfast\"",
				    });
}

static int refuse_body(struct http_request *request, unsigned int status, const char *what)
{
	return http_refuse(request,
			   &(struct http_refusal){
				   .reject = status == 503 ? HTTP_REJECT_MEMORY : HTTP_REJECT_BODY,
				   .status = status,
				   .code = status == 503 ? HF_E_BUDGET : HF_E_USAGE,
				   .what = what,
			   });
}

/* Its size is known before the first byte of it is taken. */
static int check_body(struct http_request *request)
{
	struct http_server *server = request->server;
	const char *length = http_header(request, "Content-Length");
	uint64_t size = 0;

	if (http_header(request, "Transfer-Encoding"))
		return refuse_body(request, 411, "a body must come with its Content-Length");
	if (length && units_parse_u64(length, &size))
		return refuse_body(request, 400, "Content-Length is no number");
	if (!size)
		return 0;
	if (request->route->method == HTTP_GET)
		return refuse_body(request, 400, "GET takes no body");
	if (size > server->limits.body_bytes)
		return refuse_body(request, 413, "the body is too large");
	if (!http_is_json(http_header(request, "Content-Type")))
		return refuse_body(request, 415, "the body is not application/json");
	if (server->stats.body_bytes + size > server->limits.body_total_bytes)
		return refuse_body(request, 503, "too many large requests at once");
	request->body_reserved = size;
	server->stats.body_bytes += size;
	return 0;
}

/* In the order that http.h tells; the first that answers ends it. */
static void check_headers(struct http_request *request, const char *method)
{
	static int (*const checks[])(struct http_request *) = {check_origin, check_token,
							       check_body};

	request->is_checked = true;
	request->is_head = !strcmp(method, "HEAD");
	check_size(request);
	if (!request->is_answered)
		check_rate(request);
	if (!request->is_answered)
		check_host(request);
	if (!request->is_answered)
		check_target(request, method);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !request->is_answered; i++)
		checks[i](request);
}

static void call_handler(struct http_request *request)
{
	struct http_server *server = request->server;
	int err = http_values_add_body(&request->values, request->body.buf, request->body.len);

	if (!err)
		err = http_values_finish(&request->values);
	strbuf_done(&request->body); /* what is needed of it is in the values */
	if (err) {
		http_answer_response(request, 500, NULL);
		return;
	}
	if (request->values.fault_count) {
		http_refuse_values(request);
		return;
	}
	err = request->route->asset ? http_answer_asset(request)
				    : request->route->handler(request, server->user);
	if (request->is_answered)
		return;
	if (err == HTTP_LATER) {
		request->is_owed = true;
		return;
	}
	log_err(err, "%s: a handler gave no answer", request->route->path);
	http_answer_response(request, 500, NULL);
}

static enum MHD_Result queue_answer(struct http_request *request)
{
	struct http_server *server = request->server;
	enum MHD_Result result;

	if (!request->response)
		return MHD_NO;
	result = MHD_queue_response(request->mhd, request->status, request->response);
	MHD_destroy_response(request->response);
	request->response = NULL;
	if (request->status / 100 < 6)
		server->stats.answers[request->status / 100]++;
	http_set_state(server, request->connection,
		       request->stream ? HTTP_STATE_STREAM : HTTP_STATE_ANSWER);
	return result;
}

/*
 * MHD calls it when the headers are there, for each piece of the body, and when all is there; and once more when
 * a request that was suspended is resumed.
 */
enum MHD_Result http_request_continue(HTTP_MHD_HANDLER)
{
	struct http_request *request = *context;

	(void)user;
	(void)mhd;
	(void)url;
	(void)version;
	if (!request)
		return MHD_NO;
	if (!request->is_checked) {
		check_headers(request, method);
		if (request->is_answered)
			return queue_answer(request);
		http_set_state(request->server, request->connection, HTTP_STATE_BODY);
		return MHD_YES;
	}
	if (*upload_size) {
		if (request->body.len + *upload_size > request->body_reserved ||
		    strbuf_add(&request->body, upload, *upload_size))
			return MHD_NO;
		*upload_size = 0;
		return MHD_YES;
	}
	if (!request->is_called) {
		request->is_called = true;
		call_handler(request);
	} else if (request->connection->is_shut) {
		return MHD_NO; /* resumed for its end */
	}
	if (request->is_answered)
		return queue_answer(request);
	http_set_state(request->server, request->connection, HTTP_STATE_DEFERRED);
	request->is_suspended = true;
	MHD_suspend_connection(mhd);
	return MHD_YES;
}

/* A handler that asks for what its route has not is a mistake that no request should be answered with. */
static const struct http_value *value_of(const struct http_request *request, const char *name)
{
	const struct http_value *value = http_values_find(&request->values, name);

	if (value)
		return value;
	log_error("%s has no value \"%s\"", request->route->path, name);
	abort();
}

bool http_given(const struct http_request *request, const char *name)
{
	return value_of(request, name)->given;
}

int64_t http_integer(const struct http_request *request, const char *name)
{
	return value_of(request, name)->integer;
}

double http_number(const struct http_request *request, const char *name)
{
	return value_of(request, name)->number;
}

const char *http_text(const struct http_request *request, const char *name)
{
	return value_of(request, name)->text;
}

int http_choice(const struct http_request *request, const char *name)
{
	return value_of(request, name)->choice;
}

bool http_boolean(const struct http_request *request, const char *name)
{
	return value_of(request, name)->boolean;
}

const struct http_route *http_request_route(const struct http_request *request)
{
	return request->route;
}

size_t http_preferred(const struct http_request *request, const char *const *offers, size_t count)
{
	return http_accept_choose(http_header(request, "Accept"), offers, count);
}

bool http_last_event_id(const struct http_request *request, int64_t *ret_id)
{
	return http_event_id_parse(http_header(request, "Last-Event-ID"), ret_id);
}

const struct http_peer *http_request_peer(const struct http_request *request)
{
	return &request->peer;
}
