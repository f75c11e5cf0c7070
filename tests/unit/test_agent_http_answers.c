/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What handlers get and what they answer with, over a real connection. */
#include <zlib.h>

#include "http_fixture.h"

#define GZIP "Accept-Encoding: br, gzip;q=0.5\r\n"

static size_t unpacked_size(const struct strbuf *reply, char *to, size_t most)
{
	z_stream stream = {.next_in = (unsigned char *)body_in(reply),
			   .avail_in = (uInt)body_size(reply),
			   .next_out = (unsigned char *)to,
			   .avail_out = (uInt)most};

	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	inflateEnd(&stream);
	return stream.total_out;
}

static void assert_text(const json_t *json, const char *name, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(json, name)), expected);
}

static void values_come_checked(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	struct fixture f;
	json_t *json;

	(void)state;
	begin(&f);
	start(&f);
	ask(&f, "GET /api/v1/targets/pid-7/trends", "", &reply);
	json = json_in(&reply);
	assert_string_equal(header_in(&reply, "Content-Type"), "application/json");
	assert_text(json, "target", "pid-7");
	assert_int_equal(json_integer_value(json_object_get(json, "points")), 500);
	assert_text(json, "sort", "none");
	assert_int_equal(json_integer_value(json_object_get(json, "sort_index")), -1);
	assert_true(json_is_false(json_object_get(json, "points_given")));
	json_decref(json);
	ask(&f, "GET /api/v1/targets/a%20b/trends?points=1&share=-2.5e-1&sort=rss&all=1&", "",
	    &reply);
	json = json_in(&reply);
	assert_text(json, "target", "a b");
	assert_int_equal(json_integer_value(json_object_get(json, "points")), 1);
	assert_true(json_number_value(json_object_get(json, "share")) == -0.25);
	assert_text(json, "sort", "rss");
	assert_int_equal(json_integer_value(json_object_get(json, "sort_index")), 1);
	assert_true(json_is_true(json_object_get(json, "all")));
	assert_true(json_is_true(json_object_get(json, "points_given")));
	json_decref(json);
	end(&f);
}

static void all_wrong_parameters_are_told_at_once(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	const json_t *error, *list;
	struct fixture f;
	json_t *json;

	(void)state;
	begin(&f);
	start(&f);
	ask(&f,
	    "GET /api/v1/targets/123456789012345678901/trends?points=0&sort=size&all=yes&colour=red",
	    "", &reply);
	assert_int_equal(status_in(&reply), 400);
	json = json_in(&reply);
	error = json_object_get(json, "error");
	assert_text(error, "code", "HF-E-USAGE");
	assert_text(error, "what", "5 parameters are wrong");
	assert_non_null(strstr(json_string_value(json_object_get(error, "why")),
			       "points is 0, expected an integer from 1 to 5000"));
	list = json_object_get(error, "parameters");
	assert_int_equal(json_array_size(list), 5);
	assert_text(json_array_get(list, 0), "name", "target");
	assert_text(json_array_get(list, 0), "in", "path");
	assert_text(json_array_get(list, 2), "what", "is size");
	assert_text(json_array_get(list, 2), "expected", "growth, rss or name");
	assert_text(json_array_get(list, 4), "name", "colour");
	assert_text(json_array_get(list, 4), "expected", "one of points, share, sort, all");
	json_decref(json);
	assert_int_equal(f.calls, 0);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_PARAMETERS], 1);
	end(&f);
}

static void bodies_are_read(void **state)
{
	static const char head[] = "POST /api/v1/targets/7/gc",
			  type[] = "Content-Type: application/json\r\n";
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	struct fixture f;
	json_t *json;

	(void)state;
	begin(&f);
	start(&f);
	ask_with(&f, head, type,
		 "{\"name\":\"é\\\"\",\"wait_s\":3,\"trim\":true,\"note\":\"a\\nb\"}", &reply);
	assert_int_equal(status_in(&reply), 201);
	json = json_in(&reply);
	assert_text(json, "name", "é\"");
	assert_text(json, "note", "a\nb");
	assert_int_equal(json_integer_value(json_object_get(json, "wait_s")), 3);
	assert_true(json_is_true(json_object_get(json, "trim")));
	json_decref(json);
	ask_with(&f, head, type, " {\"name\":\"x\",\"note\":null} ", &reply);
	json = json_in(&reply);
	assert_int_equal(json_integer_value(json_object_get(json, "wait_s")), 10);
	assert_true(json_is_null(json_object_get(json, "note")));
	json_decref(json);
	ask_with(&f, head, type, "{\"wait_s\":1.5,\"trim\":\"yes\",\"nmae\":1}", &reply);
	assert_int_equal(status_in(&reply), 400);
	json = json_in(&reply);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(json, "error"), "parameters")), 4);
	json_decref(json);
	ask_with(&f, head, type, "{\"name\":", &reply);
	assert_int_equal(status_in(&reply), 400);
	ask_with(&f, head, type, "", &reply);
	assert_int_equal(status_in(&reply), 400);
	assert_non_null(strstr(reply.buf, "name is missing"));
	end(&f);
}

static void a_client_may_ask_before_it_sends(void **state)
{
	static const char head[] =
		"POST /api/v1/targets/7/gc HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
		"application/json\r\nExpect: 100-continue\r\nContent-Length: ";
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_close_ int fd = -1, refused = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	fd = dial(&f);
	strbuf_addf(&text, "%s12\r\nConnection: close\r\n\r\n", head);
	push(fd, text.buf);
	pull_until(&f, fd, &reply, "HTTP/1.1 100 Continue\r\n\r\n");
	push(fd, "{\"name\":\"x\"}");
	pull_to_end(&f, fd, &reply);
	assert_non_null(strstr(reply.buf, "HTTP/1.1 201"));
	refused = dial(&f);
	strbuf_reset(&text);
	strbuf_addf(&text, "%s9999999\r\n\r\n", head);
	push(refused, text.buf);
	strbuf_reset(&reply);
	pull_to_end(&f, refused, &reply);
	assert_int_equal(status_in(&reply), 413);
	end(&f);
}

static void bodies_are_bounded(void **state)
{
	static const char head[] = "POST /api/v1/targets/7/gc",
			  type[] = "Content-Type: application/json\r\n";
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT, large = STRBUF_INIT;
	_cleanup_close_ int first = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.body_bytes = 10000;
	f.options.limits.body_total_bytes = 15000;
	start(&f);
	ask_with(&f, head, "X-Holdfast: 1\r\n", "{\"name\":\"x\"}", &reply);
	assert_int_equal(status_in(&reply), 415);
	ask(&f, head, "X-Holdfast: 1\r\nTransfer-Encoding: chunked\r\n", &reply);
	assert_int_equal(status_in(&reply), 411);
	ask_with(&f, "GET /-/healthy", "", "{}", &reply);
	assert_int_equal(status_in(&reply), 400);
	strbuf_add_repeat(&large, ' ', 10001);
	ask_with(&f, head, type, large.buf, &reply);
	assert_int_equal(status_in(&reply), 413);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_BODY], 4);
	/* within the limit, but not two of them at once */
	first = dial(&f);
	push(first,
	     "POST /api/v1/targets/7/gc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	     "Content-Length: 9000\r\n\r\n");
	turn_until(&f, stats_of(&f).body_bytes == 9000);
	strbuf_truncate(&large, 8000);
	ask_with(&f, head, type, large.buf, &reply);
	assert_int_equal(status_in(&reply), 503);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_MEMORY], 1);
	close(take_fd(&first));
	turn_until(&f, !stats_of(&f).body_bytes);
	ask_with(&f, head, type, large.buf, &reply);
	assert_int_equal(status_in(&reply), 400);
	end(&f);
}

static void large_answers_are_packed_for_who_takes_it(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	static char plain[70000];
	struct fixture f;

	(void)state;
	begin(&f);
	f.blob_size = 60000;
	start(&f);
	ask(&f, "GET /blob", GZIP, &reply);
	assert_string_equal(header_in(&reply, "Content-Encoding"), "gzip");
	assert_string_equal(header_in(&reply, "Vary"), "Accept-Encoding");
	assert_string_equal(header_in(&reply, "Content-Disposition"),
			    "attachment; filename=\"a__blob____.bin\"");
	assert_int_equal(unpacked_size(&reply, plain, sizeof(plain)), 60000);
	assert_int_equal(plain[22], 'w');
	ask(&f, "GET /blob", "", &reply);
	assert_string_equal(header_in(&reply, "Content-Encoding"), "");
	assert_int_equal(body_size(&reply), 60000);
	ask(&f, "GET /blob", "Accept-Encoding: gzip;q=0\r\n", &reply);
	assert_int_equal(body_size(&reply), 60000);
	f.blob_type = "image/png";
	ask(&f, "GET /blob", GZIP, &reply);
	assert_int_equal(body_size(&reply), 60000);
	f.blob_type = "text/plain";
	f.blob_size = 1024;
	ask(&f, "GET /blob", GZIP, &reply);
	assert_int_equal(body_size(&reply), 1024);
	f.blob_size = 0;
	ask(&f, "GET /blob", GZIP, &reply);
	assert_int_equal(status_in(&reply), 200);
	assert_int_equal(body_size(&reply), 0);
	end(&f);
}

static void answers_are_bounded_together(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.answer_total_bytes = 10 << 20;
	f.blob_size = 8 << 20;
	start(&f);
	fd = dial(&f);
	push(fd, "GET /blob HTTP/1.1\r\nHost: localhost\r\n\r\n");
	turn_until(&f, stats_of(&f).answer_bytes == 8 << 20);
	ask(&f, "GET /blob", "", &reply);
	assert_int_equal(status_in(&reply), 503);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_MEMORY], 1);
	close(take_fd(&fd));
	turn_until(&f, !stats_of(&f).answer_bytes);
	ask(&f, "GET /blob", "", &reply);
	assert_int_equal(status_in(&reply), 200);
	assert_int_equal(body_size(&reply), 8 << 20);
	end(&f);
}

static void errors_have_their_status(void **state)
{
	static const struct {
		enum hf_error_code code;
		int status;
	} rows[] = {{HF_E_USAGE, 400},    {HF_E_CONFIG, 400},   {HF_E_PERM, 403},
		    {HF_E_NOPID, 404},    {HF_E_NOFILE, 404},   {HF_E_NOMALLOC, 409},
		    {HF_E_NOKERNEL, 409}, {HF_E_DETACHED, 409}, {HF_E_UNSUPPORTED, 409},
		    {HF_E_BUDGET, 503},   {HF_E_INTERNAL, 500}, {HF_E_CANTWRITE, 413},
		    {HF_E_BADFILE, 500}};
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char head[64];

		snprintf(head, sizeof(head), "GET /failure?code=%d", (int)rows[i].code);
		ask(&f, head, "", &reply);
		assert_int_equal(status_in(&reply), rows[i].status);
		if (rows[i].code == HF_E_NOPID)
			assert_string_equal(
				body_in(&reply),
				"{\"error\":{\"code\":\"HF-E-NOPID\",\"what\":\"it \\\"failed\\\"\","
				"\"why\":\"because\",\"fix\":\"do not\"}}\n");
	}
	ask(&f, "GET /failure?code=0", "", &reply);
	assert_int_equal(status_in(&reply), 500);
	assert_non_null(strstr(reply.buf, "HF-E-INTERNAL"));
	end(&f);
}

static void the_better_route_wins(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	struct fixture f;
	json_t *json;

	(void)state;
	begin(&f);
	start(&f);
	ask(&f, "GET /api/v1/targets/all",
	    "Accept: application/openmetrics-text, text/plain;q=0.5\r\n", &reply);
	json = json_in(&reply);
	assert_text(json, "path", "/api/v1/targets/all");
	assert_int_equal(json_integer_value(json_object_get(json, "preferred")), 1);
	json_decref(json);
	ask(&f, "GET /api/v1/targets/7", "", &reply);
	json = json_in(&reply);
	assert_text(json, "path", "/api/v1/targets/{target}");
	assert_int_equal(json_integer_value(json_object_get(json, "preferred")), 0);
	json_decref(json);
	ask(&f, "GET /ui/targets/7/heap", "", &reply);
	json = json_in(&reply);
	assert_text(json, "path", "/ui/{rest*}");
	json_decref(json);
	end(&f);
}

static void assets_are_served_and_known_again(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	static char plain[5000];
	char again[600], tag[128];
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	ask(&f, "GET /", GZIP, &reply);
	assert_string_equal(header_in(&reply, "Content-Type"), "text/html; charset=utf-8");
	assert_string_equal(header_in(&reply, "Content-Encoding"), "");
	assert_string_equal(body_in(&reply), page_bytes);
	ask(&f, "GET /ui/app.js", "", &reply);
	assert_int_equal(body_size(&reply), 4000);
	snprintf(tag, sizeof(tag), "%.100s", header_in(&reply, "ETag"));
	ask(&f, "GET /ui/app.js", GZIP, &reply);
	assert_true(body_size(&reply) < 200);
	assert_int_equal(unpacked_size(&reply, plain, sizeof(plain)), 4000);
	assert_string_not_equal(header_in(&reply, "ETag"), tag);
	assert_non_null(strstr(header_in(&reply, "Content-Security-Policy"), "default-src 'self'"));
	snprintf(again, sizeof(again), "If-None-Match: \"x\", W/%s\r\n", tag);
	ask(&f, "GET /ui/app.js", again, &reply);
	assert_int_equal(status_in(&reply), 304);
	assert_string_equal(header_in(&reply, "ETag"), tag);
	assert_int_equal(body_size(&reply), 0);
	snprintf(again, sizeof(again), "If-None-Match: %s\r\n" GZIP, tag);
	ask(&f, "GET /ui/app.js", again, &reply); /* another representation */
	assert_int_equal(status_in(&reply), 200);
	ask(&f, "GET /ui/packed.txt", "", &reply);
	assert_string_equal(body_in(&reply), "hello, packed world\n");
	ask(&f, "GET /ui/packed.txt", GZIP, &reply);
	assert_int_equal(unpacked_size(&reply, plain, sizeof(plain)), 20);
	ask(&f, "HEAD /ui/app.js", "", &reply);
	assert_string_equal(header_in(&reply, "Content-Length"), "4000");
	expect(&f, "GET /ui/app.js?version=1", "", 400);
	end(&f);
}

static void an_answer_may_come_later(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.timeout_ns = 100 * NS_PER_MS;
	start(&f);
	fd = dial(&f);
	/* the second one waits behind the first */
	push(fd, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"
		 "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	turn_until(&f, f.later_count == 1);
	turn(&f, 300 * NS_PER_MS); /* no timeout while it is ours to answer */
	assert_int_equal(stats_of(&f).deferred, 1);
	pull(fd, &reply);
	assert_int_equal(reply.len, 0);
	json_out_string(http_json(f.later[0]), "late", "yes");
	http_answer_composed(f.later[0], 202);
	pull_to_end(&f, fd, &reply);
	assert_int_equal(status_in(&reply), 202);
	assert_non_null(strstr(reply.buf, "{\"late\":\"yes\"}\n"));
	assert_non_null(strstr(reply.buf, "healthy.\n"));
	assert_int_equal(stats_of(&f).deferred, 0);
	end(&f);
}

static void many_later_answers_in_any_order(void **state)
{
	struct strbuf replies[20];
	struct fixture f;
	int fds[20];

	(void)state;
	begin(&f);
	start(&f);
	for (int i = 0; i < 20; i++) {
		fds[i] = dial(&f);
		strbuf_init(&replies[i]);
		push(fds[i], "GET /later HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
		turn_until(&f, f.later_count == (unsigned int)i + 1);
	}
	for (int i = 19; i >= 0; i--) {
		json_out_int(http_json(f.later[i]), "number", i);
		http_answer_composed(f.later[i], 200);
	}
	for (int i = 0; i < 20; i++) {
		char text[32];

		snprintf(text, sizeof(text), "{\"number\":%d}\n", i);
		pull_to_end(&f, fds[i], &replies[i]);
		assert_string_equal(body_in(&replies[i]), text);
		strbuf_done(&replies[i]);
		close(fds[i]);
	}
	end(&f);
}

static void a_client_that_went_before_its_answer_does_no_harm(void **state)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	struct fixture f;
	int fd;

	(void)state;
	begin(&f);
	f.options.limits.timeout_ns = 100 * NS_PER_MS;
	start(&f);
	fd = dial(&f);
	push(fd, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
	turn_until(&f, f.later_count == 1);
	close(fd);
	turn_until(&f, !stats_of(&f).connections); /* it does not wait for the answer */
	assert_int_equal(stats_of(&f).deferred, 0);
	error_set(&error, HF_E_NOPID, "it has ended");
	assert_int_equal(http_answer_error(f.later[0], &error), HTTP_ANSWERED);
	/* and one that is answered after it went, but before that is seen */
	fd = dial(&f);
	push(fd, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
	turn_until(&f, f.later_count == 2);
	close(fd);
	assert_int_equal(http_answer_error(f.later[1], &error), HTTP_ANSWERED);
	turn_until(&f, !stats_of(&f).connections);
	expect(&f, "GET /-/healthy", "", 200);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_checked),
		cmocka_unit_test(all_wrong_parameters_are_told_at_once),
		cmocka_unit_test(bodies_are_read),
		cmocka_unit_test(a_client_may_ask_before_it_sends),
		cmocka_unit_test(bodies_are_bounded),
		cmocka_unit_test(large_answers_are_packed_for_who_takes_it),
		cmocka_unit_test(answers_are_bounded_together),
		cmocka_unit_test(errors_have_their_status),
		cmocka_unit_test(the_better_route_wins),
		cmocka_unit_test(assets_are_served_and_known_again),
		cmocka_unit_test(an_answer_may_come_later),
		cmocka_unit_test(many_later_answers_in_any_order),
		cmocka_unit_test(a_client_that_went_before_its_answer_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
