/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values against their table; the table against itself; the rate. */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "agent/http/values.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/http/rate.h"
#include "agent/http/table.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cmocka_all.h"
#include "oom.h"

static const struct http_field parameters[] = {
	{.name = "id", .place = HTTP_IN_PATH, .kind = HTTP_INTEGER},
	{.name = "least", .kind = HTTP_INTEGER, .least = -10, .most = 10},
	{.name = "rate", .kind = HTTP_NUMBER, .required = true},
	{.name = "text", .least = 2, .most = 4},
	{.name = "way", .kind = HTTP_CHOICE, .choices = "up|down", .initial = "down"},
	{.name = "yes", .kind = HTTP_BOOLEAN},
	{.name = NULL},
};
static const struct http_field members[] = {
	{.name = "count", .kind = HTTP_INTEGER},
	{.name = "share", .kind = HTTP_NUMBER, .least = 0, .most = 1},
	{.name = "label", .required = true},
	{.name = "order", .kind = HTTP_CHOICE, .choices = "a|bc"},
	{.name = "flag", .kind = HTTP_BOOLEAN, .initial = "true"},
	{.name = NULL},
};

static int nothing(struct http_request *request, void *user)
{
	(void)request;
	(void)user;
	return HTTP_ANSWERED;
}

static const struct http_route route = {.method = HTTP_POST,
					.path = "/things/{id}",
					.summary = "s",
					.parameters = parameters,
					.body = members,
					.handler = nothing};

/* All of a request; the values are the caller's. */
static int check(struct http_values *values, const char *path, const char *query, const char *body)
{
	struct http_path_match match;
	char text[512];
	int err = http_values_init(values, &route);

	assert_true(http_path_matches(route.path, path, &match));
	snprintf(text, sizeof(text), "%s", query);
	if (!err)
		err = http_values_add_path(values, &match);
	if (!err)
		err = http_values_add_query(values, text);
	if (!err)
		err = http_values_add_body(values, body, strlen(body));
	return err ? err : http_values_finish(values);
}

/* Exactly one fault, of this name and what. */
static void assert_fault(const char *path, const char *query, const char *body, const char *told)
{
	struct http_values values;
	char text[256];

	assert_int_equal(check(&values, path, query, body), 0);
	if (values.faults.count != 1)
		fail_msg("%s ? %s < %s: %zu faults", path, query, body, values.faults.count);
	snprintf(text, sizeof(text), "%s %s", values.faults.items[0].name,
		 values.faults.items[0].what);
	assert_string_equal(text, told);
	assert_true(strlen(values.faults.items[0].expected) > 3);
	http_values_done(&values);
}

static void good_ones_pass(void **state)
{
	struct http_values values;

	(void)state;
	assert_int_equal(
		check(&values, "/things/9007199254740991",
		      "rate=-1.5E%2B3&text=%C3%A9&way=up&yes=true&least=-10",
		      "{\"count\":-3,\"share\":1,\"label\":\"a,{[\\\"\",\"order\":\"bc\",\"flag\":false}"),
		0);
	assert_int_equal(values.fault_count, 0);
	assert_true(http_values_find(&values, "id")->integer == 9007199254740991);
	assert_true(http_values_find(&values, "rate")->number == -1500);
	assert_string_equal(http_values_find(&values, "text")->text, "é");
	assert_int_equal(http_values_find(&values, "way")->choice, 0);
	assert_true(http_values_find(&values, "yes")->boolean);
	assert_int_equal(http_values_find(&values, "least")->integer, -10);
	assert_int_equal(http_values_find(&values, "count")->integer, -3);
	assert_true(http_values_find(&values, "share")->number == 1);
	assert_string_equal(http_values_find(&values, "label")->text, "a,{[\"");
	assert_int_equal(http_values_find(&values, "order")->choice, 1);
	assert_false(http_values_find(&values, "flag")->boolean);
	assert_null(http_values_find(&values, "other"));
	http_values_done(&values);
}

static void bad_ones_are_named(void **state)
{
	static const char label[] = "{\"label\":\"x\"}";

	(void)state;
	assert_fault("/things/x", "rate=1", label, "id is x");
	assert_fault("/things/9007199254740992", "rate=1", label, "id is 9007199254740992");
	assert_fault("/things/1", "", label, "rate is missing");
	assert_fault("/things/1", "rate=nan", label, "rate is nan");
	assert_fault("/things/1", "rate=1e999", label, "rate is 1e999");
	assert_fault("/things/1", "rate=0x10", label, "rate is 0x10");
	assert_fault("/things/1", "rate=1.", label, "rate is 1.");
	assert_fault("/things/1", "rate=", label, "rate is empty");
	assert_fault("/things/1", "rate=1&rate=1", label, "rate is given twice");
	assert_fault("/things/1", "rate=1&least=11", label, "least is 11");
	assert_fault("/things/1", "rate=1&least=01", label, "least is 01");
	assert_fault("/things/1", "rate=1&least=1.0", label, "least is 1.0");
	assert_fault("/things/1", "rate=1&text=a", label, "text is a");
	assert_fault("/things/1", "rate=1&text=abcde", label, "text is abcde");
	assert_fault("/things/1", "rate=1&text=a%0ab", label, "text is not well encoded");
	assert_fault("/things/1", "rate=1&way=Up", label, "way is Up");
	assert_fault("/things/1", "rate=1&way=up|down", label, "way is up|down");
	assert_fault("/things/1", "rate=1&yes=on", label, "yes is on");
	assert_fault("/things/1", "rate=1&id=1", label, "id is not known");
	assert_fault("/things/1", "rate=1&label=1", label, "label is not known");
	assert_fault("/things/1", "rate=1&%zz=1", label, "%zz is not known");
	assert_fault("/things/1", "rate=1", "", "label is missing");
	assert_fault("/things/1", "rate=1", "{\"label\":7}", "label is 7");
	assert_fault("/things/1", "rate=1", "{\"label\":null}", "label is missing");
	assert_fault("/things/1", "rate=1", "{\"label\":\"\\u0001\"}", "label is \\x01");
	assert_fault("/things/1", "rate=1", "{\"label\":\"x\",\"count\":1.0}", "count is 1.0");
	assert_fault("/things/1", "rate=1", "{\"label\":\"x\",\"count\":\"1\"}", "count is 1");
	assert_fault("/things/1", "rate=1", "{\"label\":\"x\",\"share\":1.01}", "share is 1.01");
	assert_fault("/things/1", "rate=1", "{\"label\":\"x\",\"flag\":1}", "flag is 1");
	assert_fault("/things/1", "rate=1", "{\"label\":\"x\",\"rate\":1}", "rate is not known");
}

static void a_body_is_one_flat_object(void **state)
{
	static const char *const broken[] = {"[1]",
					     "7",
					     "{",
					     "{\"label\":\"x\"} x",
					     "{\"label\":{}}",
					     "{\"label\":\"x\",\"label\":\"y\"}",
					     "{\"label\":\"\\u0000\"}",
					     "{\"label\":\"\xff\"}",
					     "{\"label\":\"x\",\"count\":[1]}"};
	struct http_values values;
	char crowd[1000] = "{\"label\":\"x\"";
	size_t fill = strlen(crowd);

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		assert_int_equal(check(&values, "/things/1", "rate=1", broken[i]), 0);
		assert_true(values.fault_count >= 1);
		assert_string_equal(values.faults.items[0].name, "");
		assert_int_equal(values.faults.items[0].place, HTTP_IN_BODY);
		http_values_done(&values);
	}
	for (int i = 0; i < HTTP_MEMBERS_MOST; i++)
		fill += (size_t)snprintf(crowd + fill, sizeof(crowd) - fill, ",\"m%d\":1", i);
	snprintf(crowd + fill, sizeof(crowd) - fill, "}");
	assert_int_equal(check(&values, "/things/1", "rate=1", crowd), 0);
	assert_null(values.body);
	http_values_done(&values);
}

static void faults_are_bounded(void **state)
{
	struct http_values values;

	(void)state;
	assert_int_equal(check(&values, "/things/1",
			       "a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y&z&rate=1",
			       "{\"label\":\"x\"}"),
			 0);
	assert_int_equal(values.fault_count, 26);
	assert_int_equal(values.faults.count, HTTP_FAULTS_MOST);
	http_values_done(&values);
}

static void without_memory_it_says_so(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct http_values values;
		int err;

		oom_arm(n);
		err = check(&values, "/things/1", "rate=x&text=ab&zz",
			    "{\"label\":\"x\",\"count\":true}");
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			assert_int_equal(values.fault_count, 3);
			http_values_done(&values);
			break;
		}
		http_values_done(&values);
		assert_int_equal(err, -ENOMEM);
	}
}

static void a_table_that_contradicts_itself_is_refused(void **state)
{
	static const struct http_field path_only[] = {{.name = "id", .place = HTTP_IN_PATH},
						      {.name = NULL}};
	static const struct http_field bad_default[] = {
		{.name = "n", .kind = HTTP_INTEGER, .initial = "x"}, {.name = NULL}};
	static const struct http_field no_choices[] = {{.name = "n", .kind = HTTP_CHOICE},
						       {.name = NULL}};
	static const struct http_field twice[] = {{.name = "n"}, {.name = "n"}, {.name = NULL}};
	static const struct http_field bounds[] = {
		{.name = "n", .kind = HTTP_INTEGER, .least = 3, .most = 2}, {.name = NULL}};
	static const struct http_asset asset = {"text/plain", "", "", false};
	static const struct http_route wrong[] = {
		{.path = NULL, .handler = nothing},
		{.path = "a", .handler = nothing},
		{.path = "/{id}", .handler = nothing},
		{.path = "/a", .parameters = path_only, .handler = nothing},
		{.path = "/{id", .parameters = path_only, .handler = nothing},
		{.path = "/{}", .parameters = path_only, .handler = nothing},
		{.path = "/{id*}/b", .parameters = path_only, .handler = nothing},
		{.path = "/a", .parameters = bad_default, .handler = nothing},
		{.path = "/a", .parameters = no_choices, .handler = nothing},
		{.path = "/a", .parameters = twice, .handler = nothing},
		{.path = "/a", .parameters = bounds, .handler = nothing},
		{.method = HTTP_POST,
		 .path = "/a",
		 .parameters = members,
		 .body = members,
		 .handler = nothing},
		{.path = "/a", .body = members, .handler = nothing},
		{.path = "/a"},
		{.path = "/a", .handler = nothing, .asset = &asset},
		{.method = HTTP_POST, .path = "/a", .asset = &asset},
	};
	static const struct http_route same[] = {{.path = "/a", .handler = nothing},
						 {.path = "/a", .handler = nothing}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
		struct http_table table = {&wrong[i], 1, NULL, NULL};

		if (!http_table_check(&table, &err))
			fail_msg("row %zu passes", i);
		assert_int_equal(err.code, HF_E_INTERNAL);
		assert_true(err.why.len > 0);
	}
	assert_true(http_table_check(&(struct http_table){same, 2, NULL, NULL}, NULL) < 0);
	assert_int_equal(http_table_check(&(struct http_table){&route, 1, NULL, NULL}, NULL), 0);
}

static void a_rate_is_kept_per_client(void **state)
{
	uint64_t now = 5 * NS_PER_S;
	struct http_rate rate;
	unsigned int wait_s = 0;

	(void)state;
	http_rate_init(&rate, 2, 4);
	for (int i = 0; i < 4; i++)
		assert_true(http_rate_take(&rate, 1, now, &wait_s));
	assert_false(http_rate_take(&rate, 1, now, &wait_s));
	assert_int_equal(wait_s, 1);
	assert_true(http_rate_take(&rate, 2, now, &wait_s));
	now += NS_PER_S / 2;
	assert_true(http_rate_take(&rate, 1, now, &wait_s));
	assert_false(http_rate_take(&rate, 1, now, &wait_s));
	now += 3600 * NS_PER_S; /* never more than the burst */
	for (int i = 0; i < 4; i++)
		assert_true(http_rate_take(&rate, 1, now, &wait_s));
	assert_false(http_rate_take(&rate, 1, now, &wait_s));
	for (uint64_t client = 100; client < 100 + HTTP_RATE_CLIENTS; client++)
		assert_true(http_rate_take(&rate, client, ++now, &wait_s));
	assert_true(http_rate_take(&rate, 1, now, &wait_s)); /* forgotten meanwhile */
	http_rate_init(&rate, 0, 0);
	for (int i = 0; i < 1000; i++)
		assert_true(http_rate_take(&rate, 1, now, &wait_s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_pass),
		cmocka_unit_test(bad_ones_are_named),
		cmocka_unit_test(a_body_is_one_flat_object),
		cmocka_unit_test(faults_are_bounded),
		cmocka_unit_test(without_memory_it_says_so),
		cmocka_unit_test(a_table_that_contradicts_itself_is_refused),
		cmocka_unit_test(a_rate_is_kept_per_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
