/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hostile text in, a verdict out. */
#include "agent/http/request_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

static void targets_are_split(void **state)
{
	static const char *const broken[] = {"",     "x",    "*",     "//host/path", "http://host/",
					     "/a b", "/a#b", "/\x80", "/\t",         "/a\x7f"};
	char good[] = "/a/b?c=d?e&f", plain[] = "/", text[32];
	char *query;

	(void)state;
	assert_int_equal(http_target_split(good, &query), 0);
	assert_string_equal(good, "/a/b");
	assert_string_equal(query, "c=d?e&f");
	assert_int_equal(http_target_split(plain, &query), 0);
	assert_string_equal(query, "");
	for (size_t i = 0; i < ROWS(broken); i++) {
		snprintf(text, sizeof(text), "%s", broken[i]);
		assert_int_equal(http_target_split(text, &query), -EINVAL);
	}
}

static void escapes_are_undone(void **state)
{
	static const struct {
		const char *encoded, *plain; /* NULL: refused */
		bool plus;
	} rows[] = {
		{"", "", true},
		{"a+b", "a b", true},
		{"a+b", "a+b", false},
		{"%41%5a%2F", "AZ/", true},
		{"%c3%A9", "é", true},
		{"%E2%82%AC", "€", true},
		{"%f0%9f%98%80", "😀", true},
		{"%", NULL, true},
		{"%4", NULL, true},
		{"%4g", NULL, true},
		{"%-1", NULL, true},
		{"%00", NULL, true},
		{"a%00b", NULL, true},
		{"%0a", NULL, true},
		{"%7f", NULL, true},
		{"%c0%af", NULL, true}, /* overlong slash */
		{"%e0%80%af", NULL, true},
		{"%ed%a0%80", NULL, true}, /* a surrogate */
		{"%f4%90%80%80", NULL, true},
		{"%f5%80%80%80", NULL, true},
		{"%c3", NULL, true},
		{"%80", NULL, true},
		{"%e2%82", NULL, true},
		{"%2525", "%25", true},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s", rows[i].encoded);
		assert_int_equal(http_decode(text, rows[i].plus), rows[i].plain ? 0 : -EINVAL);
		if (rows[i].plain)
			assert_string_equal(text, rows[i].plain);
	}
}

static void queries_are_cut_in_pairs(void **state)
{
	char text[] = "&&a=1&b&=x&c=d=e&";
	char *query = text, *name, *value;

	(void)state;
	assert_true(http_query_next(&query, &name, &value));
	assert_string_equal(name, "a");
	assert_string_equal(value, "1");
	assert_true(http_query_next(&query, &name, &value));
	assert_string_equal(name, "b");
	assert_string_equal(value, "");
	assert_true(http_query_next(&query, &name, &value));
	assert_string_equal(name, "");
	assert_string_equal(value, "x");
	assert_true(http_query_next(&query, &name, &value));
	assert_string_equal(name, "c");
	assert_string_equal(value, "d=e");
	assert_false(http_query_next(&query, &name, &value));
}

static void paths_fit_their_pattern(void **state)
{
	static const struct {
		const char *pattern, *path,
			*parameters; /* each with a blank behind it; NULL: no match */
	} rows[] = {
		{"/", "/", ""},
		{"/", "/a", NULL},
		{"/a", "/", NULL},
		{"/a", "/a", ""},
		{"/a", "/a/", NULL},
		{"/a/", "/a/", ""},
		{"/a/{x}", "/a/b", "b "},
		{"/a/{x}", "/a/", NULL},
		{"/a/{x}", "/a/b/c", NULL},
		{"/a/{x}/c/{y}", "/a/1/c/2", "1 2 "},
		{"/a/{x}/c", "/a/1/d", NULL},
		{"/{r*}", "/a/b/c", "a/b/c "},
		{"/{r*}", "/", NULL},
		{"/a/{r*}", "/a/b", "b "},
		{"/a/{r*}", "/ab", NULL},
		{"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16",
		 "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", ""},
		{"/{a}/{b}/{c}/{d}", "/1/2/3/4", "1 2 3 4 "},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct http_path_match match;
		char found[64] = "";
		size_t fill = 0;

		assert_int_equal(http_path_matches(rows[i].pattern, rows[i].path, &match),
				 rows[i].parameters != NULL);
		for (unsigned int p = 0; rows[i].parameters && p < match.count; p++)
			fill += (size_t)snprintf(found + fill, sizeof(found) - fill, "%.*s ",
						 (int)match.parameters[p].size,
						 match.parameters[p].at);
		if (rows[i].parameters)
			assert_string_equal(found, rows[i].parameters);
	}
}

static void literal_is_better_than_parameter_and_rest(void **state)
{
	static const char *const ascending[] = {"/{r*}",   "/{a}/{b}", "/{a}/x",
						"/p/{r*}", "/p/{b}",   "/p/x"};
	uint32_t last = 0;

	(void)state;
	for (size_t i = 0; i < ROWS(ascending); i++) {
		struct http_path_match match;

		assert_true(http_path_matches(ascending[i], "/p/x", &match));
		assert_true(match.literal > last || i == 0);
		last = match.literal;
	}
}

static void hosts_are_judged(void **state)
{
	static const char *const hosts[] = {"agent.example", NULL};
	static const struct {
		const char *host;
		enum http_host_verdict listed, plain, addresses;
	} rows[] = {
		{"localhost", HTTP_HOST_FINE, HTTP_HOST_FINE, HTTP_HOST_FINE},
		{"LocalHost:1", HTTP_HOST_FINE, HTTP_HOST_FINE, HTTP_HOST_FINE},
		{"127.9.9.9:65535", HTTP_HOST_FINE, HTTP_HOST_FINE, HTTP_HOST_FINE},
		{"[::1]", HTTP_HOST_FINE, HTTP_HOST_FINE, HTTP_HOST_FINE},
		{"[::ffff:127.0.0.1]:80", HTTP_HOST_FINE, HTTP_HOST_FINE, HTTP_HOST_FINE},
		{"agent.example:80", HTTP_HOST_FINE, HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN},
		{"192.0.2.1", HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN, HTTP_HOST_FINE},
		{"[2001:db8::1]:80", HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN, HTTP_HOST_FINE},
		{"localhost.", HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN},
		{"127.0.0.1.evil.example", HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN},
		{"0x7f000001", HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN},
		{"2130706433", HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN, HTTP_HOST_FOREIGN},
		{NULL, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{":80", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"localhost:", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"localhost:8x", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"localhost:123456", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"evil@localhost", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"localhost/evil", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"::1", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"[::1", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"[localhost]", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
		{"[::1]x", HTTP_HOST_BROKEN, HTTP_HOST_BROKEN, HTTP_HOST_BROKEN},
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		assert_int_equal(http_host_check(rows[i].host, hosts, false), rows[i].listed);
		assert_int_equal(http_host_check(rows[i].host, NULL, false), rows[i].plain);
		assert_int_equal(http_host_check(rows[i].host, NULL, true), rows[i].addresses);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(http_host_check(longest, NULL, false), HTTP_HOST_BROKEN);
}

static void an_origin_is_the_host_or_not(void **state)
{
	static const struct {
		const char *origin, *host;
		bool same;
	} rows[] = {
		{"http://localhost:7654", "localhost:7654", true},
		{"https://agent.example", "Agent.Example", true},
		{"https://agent.example", "agent.example:443", true},
		{"http://localhost:80", "localhost", true},
		{"http://[::1]:5", "[::1]:5", true},
		{"http://localhost:7654", "localhost:7655", false},
		{"http://localhost", "localhost:7654", false},
		{"http://evil", "localhost", false},
		{"http://localhost.evil", "localhost", false},
		{"http://localhost/", "localhost", false},
		{"null", "localhost", false},
		{"", "localhost", false},
		{"ftp://localhost", "localhost", false},
		{"localhost", "localhost", false},
		{"http://", "localhost", false},
		{"http://localhost", NULL, false},
		{NULL, "localhost", false},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(http_origin_is_host(rows[i].origin, rows[i].host), rows[i].same);
}

static void tokens_are_found(void **state)
{
	(void)state;
	assert_string_equal(http_bearer("Bearer abc"), "abc");
	assert_string_equal(http_bearer("bEARER   a-._~+/9="), "a-._~+/9=");
	assert_null(http_bearer(NULL));
	assert_null(http_bearer(""));
	assert_null(http_bearer("Bearer"));
	assert_null(http_bearer("Bearer "));
	assert_null(http_bearer("Bearer a b"));
	assert_null(http_bearer("Bearer a\"b"));
	assert_null(http_bearer("Basic abc"));
	assert_null(http_bearer("Bearerabc"));
}

static void media_types_are_compared(void **state)
{
	static const char *const offers[] = {"text/html", "application/json", "text/plain"};

	(void)state;
	assert_true(http_is_json("application/json"));
	assert_true(http_is_json("Application/JSON ; charset=utf-8"));
	assert_false(http_is_json("application/jsonp"));
	assert_false(http_is_json("text/plain; application/json"));
	assert_false(http_is_json(NULL));
	assert_int_equal(http_accept_choose(NULL, offers, 3), 0);
	assert_int_equal(http_accept_choose("", offers, 3), 0);
	assert_int_equal(http_accept_choose("*/*", offers, 3), 0);
	assert_int_equal(http_accept_choose("application/json", offers, 3), 1);
	assert_int_equal(http_accept_choose("text/*;q=0.5, application/json;q=0.6", offers, 3), 1);
	assert_int_equal(http_accept_choose("text/html;q=0.1, text/*", offers, 3), 2);
	assert_int_equal(http_accept_choose("*/*;q=0.9 , text/html; level=1 ;q=0", offers, 3), 1);
	assert_int_equal(http_accept_choose("image/png", offers, 3), 0);
	assert_int_equal(http_accept_choose("text/html;q=x, text/plain;q=0.001", offers, 3), 2);
}

static void gzip_is_taken_or_not(void **state)
{
	(void)state;
	assert_true(http_takes_gzip("gzip"));
	assert_true(http_takes_gzip("br, GZIP;q=0.1"));
	assert_true(http_takes_gzip("*"));
	assert_true(http_takes_gzip("identity; q=1, x-gzip"));
	assert_false(http_takes_gzip(NULL));
	assert_false(http_takes_gzip(""));
	assert_false(http_takes_gzip("br"));
	assert_false(http_takes_gzip("gzip;q=0"));
	assert_false(http_takes_gzip("gzip ; q=0.000"));
	assert_false(http_takes_gzip("*, gzip;q=0"));
	assert_false(http_takes_gzip("gzipped"));
}

static void tags_and_event_ids(void **state)
{
	int64_t id = 5;

	(void)state;
	assert_true(http_etag_listed("\"a\"", "\"a\""));
	assert_true(http_etag_listed("\"b\", W/\"a\"", "\"a\""));
	assert_true(http_etag_listed("*", "\"a\""));
	assert_false(http_etag_listed("\"A\"", "\"a\""));
	assert_false(http_etag_listed("a", "\"a\""));
	assert_false(http_etag_listed(NULL, "\"a\""));
	assert_true(http_event_id_parse("9223372036854775807", &id));
	assert_true(id == INT64_MAX);
	assert_false(http_event_id_parse("9223372036854775808", &id));
	assert_false(http_event_id_parse("-1", &id));
	assert_false(http_event_id_parse("", &id));
	assert_false(http_event_id_parse("1 ", &id));
	assert_false(http_event_id_parse(NULL, &id));
	assert_true(id == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_split),
		cmocka_unit_test(escapes_are_undone),
		cmocka_unit_test(queries_are_cut_in_pairs),
		cmocka_unit_test(paths_fit_their_pattern),
		cmocka_unit_test(literal_is_better_than_parameter_and_rest),
		cmocka_unit_test(hosts_are_judged),
		cmocka_unit_test(an_origin_is_the_host_or_not),
		cmocka_unit_test(tokens_are_found),
		cmocka_unit_test(media_types_are_compared),
		cmocka_unit_test(gzip_is_taken_or_not),
		cmocka_unit_test(tags_and_event_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
