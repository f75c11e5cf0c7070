/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/http/http_internal.h"
#include "report/export/json_out.h"

#define PACK_LEAST         1024 /* bytes: below, gzip gains nothing worth its time */
#define BUSY_OF_4          3 /* quarters of the connections: above, nobody keeps one that is idle */
#define JSON_TYPE          "application/json"
#define FILENAME_MAX_BYTES 128

/* X(code, status) for those that are not 500 */
#define STATUS_OF_CODES(X)  \
	X(USAGE, 400)       \
	X(CONFIG, 400)      \
	X(PERM, 403)        \
	X(NOPID, 404)       \
	X(NOFILE, 404)      \
	X(NOMALLOC, 409)    \
	X(UNSUPPORTED, 409) \
	X(NOKERNEL, 409)    \
	X(DETACHED, 409)    \
	X(BUDGET, 503)

static const unsigned int status_of_code[HF_E_COUNT] = {
#define STATUS_ROW(code, status) [HF_E_##code] = (status),
	STATUS_OF_CODES(STATUS_ROW)
#undef STATUS_ROW
};

void http_response_add(struct MHD_Response *response, const char *name, const char *value)
{
	if (response && value)
		MHD_add_response_header(response, name, value);
}

/* What a response of the server's total holds. */
struct held {
	struct http_server *server;
	char *bytes;
	size_t size;
};

static void free_held(void *user)
{
	struct held *held = user;

	held->server->stats.answer_bytes -= held->size;
	free(held->bytes);
	free(held);
}

static struct MHD_Response *hold(struct http_server *server, const struct http_body *body)
{
	struct MHD_Response *response;
	struct held *held;

	if (body->is_static)
		return MHD_create_response_from_buffer(body->size, body->bytes,
						       MHD_RESPMEM_PERSISTENT);
	held = malloc(sizeof(*held));
	if (!held)
		return NULL;
	*held = (struct held){server, body->bytes, body->size};
	response = MHD_create_response_from_buffer_with_free_callback_cls(body->size, body->bytes,
									  free_held, held);
	if (!response) {
		free(held);
		return NULL;
	}
	server->stats.answer_bytes += body->size;
	return response;
}

/* The body would be taken for the next request if it were left where it is. */
static bool leaves_body(const struct http_request *request)
{
	const char *length = http_header(request, "Content-Length");

	return !request->is_called &&
	       ((length && strcmp(length, "0") != 0) || http_header(request, "Transfer-Encoding"));
}

struct MHD_Response *http_response_new(struct http_request *request, struct http_body *body)
{
	struct http_server *server = request->server;
	const struct http_limits *limits = &server->limits;
	struct MHD_Response *response = NULL;

	if (body->is_static ||
	    server->stats.answer_bytes + body->size <= limits->answer_total_bytes)
		response = hold(server, body);
	else
		server->stats.rejected[HTTP_REJECT_MEMORY]++;
	if (!response) {
		if (!body->is_static)
			free(body->bytes);
		return NULL;
	}
	if (!request->is_head)
		server->stats.answer_bytes_total += body->size;
	http_response_add(response, "Content-Type", body->type);
	http_response_add(response, "Content-Encoding", body->encoding);
	http_response_add(response, "X-Content-Type-Options", "nosniff");
	http_response_add(response, "Referrer-Policy", "no-referrer");
	if (leaves_body(request) || server->stats.connections > limits->connections * BUSY_OF_4 / 4)
		http_response_add(response, "Connection", "close");
	return response;
}

int http_answer_response(struct http_request *request, unsigned int status,
			 struct MHD_Response *response)
{
	static const char failed[] =
		"{\"error\":{\"code\":\"HF-E-INTERNAL\",\"what\":\"the agent could not "
		"make an answer\",\"why\":\"\",\"fix\":\"ask again later\"}}\n";
	struct http_body body = {.type = JSON_TYPE,
				 .bytes = (char *)failed,
				 .size = sizeof(failed) - 1,
				 .is_static = true};

	if (request->is_answered) { /* the first one holds */
		if (response)
			MHD_destroy_response(response);
		return HTTP_ANSWERED;
	}
	if (!response) {
		status = status == 503 ? 503 : 500;
		response = http_response_new(request, &body);
	}
	request->status = status;
	request->response = response;
	request->is_answered = true;
	if (request->is_owed) {
		request->is_owed = false;
		http_resume_later(request);
	}
	return HTTP_ANSWERED;
}

static bool can_be_packed(const char *type)
{
	return !strncmp(type, "text/", 5) || !strncmp(type, "application/json", 16) ||
	       !strncmp(type, "application/openmetrics-text", 28) ||
	       !strncmp(type, "image/svg+xml", 13);
}

static int fill_from_strbuf(const void *user, struct sink *sink)
{
	const struct strbuf *bytes = user;

	sink_write(sink, bytes->buf, bytes->len);
	return 0;
}

/* Replaces the bytes by their gzip where that is wanted and possible. */
static bool pack(const struct http_request *request, const char *type, struct strbuf *bytes)
{
	_cleanup_(strbuf_done) struct strbuf packed = STRBUF_INIT;
	struct strbuf plain = *bytes;

	if (bytes->len <= PACK_LEAST || !can_be_packed(type) ||
	    !http_takes_gzip(http_header(request, "Accept-Encoding")) ||
	    sink_pack(fill_from_strbuf, bytes, &packed))
		return false;
	*bytes = packed;
	packed = plain;
	return true;
}

static void add_filename(struct MHD_Response *response, const char *filename)
{
	char text[FILENAME_MAX_BYTES + 32], clean[FILENAME_MAX_BYTES];
	size_t fill = 0;

	for (; *filename && fill < sizeof(clean) - 1; filename++) {
		bool is_plain = *filename > ' ' && *filename < 0x7f && *filename != '"' &&
				*filename != '\\' && *filename != '/';

		clean[fill++] = is_plain ? *filename : '_';
	}
	clean[fill] = '\0';
	snprintf(text, sizeof(text), "attachment; filename=\"%s\"", clean);
	http_response_add(response, "Content-Disposition", text);
}

/* It was answered too late: nobody is there. */
static int discard(struct http_request *request, struct strbuf *bytes)
{
	strbuf_done(bytes);
	http_request_free(request);
	return HTTP_ANSWERED;
}

int http_answer_bytes(struct http_request *request, const struct http_content *content,
		      struct strbuf *bytes)
{
	unsigned int status = content->status ? content->status : 200;
	struct http_body body = {.status = status, .type = content->type};
	struct MHD_Response *response;
	bool is_packed;

	if (!request->server)
		return discard(request, bytes);
	if (bytes->failed) {
		strbuf_done(bytes);
		return http_answer_response(request, 500, NULL);
	}
	is_packed = !content->packed && pack(request, content->type, bytes);
	body.encoding = is_packed ? "gzip" : NULL;
	body.size = bytes->len;
	body.bytes = strbuf_detach(bytes, NULL);
	if (!body.bytes)
		return http_answer_response(request, 500, NULL);
	response = http_response_new(request, &body);
	if (!response)
		return http_answer_response(request, 503, NULL);
	http_response_add(response, "Content-Security-Policy",
			  content->csp ? content->csp : HTTP_STRICT_CSP);
	http_response_add(response, "Cache-Control", "no-store");
	if (can_be_packed(content->type))
		http_response_add(response, "Vary", "Accept-Encoding");
	if (content->filename)
		add_filename(response, content->filename);
	return http_answer_response(request, status, response);
}

int http_answer_json(struct http_request *request, unsigned int status, struct strbuf *json)
{
	struct http_content content = {.status = status, .type = JSON_TYPE};

	return http_answer_bytes(request, &content, json);
}

struct json_out *http_json(struct http_request *request)
{
	if (!request->is_composing) {
		request->is_composing = true;
		strbuf_reset(&request->composed);
		sink_init_strbuf(&request->sink, &request->composed);
		json_out_init(&request->json, &request->sink, 0);
		json_out_begin_object(&request->json, NULL);
	}
	return &request->json;
}

int http_answer_composed(struct http_request *request, unsigned int status)
{
	json_out_end_object(http_json(request));
	sink_putc(&request->sink, '\n');
	request->is_composing = false;
	if (sink_finish(&request->sink))
		request->composed.failed = true;
	return http_answer_json(request, status, &request->composed);
}

static void write_error(struct json_out *json, const struct hf_error *error)
{
	char code[32];

	snprintf(code, sizeof(code), "HF-E-%s", error_code_name(error->code));
	json_out_string(json, "code", code);
	json_out_string(json, "what", error->what.buf);
	json_out_string(json, "why", error->why.buf);
	json_out_string(json, "fix", error->fix.buf);
}

int http_answer_status(struct http_request *request, unsigned int status,
		       const struct hf_error *error)
{
	struct json_out *json;

	request->is_composing = false; /* what the handler had begun */
	json = http_json(request);
	json_out_begin_object(json, "error");
	write_error(json, error);
	json_out_end_object(json);
	return http_answer_composed(request, status);
}

int http_answer_error(struct http_request *request, const struct hf_error *error)
{
	unsigned int status = status_of_code[error->code];

	return http_answer_status(request, status ? status : 500, error);
}

int http_refuse(struct http_request *request, const struct http_refusal *refusal)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;

	request->server->stats.rejected[refusal->reject]++;
	error_set(&error, refusal->code, "%s", refusal->what);
	if (refusal->why)
		error_why(&error, "%s", refusal->why);
	if (refusal->fix)
		error_fix(&error, "%s", refusal->fix);
	http_answer_status(request, refusal->status, &error);
	if (refusal->header)
		http_response_add(request->response, refusal->header, refusal->value);
	return HTTP_ANSWERED;
}

static void summarize_faults(const struct http_values *values, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	if (values->fault_count == 1)
		error_set(error, HF_E_USAGE, "a parameter is wrong");
	else
		error_set(error, HF_E_USAGE, "%zu parameters are wrong", values->fault_count);
	for (size_t i = 0; i < values->faults.count; i++) {
		const struct http_fault *fault = &values->faults.items[i];

		strbuf_addf(&why, "%s%s %s, expected %s", i ? "; " : "",
			    *fault->name ? fault->name : "the body", fault->what, fault->expected);
	}
	error_why(error, "%s", why.buf);
	error_fix(error, "/api/v1/openapi.json describes what each path takes");
}

int http_refuse_values(struct http_request *request)
{
	static const char *const places[] = {
		[HTTP_IN_QUERY] = "query", [HTTP_IN_PATH] = "path", [HTTP_IN_BODY] = "body"};
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const struct http_values *values = &request->values;
	struct json_out *json = http_json(request);

	request->server->stats.rejected[HTTP_REJECT_PARAMETERS]++;
	summarize_faults(values, &error);
	json_out_begin_object(json, "error");
	write_error(json, &error);
	json_out_begin_array(json, "parameters");
	for (size_t i = 0; i < values->faults.count; i++) {
		const struct http_fault *fault = &values->faults.items[i];

		json_out_begin_object(json, NULL);
		json_out_string(json, "name", fault->name);
		json_out_string(json, "in", places[fault->place]);
		json_out_string(json, "what", fault->what);
		json_out_string(json, "expected", fault->expected);
		json_out_end_object(json);
	}
	json_out_end_array(json);
	json_out_end_object(json);
	return http_answer_composed(request, 400);
}
