/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * values.h - the values of a request, checked against the table of its route, with all that is wrong with them.
 *
 * Pure; any thread with its own structs. Limits: HTTP_FAULTS_MOST faults are told, the rest only counted; a body is
 * one flat object of at most HTTP_MEMBERS_MOST members, which bounds what the JSON reader may need for it.
 */
#ifndef HF_AGENT_HTTP_VALUES_H
#define HF_AGENT_HTTP_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/http/request_check.h"
#include "agent/http/route.h"
#include "base/strbuf.h"
#include "base/vec.h"

#define HTTP_FAULTS_MOST  20
#define HTTP_MEMBERS_MOST 64

struct http_value {
	const struct http_field *field;
	enum http_place place;
	bool given;   /* by the client */
	bool present; /* given, or there is a default */
	int choice;   /* -1: none */
	int64_t integer;
	double number;
	const char *text; /* the values' */
	bool boolean;
};

struct http_fault {
	char *name; /* "" for the body as a whole */
	enum http_place place;
	char *what;     /* "is 0", "is not known", "is missing" */
	char *expected; /* "an integer from 1 to 5000" */
};

struct http_values {
	VEC(struct http_value) items; /* parameters, then the body's, in the table's order */
	VEC(struct http_fault) faults;
	size_t fault_count; /* also those that are not told */
	VEC(char *) texts;  /* decoded, owned */
	void *body;         /* jansson's, whose texts are borrowed */
	size_t parameters;  /* so many of the items are no body's */
};

/* Every field of the route with its default. 0 or -ENOMEM. Follow with http_values_done() in any case. */
int http_values_init(struct http_values *values, const struct http_route *route);
void http_values_done(struct http_values *values);

/* Each adds values and faults; 0 or -ENOMEM. `query` is cut up. */
int http_values_add_path(struct http_values *values, const struct http_path_match *match);
int http_values_add_query(struct http_values *values, char *query);
int http_values_add_body(struct http_values *values, const char *json, size_t size);
/* What is required and was not given. Last. */
int http_values_finish(struct http_values *values);

/* NULL if the route has no such field. */
const struct http_value *http_values_find(const struct http_values *values, const char *name);

/* A default, or what a query holds, after decoding. False: it is not of this kind, or out of range; *ret_value is then
 * untouched. `text` is borrowed; ret_value->place tells where it comes from. */
bool http_field_parse(const struct http_field *field, const char *text,
		      struct http_value *ret_value);
/* The i-th choice of "a|b|c", without NUL; NULL behind the last. */
const char *http_choice_at(const char *choices, unsigned int index, size_t *ret_size);

#endif
