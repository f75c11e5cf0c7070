/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server as a whole: where it listens, whom it refuses, what bounds it. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/sha256.h"
#include "http_fixture.h"

#define CROWD 200

static void a_request_gets_its_answer(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	ask(&f, "GET /-/healthy", "", &reply);
	assert_int_equal(status_in(&reply), 200);
	assert_string_equal(body_in(&reply), "holdfast is healthy.\n");
	assert_string_equal(header_in(&reply, "Content-Type"), "text/plain; charset=utf-8");
	assert_string_equal(header_in(&reply, "X-Content-Type-Options"), "nosniff");
	assert_string_equal(header_in(&reply, "Referrer-Policy"), "no-referrer");
	assert_string_equal(header_in(&reply, "Cache-Control"), "no-store");
	assert_non_null(strstr(header_in(&reply, "Content-Security-Policy"), "default-src 'self'"));
	assert_non_null(
		strstr(header_in(&reply, "Content-Security-Policy"), "frame-ancestors 'none'"));
	assert_string_equal(header_in(&reply, "Access-Control-Allow-Origin"), "");
	assert_int_equal(stats_of(&f).answers[2], 1);
	assert_int_equal(stats_of(&f).connections_total, 1);
	turn_until(&f, !stats_of(&f).connections);
	assert_int_equal(stats_of(&f).answer_bytes, 0);
	end(&f);
}

static void head_options_and_methods_that_are_not_there(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	ask(&f, "HEAD /-/healthy", "", &reply);
	assert_int_equal(status_in(&reply), 200);
	assert_string_equal(header_in(&reply, "Content-Length"), "21");
	assert_string_equal(body_in(&reply), "");
	ask(&f, "OPTIONS /api/v1/targets/7", "", &reply);
	assert_int_equal(status_in(&reply), 204);
	assert_string_equal(header_in(&reply, "Allow"), "GET, HEAD, DELETE, OPTIONS");
	ask(&f, "OPTIONS *", "", &reply);
	assert_int_equal(status_in(&reply), 204);
	assert_string_equal(header_in(&reply, "Allow"), "GET, HEAD, POST, DELETE, OPTIONS");
	ask(&f, "POST /-/healthy", "X-Holdfast: 1\r\n", &reply);
	assert_int_equal(status_in(&reply), 405);
	assert_string_equal(header_in(&reply, "Allow"), "GET, HEAD, OPTIONS");
	expect(&f, "TRACE /-/healthy", "", 405);
	expect(&f, "PUT /-/healthy", "", 405);
	expect(&f, "CONNECT localhost:80", "", 400);
	expect(&f, "BREW /-/healthy", "", 405);
	expect(&f, "GET /nothing", "", 404);
	expect(&f, "OPTIONS /nothing", "", 404);
	expect(&f, "GET http://localhost/-/healthy", "", 400);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_METHOD], 4);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_PATH], 4);
	end(&f);
}

static void a_path_never_leads_out_of_the_table(void **state)
{
	static const char *const paths[] = {
		"GET /ui/../etc/passwd/..%2f",
		"GET /..%2f..%2fetc/passwd",
		"GET //etc/passwd",
		"GET /%2e%2e/%2e%2e/etc/passwd",
		"GET /-/healthy/",
		"GET /-/%68ealthy",
		"GET /-/healthy%00",
	};
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	expect(&f, paths[0], "", 200); /* the route of the page takes any text, and no file */
	for (size_t i = 1; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect(&f, paths[i], "", !strncmp(paths[i], "GET //", 6) ? 400 : 404);
	expect(&f, "GET /api/v1/targets/%00", "", 400);
	expect(&f, "GET /api/v1/targets/%ff", "", 400);
	expect(&f, "GET /api/v1/targets/%2e%2e%2f", "", 200);
	end(&f);
}

static void a_foreign_host_is_refused(void **state)
{
	static const char *const hosts[] = {"agent.example", NULL};
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.hosts = hosts;
	start(&f);
	expect(&f, "GET /-/healthy", "Host: localhost:7654\r\n", 200);
	expect(&f, "GET /-/healthy", "Host: 127.0.0.1\r\n", 200);
	expect(&f, "GET /-/healthy", "Host: [::1]:1\r\n", 200);
	expect(&f, "GET /-/healthy", "Host: Agent.Example:80\r\n", 200);
	expect(&f, "GET /-/healthy", "Host: evil.example\r\n", 403);
	expect(&f, "GET /-/healthy", "Host: localhost.evil.example\r\n", 403);
	expect(&f, "GET /-/healthy", "Host: 192.0.2.1\r\n", 403);
	expect(&f, "GET /-/healthy", "Host: local host\r\n", 400);
	fd = dial(&f);
	push(fd, "GET /-/healthy HTTP/1.0\r\n\r\n");
	pull_to_end(&f, fd, &reply);
	assert_int_equal(status_in(&reply), 400);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_HOST], 5);
	end(&f);
}

static void what_changes_state_is_safe_from_other_pages(void **state)
{
	static const char head[] = "DELETE /api/v1/targets/7";
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	expect(&f, head, "", 403);
	expect(&f, head, "Content-Type: text/plain\r\n", 403);
	expect(&f, head, "Content-Type: application/x-www-form-urlencoded\r\n", 403);
	expect(&f, head, "X-Holdfast: 0\r\n", 403);
	expect(&f, head, "X-Holdfast: 1\r\nOrigin: null\r\n", 403);
	expect(&f, head, "X-Holdfast: 1\r\nOrigin: http://evil.example\r\n", 403);
	expect(&f, head, "X-Holdfast: 1\r\nOrigin: http://localhost:8080\r\n", 403);
	assert_int_equal(f.calls, 0);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_ORIGIN], 7);
	expect(&f, head, "X-Holdfast: 1\r\n", 200);
	expect(&f, head, "X-Holdfast: 1\r\nOrigin: http://localhost\r\n", 200);
	expect(&f, head, "Content-Type: application/json; charset=utf-8\r\n", 200);
	expect(&f, head, "X-Holdfast: 1\r\nHost: localhost:99\r\nOrigin: http://localhost:99\r\n",
	       200);
	expect(&f, "GET /-/touch", "", 403);
	expect(&f, "GET /-/touch", "X-Holdfast: 1\r\n", 200);
	expect(&f, "GET /-/healthy", "Origin: http://evil.example\r\n", 200);
	end(&f);
}

static void the_token_is_asked_for(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	char hash[SHA256_HEX_LENGTH + 1];
	uint8_t digest[SHA256_BYTES];
	struct fixture f;

	(void)state;
	begin(&f);
	sha256_of("s3cret", 6, digest);
	sha256_to_hex(digest, hash);
	f.options.token_sha256 = hash;
	start(&f);
	expect(&f, "GET /-/healthy", "", 200);
	ask(&f, "GET /blob", "", &reply);
	assert_int_equal(status_in(&reply), 401);
	assert_string_equal(header_in(&reply, "WWW-Authenticate"), "Bearer realm=\"holdfast\"");
	expect(&f, "GET /blob", "Authorization: Bearer s3cre\r\n", 401);
	expect(&f, "GET /blob", "Authorization: Bearer s3cret2\r\n", 401);
	expect(&f, "GET /blob", "Authorization: Basic s3cret\r\n", 401);
	expect(&f, "GET /blob", "Authorization: Bearer\r\n", 401);
	expect(&f, "GET /blob", "Authorization: Bearer s3cret\r\n", 200);
	expect(&f, "GET /blob", "authorization: bearer s3cret\r\n", 200);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_TOKEN], 5);
	sha256_of("other", 5, digest);
	sha256_to_hex(digest, hash);
	assert_int_equal(http_server_set_token(f.server, hash, NULL), 0);
	expect(&f, "GET /blob", "Authorization: Bearer s3cret\r\n", 401);
	expect(&f, "GET /blob", "Authorization: Bearer other\r\n", 200);
	assert_true(http_server_set_token(f.server, "xyz", NULL) < 0);
	expect(&f, "GET /blob", "Authorization: Bearer other\r\n", 200);
	assert_int_equal(http_server_set_token(f.server, NULL, NULL), 0);
	expect(&f, "GET /blob", "", 200);
	end(&f);
}

static void assert_refused(struct fixture *f, enum hf_error_code code, const char *what)
{
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;

	assert_true(http_server_new(f->loop, &f->options, &f->server, &err) < 0);
	assert_int_equal(err.code, code);
	if (!strstr(err.what.buf, what))
		fail_msg("\"%s\" is not in \"%s\"", what, err.what.buf);
	assert_null(f->server);
}

static void an_open_address_needs_a_token(void **state)
{
	char hash[SHA256_HEX_LENGTH + 1];
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.listen = "0.0.0.0:0";
	assert_refused(&f, HF_E_CONFIG, "a token is required to listen on 0.0.0.0:0");
	f.options.listen = "[::]:0";
	assert_refused(&f, HF_E_CONFIG, "a token is required");
	f.options.token_sha256 = "";
	assert_refused(&f, HF_E_CONFIG, "a token is required");
	f.options.token_sha256 = "12ab";
	assert_refused(&f, HF_E_CONFIG, "64 hexadecimal digits");
	memset(hash, 'a', sizeof(hash) - 1);
	hash[SHA256_HEX_LENGTH] = '\0';
	f.options.token_sha256 = hash;
	f.options.listen = "0.0.0.0:0";
	start(&f);
	expect(&f, "GET /-/healthy", "Host: 192.0.2.1:7654\r\n", 200);
	expect(&f, "GET /-/healthy", "Host: evil.example\r\n", 403);
	assert_true(http_server_set_token(f.server, NULL, NULL) < 0);
	expect(&f, "GET /blob", "", 401);
	end(&f);
}

static void wrong_options_are_told(void **state)
{
	static const char *const texts[] = {"",
					    ":",
					    "127.0.0.1",
					    "127.0.0.1:",
					    "127.0.0.1:70000",
					    "example.org:80",
					    "[::1]",
					    "[127.0.0.1]:1",
					    "unix:relative",
					    "127.0.0.1:1x",
					    "::1:7654"};
	static char long_path[200] = "unix:/";
	struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		f.options.listen = texts[i];
		assert_refused(&f, HF_E_CONFIG, "cannot listen on");
	}
	memset(long_path + 6, 'x', sizeof(long_path) - 7);
	f.options.listen = long_path;
	assert_refused(&f, HF_E_CONFIG, "too long");
	f.options.listen = "unix:/nonexistent/directory/socket";
	assert_refused(&f, HF_E_CANTWRITE, "cannot listen on unix:");
	f.options.listen = ANY_PORT;
	f.options.limits.connections = 0;
	assert_refused(&f, HF_E_CONFIG, "a limit");
	end(&f);
}

static void an_address_in_use_is_one_clear_error(void **state)
{
	_cleanup_(error_done) struct hf_error err = HF_ERROR_INIT;
	struct http_server *second = NULL;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	f.options.listen = http_server_address(f.server);
	assert_int_equal(http_server_new(f.loop, &f.options, &second, &err), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(err.code, HF_E_CANTWRITE);
	assert_non_null(strstr(err.what.buf, http_server_address(f.server)));
	assert_non_null(strstr(err.why.buf, "another program"));
	expect(&f, "GET /-/healthy", "", 200);
	end(&f);
}

static void ipv6_is_served(void **state)
{
	struct fixture f;
	int result;

	(void)state;
	begin(&f);
	f.options.listen = "[::1]:0";
	result = http_server_new(f.loop, &f.options, &f.server, NULL);
	if (result == -EADDRNOTAVAIL || result == -EAFNOSUPPORT) {
		loop_free(f.loop);
		skip_because("no IPv6 here");
		return;
	}
	assert_int_equal(result, 0);
	assert_int_equal(strncmp(http_server_address(f.server), "[::1]:", 6), 0);
	expect(&f, "GET /-/healthy", "", 200);
	end(&f);
}

static void a_unix_socket_tells_who_asks(void **state)
{
	char directory[] = "/tmp/hf-http-XXXXXX", listen_on[64];
	struct fixture f, second;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(listen_on, sizeof(listen_on), "unix:%s/socket", directory);
	begin(&f);
	f.options.listen = listen_on;
	start(&f);
	assert_string_equal(http_server_address(f.server), listen_on);
	assert_int_equal(stat(listen_on + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	expect(&f, "GET /api/v1/targets/7/trends", "Host: any.thing\r\n", 200);
	assert_true(f.peer.is_local);
	assert_int_equal(f.peer.uid, getuid());
	assert_int_equal(f.peer.pid, getpid());
	assert_string_equal(f.peer.address, "unix");
	begin(&second); /* a live one is never replaced */
	second.options.listen = listen_on;
	assert_refused(&second, HF_E_CANTWRITE, "cannot listen on");
	end(&second);
	expect(&f, "GET /-/healthy", "", 200);
	end(&f);
	assert_int_equal(stat(listen_on + 5, &st), -1);
	fd = open(listen_on + 5, O_CREAT | O_WRONLY | O_CLOEXEC,
		  0600); /* nor is a file of somebody's */
	assert_true(fd >= 0);
	close(fd);
	begin(&f);
	f.options.listen = listen_on;
	assert_refused(&f, HF_E_CANTWRITE, "cannot listen on");
	end(&f);
	assert_int_equal(unlink(listen_on + 5), 0);
	assert_int_equal(rmdir(directory), 0);
}

static void a_stale_unix_socket_is_replaced(void **state)
{
	char directory[] = "/tmp/hf-http-XXXXXX", listen_on[64];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct fixture f;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(listen_on, sizeof(listen_on), "unix:%s/socket", directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", listen_on + 5);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	begin(&f);
	f.options.listen = listen_on;
	start(&f);
	expect(&f, "GET /-/healthy", "", 200);
	/* what is somebody else's now stays there */
	assert_int_equal(unlink(listen_on + 5), 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	end(&f);
	assert_int_equal(unlink(listen_on + 5), 0);
	assert_int_equal(rmdir(directory), 0);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	const char *first, *second, *third;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	fd = dial(&f);
	push(fd,
	     "GET /api/v1/targets/all HTTP/1.1\r\nHost: localhost\r\n\r\n"
	     "POST /api/v1/targets/7/gc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	     "Content-Length: 14\r\n\r\n{\"name\":\"one\"}"
	     "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	pull_to_end(&f, fd, &reply);
	first = strstr(reply.buf, "HTTP/1.1 200");
	second = strstr(reply.buf, "HTTP/1.1 201");
	third = strstr(reply.buf, "HTTP/1.1 404");
	assert_non_null(first);
	assert_true(second > first && third > second);
	assert_int_equal(stats_of(&f).connections_total, 1);
	end(&f);
}

static void a_refused_body_is_not_the_next_request(void **state)
{
	static const char smuggled[] = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT, request = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	fd = dial(&f);
	strbuf_addf(
		&request,
		"DELETE /api/v1/targets/7 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
		sizeof(smuggled) - 1, smuggled);
	push(fd, request.buf);
	pull_to_end(&f, fd, &reply);
	assert_int_equal(status_in(&reply), 403);
	assert_null(strstr(reply.buf + 9, "HTTP/1.1 200"));
	assert_int_equal(f.calls, 0);
	end(&f);
}

static void garbage_is_refused_and_forgotten(void **state)
{
	static const char *const rubbish[] = {
		"\r\n\r\n\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello",
		"GET\r\n\r\n",
		"GET /-/healthy HTTP/9.9\r\nHost: localhost\r\n\r\n",
		"GET /-/healthy\r\n\r\n",
		"GET /-/healthy HTTP/1.1\r\nno colon\r\n\r\n",
		"POST /api/v1/targets/7/gc HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
		"POST /api/v1/targets/7/gc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	};
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
		_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
		_cleanup_close_ int fd = dial(&f);

		push(fd, rubbish[i]);
		turn(&f, 20 * NS_PER_MS);
		pull(fd, &reply);
		shutdown(fd, SHUT_WR);
		pull_to_end(&f, fd, &reply);
	}
	for (unsigned int seed = 1; seed <= 200; seed++) {
		_cleanup_close_ int fd = dial(&f);
		char bytes[300];

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)rand_r(&seed);
		push_bytes(fd, bytes, sizeof(bytes));
		turn(&f, NS_PER_MS);
	}
	turn_until(&f, !stats_of(&f).connections);
	assert_int_equal(stats_of(&f).answer_bytes, 0);
	assert_int_equal(stats_of(&f).body_bytes, 0);
	expect(&f, "GET /-/healthy", "", 200);
	end(&f);
}

static void large_headers_are_refused(void **state)
{
	_cleanup_(strbuf_done) struct strbuf headers = STRBUF_INIT, reply = STRBUF_INIT;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	strbuf_addstr(&headers, "X-Long: ");
	strbuf_add_repeat(&headers, 'x', 7 << 10);
	strbuf_addstr(&headers, "\r\n");
	expect(&f, "GET /-/healthy", headers.buf, 200);
	strbuf_addstr(&headers, "X-More: ");
	strbuf_add_repeat(&headers, 'x', 2 << 10);
	strbuf_addstr(&headers, "\r\n");
	ask(&f, "GET /-/healthy", headers.buf, &reply);
	assert_int_equal(status_in(&reply), 431);
	assert_non_null(strstr(reply.buf, "HF-E-USAGE"));
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_HEADERS], 1);
	strbuf_addstr(&headers, "X-Most: ");
	strbuf_add_repeat(&headers, 'x', 100 << 10);
	strbuf_addstr(&headers, "\r\n");
	ask(&f, "GET /-/healthy", headers.buf, &reply); /* libmicrohttpd's own */
	assert_true(status_in(&reply) == 431 || status_in(&reply) == 0);
	expect(&f, "GET /-/healthy", "", 200);
	turn_until(&f, !stats_of(&f).connections);
	end(&f);
}

static void slow_clients_are_closed(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	static const char drip[] = "GET /-/healthy HTTP/1.1\r\nX-A: ";
	_cleanup_close_ int silent = -1, loris = -1, body = -1;
	struct fixture f;
	uint64_t began;

	(void)state;
	begin(&f);
	f.options.limits.timeout_ns = 300 * NS_PER_MS;
	start(&f);
	silent = dial(&f);
	loris = dial(&f);
	body = dial(&f);
	push(body,
	     "POST /api/v1/targets/7/gc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	     "Content-Length: 100\r\n\r\n{");
	began = clock_now_ns();
	for (size_t i = 0; is_open(loris) && clock_now_ns() - began < PATIENCE; i++) {
		push_bytes(loris, i < sizeof(drip) - 1 ? drip + i : "a",
			   1); /* never silent for long */
		turn(&f, 10 * NS_PER_MS);
	}
	assert_true(clock_now_ns() - began < 2 * NS_PER_S);
	pull_to_end(&f, loris, &reply);
	strbuf_reset(&reply);
	pull_to_end(&f, body, &reply);
	assert_int_equal(status_in(&reply), 408);
	strbuf_reset(&reply);
	pull_to_end(&f, silent, &reply);
	assert_int_equal(reply.len, 0);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_TIME], 3);
	turn_until(&f, !stats_of(&f).connections);
	assert_int_equal(stats_of(&f).body_bytes, 0);
	end(&f);
}

static void an_idle_connection_is_closed_without_complaint(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.timeout_ns = 200 * NS_PER_MS;
	start(&f);
	fd = dial(&f);
	push(fd, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n");
	pull_until(&f, fd, &reply, "healthy.\n");
	assert_true(is_open(fd));
	pull_to_end(&f, fd, &reply);
	assert_null(strstr(reply.buf, "408"));
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_TIME], 0);
	end(&f);
}

static void who_does_not_read_the_answer_is_closed(void **state)
{
	_cleanup_close_ int fd = -1;
	struct fixture f;
	int small = 4096;

	(void)state;
	begin(&f);
	f.options.limits.timeout_ns = 50 * NS_PER_MS;
	f.blob_size = 8 << 20;
	start(&f);
	fd = dial(&f);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	push(fd, "GET /blob HTTP/1.1\r\nHost: localhost\r\n\r\n");
	turn_until(&f, stats_of(&f).answer_bytes);
	turn_until(&f, !stats_of(&f).connections);
	assert_int_equal(stats_of(&f).answer_bytes, 0);
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_TIME], 1);
	end(&f);
}

static void a_crowd_waits_and_is_served(void **state)
{
	struct strbuf replies[CROWD];
	unsigned int served = 0;
	int fds[CROWD];
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	for (int i = 0; i < CROWD; i++) {
		strbuf_init(&replies[i]);
		fds[i] = dial(&f);
		push(fds[i],
		     "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	}
	for (uint64_t until = clock_now_ns() + PATIENCE;
	     served < CROWD && clock_now_ns() < until;) {
		turn(&f, STEP_NS);
		assert_true(stats_of(&f).connections <= 64);
		for (int i = 0; i < CROWD; i++) {
			if (fds[i] < 0 || pull(fds[i], &replies[i]))
				continue;
			served += status_in(&replies[i]) == 200;
			close(fds[i]);
			fds[i] = -1;
		}
	}
	assert_int_equal(served, CROWD);
	for (int i = 0; i < CROWD; i++)
		strbuf_done(&replies[i]);
	end(&f);
}

/* Clients that keep their connections must not keep others out. */
static void a_full_server_lets_nobody_stay_idle(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	int fds[4];
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.connections = 4;
	start(&f);
	for (int i = 0; i < 4; i++) {
		fds[i] = dial(&f);
		push(fds[i], "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n");
	}
	turn_until(&f, stats_of(&f).answers[2] == 4);
	expect(&f, "GET /-/healthy", "", 200);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	end(&f);
}

/* All places are taken by clients that begin a request and do not go on; when they are shut out, all at once, others come in. */
static void who_waits_comes_in_when_all_others_are_shut_out(void **state)
{
	int fds[8], waiting;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.connections = 4;
	f.options.limits.timeout_ns = 200 * NS_PER_MS;
	start(&f);
	for (int i = 0; i < 8; i++) {
		fds[i] = dial(&f);
		push(fds[i], "GET");
	}
	waiting = dial(&f);
	push(waiting, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n");
	turn_until(&f, stats_of(&f).answers[2] == 1);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(waiting);
	end(&f);
}

static void who_asks_too_often_is_told_to_wait(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.requests_per_second = 1;
	f.options.limits.requests_burst = 3;
	start(&f);
	for (int i = 0; i < 3; i++)
		expect(&f, "GET /-/healthy", "", 200);
	ask(&f, "GET /-/healthy", "", &reply);
	assert_int_equal(status_in(&reply), 429);
	assert_string_equal(header_in(&reply, "Retry-After"), "1");
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_RATE], 1);
	turn(&f, 1100 * NS_PER_MS);
	expect(&f, "GET /-/healthy", "", 200);
	end(&f);
}

static void every_reason_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(http_reject_name(HTTP_REJECT_HEADERS), "headers");
	for (int i = 1; i < HTTP_REJECT_COUNT; i++)
		assert_string_not_equal(http_reject_name((enum http_reject)i),
					http_reject_name((enum http_reject)(i - 1)));
	assert_string_equal(http_reject_name(HTTP_REJECT_STREAMS), "streams");
}

static void its_end_closes_everybody(void **state)
{
	_cleanup_close_ int idle = -1, half = -1, later = -1, stream = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	idle = dial(&f);
	half = dial(&f);
	later = dial(&f);
	stream = dial(&f);
	push(half, "GET /-/hea");
	push(later, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
	push(stream, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
	turn_until(&f, f.later_count == 1 && f.stream);
	http_server_free(f.server);
	f.server = NULL;
	assert_int_equal(f.closed, 1);
	assert_false(is_open(idle));
	assert_false(is_open(half));
	/* the answer that is still owed: nobody reads it */
	json_out_string(http_json(f.later[0]), "late", "yes");
	assert_int_equal(http_answer_composed(f.later[0], 200), HTTP_ANSWERED);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_gets_its_answer),
		cmocka_unit_test(head_options_and_methods_that_are_not_there),
		cmocka_unit_test(a_path_never_leads_out_of_the_table),
		cmocka_unit_test(a_foreign_host_is_refused),
		cmocka_unit_test(what_changes_state_is_safe_from_other_pages),
		cmocka_unit_test(the_token_is_asked_for),
		cmocka_unit_test(an_open_address_needs_a_token),
		cmocka_unit_test(wrong_options_are_told),
		cmocka_unit_test(an_address_in_use_is_one_clear_error),
		cmocka_unit_test(ipv6_is_served),
		cmocka_unit_test(a_unix_socket_tells_who_asks),
		cmocka_unit_test(a_stale_unix_socket_is_replaced),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(a_refused_body_is_not_the_next_request),
		cmocka_unit_test(garbage_is_refused_and_forgotten),
		cmocka_unit_test(large_headers_are_refused),
		cmocka_unit_test(slow_clients_are_closed),
		cmocka_unit_test(an_idle_connection_is_closed_without_complaint),
		cmocka_unit_test(who_does_not_read_the_answer_is_closed),
		cmocka_unit_test(a_crowd_waits_and_is_served),
		cmocka_unit_test(a_full_server_lets_nobody_stay_idle),
		cmocka_unit_test(who_waits_comes_in_when_all_others_are_shut_out),
		cmocka_unit_test(who_asks_too_often_is_told_to_wait),
		cmocka_unit_test(every_reason_has_a_name),
		cmocka_unit_test(its_end_closes_everybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
