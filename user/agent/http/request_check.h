/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request_check.h - what is ours to parse of a request: its target, and the headers that decide something.
 *
 * Pure functions over hostile text; any thread. Header texts may be NULL: not there. Sources: RFC 9110 (HTTP),
 * RFC 3986 (URI), RFC 6454 (Origin), RFC 6750 (Bearer).
 */
#ifndef HF_AGENT_HTTP_REQUEST_CHECK_H
#define HF_AGENT_HTTP_REQUEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A path of a route has at most so many segments, and so many {parameters} in it. */
#define HTTP_SEGMENTS_MOST        16
#define HTTP_PATH_PARAMETERS_MOST 4

/*
 * Splits "/path?query" in place, at the first '?': *ret_query is "" if there is none. -EINVAL if it does not begin
 * with one slash (absolute form, "//host"), or holds a '#', a blank, a control character, or a byte above 126.
 */
int http_target_split(char *target, char **ret_query);

/*
 * Undoes %HH in place, and '+' for a blank if `plus`. -EINVAL, and the text is spoilt, if an escape is incomplete, or
 * the result is no UTF-8, or holds a control character.
 */
int http_decode(char *text, bool plus);

/*
 * The next name and value of a query, cut out in place but not decoded; *query moves on. Empty pairs are skipped; the
 * value is "" where there is no '='. False at the end.
 */
bool http_query_next(char **query, char **ret_name, char **ret_value);

/* A path that fits a route's: where its parameters are, in the order of the route, not decoded. */
struct http_path_match {
	uint32_t literal; /* bit 31: the first segment is literal, … : the greater, the better the match */
	unsigned int count;
	struct {
		const char *at;
		size_t size;
	} parameters[HTTP_PATH_PARAMETERS_MOST];
};

/* `path` as from http_target_split(). A {parameter} is never empty. */
bool http_path_matches(const char *pattern, const char *path, struct http_path_match *ret_match);

enum http_host_verdict { HTTP_HOST_FINE, HTTP_HOST_FOREIGN, HTTP_HOST_BROKEN };

/* name[:port], address[:port] or [address6][:port]. Fine are "localhost", loopback addresses, the names listed (ends
 * with NULL; may be NULL), and any address if `addresses`. */
enum http_host_verdict http_host_check(const char *host, const char *const *hosts, bool addresses);
/* "https://host:port" and "host:port", whatever the scheme; a port left out on either side is the scheme's. */
bool http_origin_is_host(const char *origin, const char *host);
/* The token within the header's text, or NULL: no bearer token, or one with characters that none has. */
const char *http_bearer(const char *authorization);
/* Whether this media type, parameters aside, is application/json. */
bool http_is_json(const char *content_type);

/* Accept-Encoding allows gzip: named or by "*", and not with q=0. */
bool http_takes_gzip(const char *accept_encoding);
/* Which of the media types has the greatest q in Accept; the first of equals; 0 if nothing is acceptable. */
size_t http_accept_choose(const char *accept, const char *const *offers, size_t count);
/* If-None-Match names this tag (with its quotes), weakly or not, or is "*". */
bool http_etag_listed(const char *if_none_match, const char *etag);
/* A decimal number within int64_t, nothing else. */
bool http_event_id_parse(const char *text, int64_t *ret_id);

#endif
