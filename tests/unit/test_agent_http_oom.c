/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each allocation of ours fails once: nothing leaks, nothing is let through, and afterwards all is well.
 * libmicrohttpd's and jansson's own allocations are not reached.
 */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "http_fixture.h"
#include "oom.h"

static void a_server_that_cannot_start_leaves_nothing(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
		struct fixture f;
		int result;

		begin(&f);
		oom_arm(n);
		result = http_server_new(f.loop, &f.options, &f.server, &err);
		if (!oom_disarm()) {
			assert_int_equal(result, 0);
			end(&f);
			break;
		}
		assert_true(result < 0 || f.server); /* a buffer's wish for more may be in vain */
		end(&f);
	}
}

/* The request with the n-th allocation failing gets `status`, 500, 503, or no answer; the next one is well. */
static void try_all(const char *request, int status)
{
	struct fixture f;

	begin(&f);
	f.blob_size = 5000;
	f.options.token_sha256 =
		"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; /* secret */
	start(&f);
	for (long n = 1;; n++) {
		_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
		_cleanup_close_ int fd = dial(&f);
		bool struck;
		int got;

		strbuf_reserve(&reply, 100000);
		push(fd, request);
		oom_arm(n);
		pull_to_end(&f, fd, &reply);
		struck = oom_disarm();
		got = status_in(&reply);
		if (got != status && !(struck && (got == 0 || got == 500 || got == 503)))
			fail_msg("allocation %ld: %s", n, reply.buf);
		if (!struck)
			break;
	}
	turn_until(&f, !stats_of(&f).connections);
	assert_int_equal(stats_of(&f).answer_bytes, 0);
	assert_int_equal(stats_of(&f).body_bytes, 0);
	end(&f);
}

#define HOST  "Host: localhost\r\nConnection: close\r\n"
#define TOKEN "Authorization: Bearer secret\r\n"

static void requests_without_memory_fail_cleanly(void **state)
{
	(void)state;
	try_all("GET /api/v1/targets/7/trends?points=7&sort=rss HTTP/1.1\r\n" HOST TOKEN "\r\n",
		200);
	try_all("GET /api/v1/targets/7/trends?points=x&what HTTP/1.1\r\n" HOST TOKEN "\r\n", 400);
	try_all("GET /api/v1/targets/7/trends HTTP/1.1\r\n" HOST "\r\n", 401);
	try_all("GET /blob HTTP/1.1\r\n" HOST TOKEN "Accept-Encoding: gzip\r\n\r\n", 200);
	try_all("GET /ui/app.js HTTP/1.1\r\n" HOST TOKEN "Accept-Encoding: gzip\r\n\r\n", 200);
	try_all("GET /failure?code=3 HTTP/1.1\r\n" HOST TOKEN "\r\n", 404);
	try_all("GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404);
	try_all("POST /api/v1/targets/7/gc HTTP/1.1\r\n" HOST TOKEN
		"Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"name\":\"x\"}",
		201);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_cannot_start_leaves_nothing),
		cmocka_unit_test(requests_without_memory_fail_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
