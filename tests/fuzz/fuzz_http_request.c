/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is ours to parse of a request: any bytes give a verdict, and a value that passes is what its table allows.
 * The input's lines: target, then the headers in the order below; the rest is the body.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/http/listen.h"
#include "agent/http/values.h"
#include "base/cleanup.h"

#define HEADERS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_field parameters[] = {
	{.name = "id", .place = HTTP_IN_PATH, .least = 1, .most = 12},
	{.name = "points", .kind = HTTP_INTEGER, .least = 1, .most = 5000, .initial = "500"},
	{.name = "from", .kind = HTTP_NUMBER},
	{.name = "sort", .kind = HTTP_CHOICE, .choices = "growth|rss|name"},
	{.name = "all", .kind = HTTP_BOOLEAN},
	{.name = "q", .required = true},
	{.name = NULL},
};
static const struct http_field members[] = {
	{.name = "name", .least = 1, .most = 10, .required = true},
	{.name = "wait_s", .kind = HTTP_INTEGER, .least = 0, .most = 60},
	{.name = "share", .kind = HTTP_NUMBER, .least = 0, .most = 1},
	{.name = "mode", .kind = HTTP_CHOICE, .choices = "a|b"},
	{.name = "trim", .kind = HTTP_BOOLEAN},
	{.name = NULL},
};
static const struct http_route route = {.method = HTTP_POST,
					.path = "/targets/{id}/trends",
					.parameters = parameters,
					.body = members};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_value(const struct http_value *value)
{
	const struct http_field *field = value->field;

	if (!value->present)
		return;
	switch (field->kind) {
	case HTTP_TEXT:
		must(strlen(value->text) >= (size_t)field->least);
		must(strlen(value->text) <=
		     (field->most > 0 ? (size_t)field->most : HTTP_TEXT_MOST));
		break;
	case HTTP_CHOICE:
		must(value->choice >= 0 && value->choice < 3);
		break;
	case HTTP_INTEGER:
		must(value->number == (double)value->integer);
		must(value->number >= field->least && value->number <= field->most);
		break;
	case HTTP_NUMBER:
		must(value->number - value->number == 0);
		must(field->most == 0 ||
		     (value->number >= field->least && value->number <= field->most));
		break;
	default:
		break;
	}
}

static void check_values(const struct http_path_match *match, char *query, const char *body,
			 size_t size)
{
	struct http_values values;

	must(!http_values_init(&values, &route));
	must(!http_values_add_path(&values, match));
	must(!http_values_add_query(&values, query));
	must(!http_values_add_body(&values, body, size));
	must(!http_values_finish(&values));
	must(values.faults.count <= HTTP_FAULTS_MOST && values.faults.count <= values.fault_count);
	for (size_t i = 0; i < values.items.count; i++)
		check_value(&values.items.items[i]);
	/* what is required is there, or there is a complaint */
	must(values.fault_count ||
	     (http_values_find(&values, "q")->given && http_values_find(&values, "name")->given));
	http_values_done(&values);
}

static void check_target(char *target, const char *body, size_t size)
{
	static const char *const patterns[] = {"/", "/targets/{id}", "/{a}/{b}/{c}/{d}",
					       "/ui/{rest*}"};
	struct http_path_match match;
	char *query;

	if (http_target_split(target, &query))
		return;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		if (!http_path_matches(patterns[i], target, &match))
			continue;
		for (unsigned int p = 0; p < match.count; p++) {
			must(match.parameters[p].size > 0 && match.parameters[p].at > target);
			must(match.parameters[p].at + match.parameters[p].size <=
			     target + strlen(target));
		}
	}
	if (http_path_matches(route.path, target, &match))
		check_values(&match, query, body, size);
}

static void check_headers(char *const header[HEADERS])
{
	static const char *const hosts[] = {"agent.example", NULL};
	static const char *const offers[] = {"text/plain", "application/json", "text/html"};
	const char *token = http_bearer(header[2]);
	int64_t id = 0;

	if (http_host_check(header[0], hosts, false) == HTTP_HOST_FINE)
		must(http_host_check(header[0], hosts, true) == HTTP_HOST_FINE);
	if (http_origin_is_host(header[1], header[0]))
		must(http_host_check(header[0], NULL, false) != HTTP_HOST_BROKEN);
	must(!token || (*token && !strpbrk(token, " \t\r\n\"")));
	must(http_accept_choose(header[3], offers, 3) < 3);
	(void)http_takes_gzip(header[4]);
	(void)http_etag_listed(header[5], "\"0123\"");
	(void)http_is_json(header[6]);
	must(!http_event_id_parse(header[7], &id) || id >= 0);
}

static void check_listen(const char *text)
{
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
	_cleanup_(strbuf_done) struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
	struct http_listen listen;
	int result = http_listen_parse(text, &listen, &err);

	must((result != 0) == error_is_set(&err));
	if (result)
		return;
	/* what it writes it reads, as the same */
	must(!http_listen_text(&listen, &first));
	must(!http_listen_parse(first.buf, &listen, NULL));
	must(!http_listen_text(&listen, &second));
	must(!strcmp(first.buf, second.buf));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *rest = copy, *header[HEADERS] = {NULL}, *target;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	target = strsep(&rest, "\n");
	for (size_t i = 0; i < HEADERS && rest; i++)
		header[i] = strsep(&rest, "\n");
	check_headers(header);
	check_listen(target);
	check_target(target, rest ? rest : "", rest ? size - (size_t)(rest - copy) : 0);
	free(copy);
	return 0;
}
