/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Server-sent events: order, bounds, slow clients, clients that go. */
#include <sys/resource.h>

#include "http_fixture.h"

static const char ask_stream[] = "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n";

static int open_stream(struct fixture *f, struct strbuf *reply)
{
	int fd = dial(f);

	f->stream = NULL;
	push(fd, ask_stream);
	turn_until(f, f->stream);
	pull_until(f, fd, reply, ":\n\n");
	return fd;
}

static void events_arrive_as_they_are_sent(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	uint64_t sent_ns;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	fd = open_stream(&f, &reply);
	assert_int_equal(status_in(&reply), 200);
	assert_string_equal(header_in(&reply, "Content-Type"), "text/event-stream");
	assert_string_equal(header_in(&reply, "Cache-Control"), "no-store");
	turn_until(&f, f.drained == 1);
	sent_ns = clock_now_ns();
	assert_int_equal(http_stream_send(f.stream,
					  &(struct http_event){7, "LeakDetected", "{\"id\":7}"}),
			 0);
	pull_until(&f, fd, &reply, "id: 7\nevent: LeakDetected\ndata: {\"id\":7}\n\n");
	assert_true(clock_now_ns() - sent_ns < NS_PER_S / 5);
	assert_int_equal(
		http_stream_send(f.stream, &(struct http_event){-1, NULL, "two\r\nlines\r"}), 0);
	pull_until(&f, fd, &reply, "data: two\ndata: lines\ndata: \n\n");
	assert_int_equal(http_stream_send(f.stream, &(struct http_event){8, "a\nid: 9", ""}), 0);
	pull_until(&f, fd, &reply, "id: 8\nevent: a\ndata: \n\n");
	assert_int_equal(stats_of(&f).streams, 1);
	assert_int_equal(stats_of(&f).events_total, 3);
	http_stream_close(f.stream);
	pull_until(&f, fd, &reply, "0\r\n\r\n");
	turn_until(&f, !stats_of(&f).streams);
	assert_int_equal(f.closed, 0);
	end(&f);
}

static void it_goes_on_where_the_client_was(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	start(&f);
	fd = dial(&f);
	push(fd, "GET /stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 41\r\n\r\n");
	pull_until(&f, fd, &reply, "id: 42\ndata: replayed\n\n");
	strbuf_reset(&reply);
	close(take_fd(&fd));
	fd = dial(&f);
	push(fd, "GET /stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 4x1\r\n\r\n");
	pull_until(&f, fd, &reply, ":\n\n");
	assert_null(strstr(reply.buf, "replayed"));
	end(&f);
}

static void a_silent_stream_is_kept_alive(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.keep_alive_ns = 100 * NS_PER_MS;
	f.options.limits.timeout_ns = 100 * NS_PER_MS; /* which is no stream's */
	start(&f);
	fd = open_stream(&f, &reply);
	strbuf_reset(&reply);
	pull_until(&f, fd, &reply, ":\n\n\r\n3\r\n:\n\n\r\n3\r\n:\n\n");
	assert_int_equal(f.closed, 0);
	end(&f);
}

static void who_does_not_read_is_dropped(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT, other = STRBUF_INIT;
	_cleanup_close_ int slow = -1, quick = -1;
	struct http_stream *slow_stream;
	static char data[10000];
	unsigned int sent = 0;
	struct fixture f;
	int err = 0;

	(void)state;
	begin(&f);
	start(&f);
	memset(data, 'x', sizeof(data) - 1);
	slow = open_stream(&f, &reply);
	slow_stream = f.stream;
	quick = open_stream(&f, &other);
	while (!(err = http_stream_send(slow_stream, &(struct http_event){sent, "e", data})) &&
	       sent++ < 5000)
		turn(&f, NS_PER_MS / 10);
	assert_int_equal(err, -ENOBUFS);
	assert_int_equal(http_stream_room(slow_stream), 0);
	assert_int_equal(http_stream_send(slow_stream, &(struct http_event){1, "e", "x"}), -EPIPE);
	assert_int_equal(f.closed, 0); /* never from within a send */
	assert_int_equal(http_stream_send(f.stream, &(struct http_event){99, "e", "for the quick"}),
			 0);
	pull_until(&f, quick, &other, "for the quick\n\n");
	turn_until(&f, f.closed == 1);
	assert_int_equal(stats_of(&f).streams_dropped, 1);
	assert_true(stats_of(&f).events_dropped > 20); /* the queue of 256 KiB, and the last two */
	assert_int_equal(stats_of(&f).streams, 1);
	pull_to_end(&f, slow, &reply);
	end(&f);
}

static void a_client_that_goes_is_noticed(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	struct fixture f;
	int fd;

	(void)state;
	begin(&f);
	f.options.limits.timeout_ns = 200 * NS_PER_MS;
	start(&f);
	fd = open_stream(&f, &reply);
	close(fd);
	turn_until(&f, f.closed == 1);
	assert_int_equal(stats_of(&f).streams, 0);
	fd = open_stream(&f, &reply);
	for (int i = 0; i < 10 && f.stream; i++) {
		http_stream_send(f.stream, &(struct http_event){i, "e", "x"});
		if (i == 2)
			close(fd);
		turn(&f, STEP_NS);
	}
	turn_until(&f, f.closed == 2);
	turn_until(&f, !stats_of(&f).connections);
	end(&f);
}

static void more_streams_than_allowed_are_refused(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int first = -1, second = -1;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.streams = 2;
	start(&f);
	first = open_stream(&f, &reply);
	second = open_stream(&f, &reply);
	ask(&f, "GET /stream", "", &reply);
	assert_int_equal(status_in(&reply), 503);
	assert_string_equal(header_in(&reply, "Retry-After"), "10");
	assert_int_equal(stats_of(&f).rejected[HTTP_REJECT_STREAMS], 1);
	ask(&f, "HEAD /-/healthy", "", &reply);
	assert_int_equal(status_in(&reply), 200);
	close(take_fd(&first));
	turn_until(&f, stats_of(&f).streams == 1);
	ask(&f, "HEAD /stream", "", &reply);
	assert_int_equal(status_in(&reply), 200);
	turn_until(&f, stats_of(&f).streams == 1);
	end(&f);
}

static void all_of_a_long_replay_arrives_in_order(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	unsigned int sent = 0;
	const char *at;
	struct fixture f;

	(void)state;
	begin(&f);
	f.options.limits.stream_queue_bytes = 2000;
	start(&f);
	fd = open_stream(&f, &reply);
	while (sent < 3000) { /* as `drained` would have it done */
		while (sent < 3000 && http_stream_room(f.stream) > 100) {
			char data[32];

			snprintf(data, sizeof(data), "number %u;", sent);
			assert_int_equal(http_stream_send(f.stream,
							  &(struct http_event){sent, "e", data}),
					 0);
			sent++;
		}
		turn(&f, STEP_NS / 20);
		pull(fd, &reply);
	}
	pull_until(&f, fd, &reply, "number 2999;");
	at = reply.buf;
	for (unsigned int i = 0; i < 3000; i++) {
		char data[32];

		snprintf(data, sizeof(data), "id: %u\n", i);
		at = strstr(at, data);
		assert_non_null(at);
	}
	assert_true(f.drained > 10);
	assert_int_equal(stats_of(&f).events_dropped, 0);
	end(&f);
}

static uint64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
}

static void nobody_spins_while_everybody_waits(void **state)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	_cleanup_close_ int idle = -1, half = -1, later = -1, stream = -1;
	struct fixture f;
	uint64_t before;

	(void)state;
	begin(&f);
	start(&f);
	idle = dial(&f);
	half = dial(&f);
	later = dial(&f);
	push(half,
	     "POST /api/v1/targets/7/gc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	     "Content-Length: 100\r\n\r\n{");
	push(later, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
	stream = open_stream(&f, &reply);
	turn_until(&f, f.later_count == 1);
	before = cpu_ns();
	turn(&f, NS_PER_S);
	assert_true(cpu_ns() - before < NS_PER_S / 10);
	error_set(&error, HF_E_BUDGET, "enough");
	http_answer_error(f.later[0], &error);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_arrive_as_they_are_sent),
		cmocka_unit_test(it_goes_on_where_the_client_was),
		cmocka_unit_test(a_silent_stream_is_kept_alive),
		cmocka_unit_test(who_does_not_read_is_dropped),
		cmocka_unit_test(a_client_that_goes_is_noticed),
		cmocka_unit_test(more_streams_than_allowed_are_refused),
		cmocka_unit_test(nobody_spins_while_everybody_waits),
		cmocka_unit_test(all_of_a_long_replay_arrives_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
