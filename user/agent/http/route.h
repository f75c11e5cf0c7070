/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * route.h - the one table of what the agent's HTTP server answers: it is matched, requests are checked
 * against it, and the OpenAPI document is made of it.
 *
 *	static const struct http_route routes[] = {
 *		{.method = HTTP_GET,
 *		 .path = "/api/v1/targets/{target}/trends",
 *		 .summary = "Memory over time",
 *		 .parameters = (const struct http_field[]){
 *			 {.name = "target", .place = HTTP_IN_PATH, .kind = HTTP_TEXT, .help = "id or pid-N"},
 *			 {.name = "points", .kind = HTTP_INTEGER, .least = 1, .most = 5000, .initial = "500",
 *			  .help = "how many points at most"},
 *			 {.name = NULL}},
 *		 .answer = {.schema = &trends_schema},
 *		 .handler = answer_trends},
 *		…
 *	};
 *	static const struct http_table table = {.routes = routes, .count = ARRAY_SIZE(routes), …};
 *
 * All of it is constant data that outlives the server; any thread may read it. Lists end with an
 * element whose name is NULL; a list that is NULL is empty.
 */
#ifndef HF_AGENT_HTTP_ROUTE_H
#define HF_AGENT_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request;

/* What the table may name. HEAD goes to GET's handler, OPTIONS is answered from the table. */
enum http_method { HTTP_GET, HTTP_POST, HTTP_DELETE };

/*
 * X(name, as OpenAPI calls the type)
 * TEXT: `least` to `most` bytes of UTF-8 (most 0: HTTP_TEXT_MOST), without control characters, but newlines and tabs
 * in a body. INTEGER: decimal, within ±2^53. NUMBER: as JSON writes it, finite. CHOICE: to the letter. BOOLEAN:
 * true or false, in a query also 1 and 0.
 */
#define HTTP_KINDS(X)         \
	X(TEXT, "string")     \
	X(INTEGER, "integer") \
	X(NUMBER, "number")   \
	X(CHOICE, "string")   \
	X(BOOLEAN, "boolean")

enum http_kind {
#define HTTP_KIND_ENUM(name, type) HTTP_##name,
	HTTP_KINDS(HTTP_KIND_ENUM) HTTP_KIND_COUNT
#undef HTTP_KIND_ENUM
};

#define HTTP_TEXT_MOST 1024

/* The body's fields are in a list of their own, and their place is HTTP_IN_BODY without being said. */
enum http_place { HTTP_IN_QUERY, HTTP_IN_PATH, HTTP_IN_BODY };

/* One value that a request may carry. */
struct http_field {
	const char *name;
	enum http_place place;
	enum http_kind kind;
	double least, most;  /* both 0: no bounds */
	const char *choices; /* "running|ended|all" */
	const char *initial; /* the default as one would write it in a query; NULL: none */
	bool required;       /* what is in the path always is */
	const char *help;
};

/* An object in answers. Its name is unique in the table: OpenAPI's components/schemas/NAME. */
struct http_schema {
	const char *name;
	const char *help;
	const struct http_answer_field *fields;
};

struct http_answer_field {
	const char *name;
	/* "integer", "number", "string", "boolean", "object"; "[]" after it: an array of these; "?" at the end: or
	 * null. */
	const char *type;
	const char *help;
	const struct http_schema *of; /* what the "object" is; NULL: any object */
};

struct http_answer {
	unsigned int status;              /* 0: 200 */
	const char *media_types;          /* "application/json|text/html"; NULL: application/json */
	const struct http_schema *schema; /* of the JSON; NULL: any object */
	const char *help;                 /* NULL: the route's summary */
};

/* Bytes of the program itself, served as they are, with ETag. See scripts/embed.S. */
struct http_asset {
	const char *type; /* "text/html; charset=utf-8" */
	const char *start, *end;
	bool packed; /* the bytes are gzip; unpacked for who does not take it */
};

enum http_flags {
	HTTP_CHANGES =
		1 << 0, /* changes state though the method is GET (POST and DELETE always do): the
				* CSRF rules hold */
	HTTP_STREAM = 1 << 1, /* answers with http_stream_open() */
	HTTP_PUBLIC = 1 << 2, /* asks for no token */
	HTTP_HIDDEN = 1 << 3, /* not in the OpenAPI document: the pages and their parts */
};

/* The handler returns one of these, or -errno for an answer 500. */
enum { HTTP_ANSWERED = 0, HTTP_LATER = 1 };

/* `user`: http_options.user. On the loop's thread; must not block. See http.h for what it may do. */
typedef int (*http_handler)(struct http_request *request, void *user);

struct http_route {
	enum http_method method;
	/* Segments are literal or {name}; the last may be {name*}: all the rest, one segment at least. Where several
	 * routes match, the one that is literal further left wins. */
	const char *path;
	const char *summary;
	const struct http_field *parameters; /* those in the path, all of them, and in the query */
	const struct http_field *body;       /* members of the JSON object; NULL: takes no body */
	struct http_answer answer;
	unsigned int flags;
	http_handler handler;
	const struct http_asset *asset; /* instead of a handler */
};

struct http_table {
	const struct http_route *routes;
	size_t count;
	const char *title, *description; /* of the OpenAPI document */
};

#endif
