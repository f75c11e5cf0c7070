/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/http/request_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"

#define HOST_MOST    255
#define QUALITY_FULL 1000

int http_target_split(char *target, char **ret_query)
{
	char *query;

	if (target[0] != '/' || target[1] == '/')
		return -EINVAL;
	for (const char *at = target; *at; at++) {
		if (*at <= ' ' || *at > '~' || *at == '#')
			return -EINVAL;
	}
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	*ret_query = query ? query : target + strlen(target);
	return 0;
}

/* The bytes of the UTF-8 character at `at`, which ends with a NUL; 0 if it is none (RFC 3629). */
static size_t utf8_size(const unsigned char *at)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t size = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

	if (!size || at[0] > 0xf4)
		return 0;
	if (at[0] == 0xe0)
		low = 0xa0;
	else if (at[0] == 0xed)
		high = 0x9f;
	else if (at[0] == 0xf0)
		low = 0x90;
	else if (at[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < size; i++) {
		if (at[i] < low || at[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return size;
}

static bool is_clean(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t size = utf8_size(at);

		if (!size || *at < ' ' || *at == 0x7f)
			return false;
		at += size;
	}
	return true;
}

int http_decode(char *text, bool plus)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		int high, low;

		if (*at != '%') {
			*to++ = plus && *at == '+' ? ' ' : *at;
			continue;
		}
		high = units_hex_digit(at[1]);
		low = high < 0 ? -1 : units_hex_digit(at[2]);
		if (low < 0 || !(high << 4 | low))
			return -EINVAL;
		*to++ = (char)(high << 4 | low);
		at += 2;
	}
	*to = '\0';
	return is_clean(text) ? 0 : -EINVAL;
}

bool http_query_next(char **query, char **ret_name, char **ret_value)
{
	char *pair, *equals;

	do {
		pair = strsep(query, "&");
		if (!pair)
			return false;
	} while (!*pair);
	equals = strchr(pair, '=');
	if (equals)
		*equals++ = '\0';
	*ret_name = pair;
	*ret_value = equals ? equals : pair + strlen(pair);
	return true;
}

static void add_parameter(struct http_path_match *match, const char *at, size_t size)
{
	match->parameters[match->count].at = at;
	match->parameters[match->count++].size = size;
}

/* One segment against one of the pattern; both stand behind their slash. */
static bool segment_matches(const char *pattern, size_t pattern_size, const char *at, size_t size)
{
	if (pattern_size && pattern[0] == '{')
		return size > 0;
	return size == pattern_size && !memcmp(pattern, at, size);
}

bool http_path_matches(const char *pattern, const char *path, struct http_path_match *ret_match)
{
	struct http_path_match match = {0};

	for (unsigned int i = 0; *pattern == '/' && *path == '/' && i < HTTP_SEGMENTS_MOST; i++) {
		size_t pattern_size = strcspn(++pattern, "/"), size = strcspn(++path, "/");
		bool is_parameter = pattern[0] == '{';

		if (is_parameter && match.count == HTTP_PATH_PARAMETERS_MOST)
			return false;
		if (is_parameter && pattern_size > 2 && pattern[pattern_size - 2] == '*') {
			size = strlen(path);
			/* below every literal and every plain parameter */
			match.literal &= ~(UINT32_MAX >> i);
			add_parameter(&match, path, size);
			*ret_match = match;
			return size > 0;
		}
		if (!segment_matches(pattern, pattern_size, path, size))
			return false;
		if (is_parameter)
			add_parameter(&match, path, size);
		else
			match.literal |= 1U << (31 - i);
		pattern += pattern_size;
		path += size;
	}
	match.literal |= 1; /* the end: better than {rest*} that begins at the same place */
	*ret_match = match;
	return !*pattern && !*path;
}

/* Splits into name and port (NULL: none) without brackets: false if it is nothing of the kind. */
static bool split_host(const char *host, char name[HOST_MOST + 1], const char **ret_port)
{
	size_t size;
	const char *rest;
	bool bracketed = host[0] == '[';

	host += bracketed;
	size = bracketed ? strcspn(host, "]") : strcspn(host, ":");
	rest = host + size;
	if (!size || size > HOST_MOST || (bracketed && *rest++ != ']') || (*rest && *rest != ':'))
		return false;
	memcpy(name, host, size);
	name[size] = '\0';
	*ret_port = *rest ? rest + 1 : NULL;
	if (*ret_port && (!**ret_port || strspn(*ret_port, "0123456789") != strlen(*ret_port) ||
			  strlen(*ret_port) > 5))
		return false;
	return bracketed
		       ? strchr(name, ':') != NULL
		       : name[strspn(name,
				     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				     "-._")] == '\0';
}

static bool is_loopback_name(const char *name)
{
	static const unsigned char mapped[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
	struct in6_addr v6;
	struct in_addr v4;

	if (!strcasecmp(name, "localhost"))
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, name, &v6) == 1 &&
	       (IN6_IS_ADDR_LOOPBACK(&v6) || !memcmp(&v6, mapped, sizeof(mapped)));
}

static bool is_address(const char *name)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

enum http_host_verdict http_host_check(const char *host, const char *const *hosts, bool addresses)
{
	char name[HOST_MOST + 1];
	const char *port;

	if (!host || !split_host(host, name, &port))
		return HTTP_HOST_BROKEN;
	if (is_loopback_name(name) || (addresses && is_address(name)))
		return HTTP_HOST_FINE;
	for (; hosts && *hosts; hosts++) {
		if (!strcasecmp(*hosts, name))
			return HTTP_HOST_FINE;
	}
	return HTTP_HOST_FOREIGN;
}

bool http_origin_is_host(const char *origin, const char *host)
{
	char origin_name[HOST_MOST + 1], host_name[HOST_MOST + 1];
	const char *origin_port, *host_port, *usual;

	if (!origin || !host)
		return false;
	usual = !strncasecmp(origin, "http://", 7) ? "80" : "443";
	if (usual[0] == '4' && strncasecmp(origin, "https://", 8) != 0)
		return false;
	if (!split_host(strchr(origin, ':') + 3, origin_name, &origin_port) ||
	    !split_host(host, host_name, &host_port))
		return false;
	return !strcasecmp(origin_name, host_name) &&
	       !strcmp(origin_port ? origin_port : usual, host_port ? host_port : usual);
}

const char *http_bearer(const char *authorization)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		"-._~+/=";

	if (!authorization || strncasecmp(authorization, "bearer ", 7) != 0)
		return NULL;
	authorization += 7;
	authorization += strspn(authorization, " ");
	if (!*authorization || authorization[strspn(authorization, allowed)])
		return NULL;
	return authorization;
}

bool http_is_json(const char *content_type)
{
	static const char json[] = "application/json";
	const char *rest;

	if (!content_type || strncasecmp(content_type, json, sizeof(json) - 1) != 0)
		return false;
	rest = content_type + sizeof(json) - 1;
	rest += strspn(rest, " \t");
	return !*rest || *rest == ';';
}

/* An element of a header's list: "gzip;q=0.8" */
struct element {
	const char *name;
	size_t size;
	unsigned int quality; /* 0 to QUALITY_FULL */
};

/* "0.8" → 800; broken ones → 0: what is not understood is not wanted. */
static unsigned int parse_quality(const char *text, size_t size)
{
	unsigned int quality = 0, unit = QUALITY_FULL;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '.' && i == 1)
			continue;
		if (text[i] < '0' || text[i] > '9' || (i == 0 && text[i] > '1') || i > 4)
			return 0;
		quality += (unsigned int)(text[i] - '0') * unit;
		unit /= 10;
	}
	return quality > QUALITY_FULL ? QUALITY_FULL : quality;
}

static size_t trimmed(const char *text, size_t size)
{
	while (size && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	return size;
}

/* Quoted parameters that hold commas are cut in pieces, none of which means anything here. */
static bool next_element(const char **list, struct element *ret_element)
{
	const char *at = *list + strspn(*list, ", \t");
	size_t size = strcspn(at, ","), name_size = strcspn(at, ";,");
	struct element element = {at, trimmed(at, name_size), QUALITY_FULL};

	if (!*at)
		return false;
	for (size_t i = name_size; i < size;) {
		const char *parameter = at + i + 1;
		size_t left = size - i - 1, blanks = strspn(parameter, " \t"), length;

		if (blanks > left)
			blanks = left;
		parameter += blanks;
		length = strcspn(parameter, ";,");
		if (length > 1 && (*parameter | 0x20) == 'q' && parameter[1] == '=')
			element.quality =
				parse_quality(parameter + 2, trimmed(parameter + 2, length - 2));
		i = (size_t)(parameter - at) + length;
	}
	*list = at + size;
	*ret_element = element;
	return true;
}

static bool element_is(const struct element *element, const char *name)
{
	return strlen(name) == element->size && !strncasecmp(name, element->name, element->size);
}

bool http_takes_gzip(const char *accept_encoding)
{
	struct element element;
	int any = -1;

	while (accept_encoding && next_element(&accept_encoding, &element)) {
		if (element_is(&element, "gzip") || element_is(&element, "x-gzip"))
			return element.quality > 0;
		if (element_is(&element, "*"))
			any = element.quality > 0;
	}
	return any > 0;
}

/* How much this element says about the type: 0 nothing, then any type, any subtype, the type itself. */
static unsigned int fit(const struct element *element, const char *type)
{
	size_t main_size = strcspn(type, "/") + 1;

	if (element_is(element, "*/*"))
		return 1;
	if (element->size == main_size + 1 && element->name[main_size] == '*' &&
	    !strncasecmp(element->name, type, main_size))
		return 2;
	return element_is(element, type) ? 3 : 0;
}

static unsigned int accept_quality(const char *accept, const char *type)
{
	unsigned int quality = 0, best = 0;
	struct element element;

	while (next_element(&accept, &element)) {
		unsigned int fits = fit(&element, type);

		if (fits > best || (fits && fits == best && element.quality > quality)) {
			best = fits;
			quality = element.quality;
		}
	}
	return quality;
}

size_t http_accept_choose(const char *accept, const char *const *offers, size_t count)
{
	unsigned int best_quality = 0;
	size_t best = 0;

	for (size_t i = 0; accept && i < count; i++) {
		unsigned int quality = accept_quality(accept, offers[i]);

		if (quality > best_quality) {
			best_quality = quality;
			best = i;
		}
	}
	return best;
}

bool http_etag_listed(const char *if_none_match, const char *etag)
{
	struct element element;

	while (if_none_match && next_element(&if_none_match, &element)) {
		if (element.size > 2 && !strncmp(element.name, "W/", 2)) {
			element.name += 2;
			element.size -= 2;
		}
		if (element_is(&element, "*") ||
		    (element.size == strlen(etag) && !memcmp(element.name, etag, element.size)))
			return true;
	}
	return false;
}

bool http_event_id_parse(const char *text, int64_t *ret_id)
{
	uint64_t id;

	if (!text || units_parse_u64(text, &id) || id > INT64_MAX)
		return false;
	*ret_id = (int64_t)id;
	return true;
}
