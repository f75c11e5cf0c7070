/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows on their way to ClickHouse: what it is asked and told, in which order, and what survives whom. The server here only
 * pretends; a real one is in tests/agent/send.bats.
 */
#include "agent/send/fleet.h"

#include <jansson.h>
#include <zlib.h>

#include "agent/send/lane.h"
#include "agent/send/schema.h"
#include "agent/send/send.h"
#include "agent/send/webhook.h"
#include "base/log.h"
#include "tiny_http.h"

#define COUNT_OF(x) (sizeof(x) / sizeof((x)[0]))
#define MISSING                                                                           \
	"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nCode: 60, e.displayText() = " \
	"DB::Exception: Table holdfast.x doesn't exist., e.what() = DB::Exception"
#define UNREADABLE                                                                   \
	"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\r\nCode: 117, " \
	"e.displayText() = DB::Exception: Unknown field found while parsing JSONEachRow"
#define VERSION_1 "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n1\n"

struct world {
	struct loop *loop;
	struct sender_set *set;
	struct agent_config config;
	char path[64], spool[96];
};

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	snprintf(w->path, sizeof(w->path), "/tmp/hf-fleet-XXXXXX");
	assert_non_null(mkdtemp(w->path));
	snprintf(w->spool, sizeof(w->spool), "%s/spool", w->path);
	w->config.fleet.host = (char *)"host-1";
	w->config.fleet.interval_ns = 3600 * NS_PER_S;
	assert_int_equal(loop_new(&w->loop), 0);
}

static void start(struct world *w, const char *url)
{
	const struct send_options options = {
		.spool_path = w->spool,
		.retry_ns = 10 * NS_PER_MS,
	};
	struct hf_error error = HF_ERROR_INIT;

	w->config.fleet.clickhouse = (char *)url;
	assert_int_equal(send_new(w->loop, &options, &w->set), 0);
	assert_int_equal(send_configure(w->set, &w->config, &error), 0);
	error_done(&error);
}

static void world_done(struct world *w)
{
	char command[96];

	send_free(w->set);
	loop_free(w->loop);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->path);
	assert_int_equal(system(command), 0);
}

static struct send_stats stats_of(const struct world *w)
{
	struct send_stats stats;

	assert_int_equal(send_receiver_count(w->set), 1);
	send_stats(w->set, 0, &stats);
	return stats;
}

static const struct send_target web = {
	.name = "web", .version = "1.2", .pid = 4312, .started_ns = 1767300000 * NS_PER_S};

static void add_sample(struct world *w)
{
	const struct send_sample sample = {
		.time_ns = 1767323045 * NS_PER_S,
		.rss_bytes = 412,
		.pss_bytes = SEND_UNKNOWN,
		.uss_bytes = SEND_UNKNOWN,
		.vms_bytes = 1000,
		.swap_bytes = 0,
		.heap_live_bytes = UINT64_MAX - 1,
	};

	send_add_sample(w->set, &web, &sample);
}

static void add_site(struct world *w, const char *line, uint64_t bytes)
{
	static const char *const frames[] = {"malloc", "cache_put", "ma\"in"};
	const struct send_site site = {.frames = frames,
				       .frame_count = 3,
				       .function = "cache_put",
				       .line = line,
				       .out_bytes = bytes,
				       .out_count = 2};

	send_add_sites(w->set, &web, 1767323045 * NS_PER_S, &site, 1);
}

/* Rows leave when there are enough of them; here they are made enough. */
static void fill_batch(struct world *w)
{
	for (int i = 0; i < FLEET_BATCH_ROWS - 1; i++)
		add_site(w, "cache.c:118", (uint64_t)i);
}

static void unpack(const struct tiny_request *r, struct strbuf *ret)
{
	z_stream z = {.next_in = (Bytef *)r->body, .avail_in = (uInt)r->body_size};
	char bytes[4096];
	int err;

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	do {
		z.next_out = (Bytef *)bytes;
		z.avail_out = sizeof(bytes);
		err = inflate(&z, Z_NO_FLUSH);
		assert_true(err == Z_OK || err == Z_STREAM_END);
		strbuf_add(ret, bytes, sizeof(bytes) - z.avail_out);
	} while (err != Z_STREAM_END);
	inflateEnd(&z);
}

static bool asks(const struct tiny_request *r, const char *text)
{
	return memmem(r->text, (size_t)(r->body - r->text), text, strlen(text)) != NULL;
}

static json_t *first_row(const struct tiny_request *r)
{
	_cleanup_(strbuf_done) struct strbuf rows = STRBUF_INIT;
	json_t *row;

	unpack(r, &rows);
	row = json_loads(rows.buf, JSON_DISABLE_EOF_CHECK | JSON_DECODE_INT_AS_REAL, NULL);
	assert_non_null(row);
	return row;
}

static void tables_are_made_then_rows_inserted(void **state)
{
	static const struct tiny_answer answers[] = {{MISSING, 0}, {TINY_OK, 0}};
	struct tiny_http server;
	struct world w;
	json_t *row;
	size_t i;

	(void)state;
	tiny_http_start(&server, answers, 2);
	world_init(&w);
	start(&w, server.url);
	add_sample(&w);
	fill_batch(&w);
	assert_int_equal(stats_of(&w).queued, 0); /* one less than a batch live in memory */
	add_site(&w, "cache.c:118", 10000);
	assert_int_equal(stats_of(&w).queued, 4);
	TURN_UNTIL(w.loop, stats_of(&w).sent == 4);
	assert_int_equal(stats_of(&w).retried, 0);
	assert_int_equal(tiny_http_count(&server), 1 + schema_step_count + 4);
	assert_true(asks(tiny_http_request(&server, 0), "query=SELECT%20max%28version%29"));
	assert_true(asks(tiny_http_request(&server, 1), "query=CREATE%20DATABASE"));
	i = schema_step_count;
	assert_true(
		asks(tiny_http_request(&server, i++), "INSERT%20INTO%20holdfast.schema_version"));
	assert_true(asks(tiny_http_request(&server, i), "INSERT%20INTO%20holdfast.stack%20FORMAT"));
	assert_true(asks(tiny_http_request(&server, i), "Content-Encoding: gzip"));
	row = first_row(tiny_http_request(&server, i++));
	assert_string_equal(json_string_value(json_object_get(row, "function")), "cache_put");
	assert_string_equal(json_string_value(json_object_get(row, "line")), "cache.c:118");
	assert_int_equal(json_array_size(json_object_get(row, "frames")), 3);
	json_decref(row);
	assert_true(asks(tiny_http_request(&server, i), "holdfast.series"));
	row = first_row(tiny_http_request(&server, i++));
	assert_string_equal(json_string_value(json_object_get(row, "day")), "2026-01-02");
	assert_string_equal(json_string_value(json_object_get(row, "version")), "1.2");
	json_decref(row);
	assert_true(asks(tiny_http_request(&server, i), "holdfast.target_sample"));
	row = first_row(tiny_http_request(&server, i++));
	assert_true(json_real_value(json_object_get(row, "ts")) == 1767323045);
	assert_true(json_real_value(json_object_get(row, "rss_bytes")) == 412);
	assert_true(json_is_null(json_object_get(row, "pss_bytes")));
	assert_string_equal(json_string_value(json_object_get(row, "service")), "web");
	assert_string_equal(json_string_value(json_object_get(row, "version")), "1.2");
	assert_string_equal(json_string_value(json_object_get(row, "host")), "host-1");
	json_decref(row);
	assert_true(asks(tiny_http_request(&server, i), "holdfast.site_sample"));
	row = first_row(tiny_http_request(&server, i));
	assert_true(json_real_value(json_object_get(row, "out_count")) == 2);
	assert_true(json_real_value(json_object_get(row, "started")) == 1767300000);
	json_decref(row);
	world_done(&w);
	tiny_http_stop(&server);
}

static void what_it_cannot_read_goes_what_fails_otherwise_stays(void **state)
{
	static const struct tiny_answer answers[] = {
		{VERSION_1, 0}, {UNREADABLE, 0}, {TINY_STATUS("401 Unauthorized"), 0},
		{MISSING, 0}, /* somebody dropped the tables */
		{MISSING, 0},   {TINY_OK, 0},
	};
	struct tiny_http server;
	struct world w;

	(void)state;
	tiny_http_start(&server, answers, COUNT_OF(answers));
	world_init(&w);
	start(&w, server.url);
	fill_batch(&w);
	add_site(&w, "cache.c:118", 1); /* two batches of names, one of numbers */
	TURN_UNTIL(w.loop, stats_of(&w).sent == 2);
	assert_int_equal(stats_of(&w).dropped, 1);
	assert_int_equal(stats_of(&w).retried, 2);
	assert_int_equal(stats_of(&w).queued, 0);
	assert_int_equal(tiny_http_count(&server), 5 + schema_step_count + 2);
	/* the tables were made anew: so the name of a stack is sent again */
	fill_batch(&w);
	add_site(&w, "cache.c:118", 1);
	TURN_UNTIL(w.loop, stats_of(&w).sent == 5);
	assert_true(
		asks(tiny_http_request(&server, tiny_http_count(&server) - 3), "holdfast.stack"));
	world_done(&w);
	tiny_http_stop(&server);
}

static void an_outage_is_outlived_on_disk_and_what_is_said_again_has_its_id(void **state)
{
	static const struct tiny_answer good[] = {
		{VERSION_1, 0}, {TINY_STATUS("503 x"), 0}, {TINY_OK, 0}};
	int port = tiny_http_free_port();
	struct tiny_http server;
	struct world w;
	char url[64], first[256], again[256];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/?user=x", port);
	world_init(&w);
	start(&w, url);
	add_sample(&w);
	TURN_UNTIL(w.loop, stats_of(&w).queued == 0);
	send_free(w.set); /* cuts the batch, cannot send it */
	start(&w, url);
	assert_int_equal(stats_of(&w).queued, 1);
	TURN_UNTIL(w.loop, stats_of(&w).retried >= 1);
	tiny_http_start_at(&server, port, good, COUNT_OF(good));
	TURN_UNTIL(w.loop, stats_of(&w).sent == 1);
	assert_int_equal(stats_of(&w).queued, 0);
	assert_memory_equal(tiny_http_request(&server, 0)->text, "POST /?user=x&query=SELECT", 26);
	snprintf(first, sizeof(first), "%.200s",
		 strstr(tiny_http_request(&server, 1)->text, "query_id="));
	snprintf(again, sizeof(again), "%.200s",
		 strstr(tiny_http_request(&server, 2)->text, "query_id="));
	first[strcspn(first, " ")] = again[strcspn(again, " ")] = '\0';
	assert_true(strlen(first) > 20);
	assert_string_equal(first, again);
	world_done(&w);
	tiny_http_stop(&server);
}

static void the_interval_cuts_batches_and_an_url_may_move(void **state)
{
	static const struct tiny_answer answers[] = {{VERSION_1, 0}, {TINY_OK, 0}};
	struct hf_error error = HF_ERROR_INIT;
	struct tiny_http server;
	struct world w;
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", tiny_http_free_port());
	world_init(&w);
	w.config.fleet.interval_ns = 50 * NS_PER_MS;
	start(&w, url);
	add_sample(&w);
	TURN_UNTIL(w.loop, stats_of(&w).queued == 1);
	tiny_http_start(&server, answers, 2);
	w.config.fleet.clickhouse = server.url;
	assert_int_equal(send_configure(w.set, &w.config, &error), 0);
	TURN_UNTIL(w.loop, stats_of(&w).sent == 1);
	/* without a ClickHouse there are no rows, and no receiver */
	w.config.fleet.clickhouse = NULL;
	assert_int_equal(send_configure(w.set, &w.config, &error), 0);
	assert_int_equal(send_receiver_count(w.set), 0);
	add_sample(&w);
	world_done(&w);
	tiny_http_stop(&server);
}

static void a_stack_is_its_functions(void **state)
{
	static const char *const one[] = {"a", "bc"}, *const two[] = {"ab", "c"};
	struct send_site x = {.frames = one, .frame_count = 2, .line = "x.c:1"};
	struct send_site y = {.frames = two, .frame_count = 2};
	uint64_t id = fleet_stack_id(&x);

	(void)state;
	assert_int_not_equal(id, fleet_stack_id(&y));
	x.line = "x.c:9"; /* of the next version */
	assert_int_equal(id, fleet_stack_id(&x));
	/* for ever: ClickHouse has it */
	assert_int_equal(id, 0x80a40b1d753d5f9full);
	x.frame_count = 1;
	assert_int_not_equal(id, fleet_stack_id(&x));
}

static void pauses_grow_to_five_minutes_and_heed_what_was_asked(void **state)
{
	uint64_t shortest, longest;

	(void)state;
	for (uint64_t n = 1; n < 100; n++) {
		longest = n < 9 ? NS_PER_S << (n - 1) : 300 * NS_PER_S;
		if (longest > 300 * NS_PER_S)
			longest = 300 * NS_PER_S;
		shortest = longest - longest / 2;
		for (uint64_t random = 1; random < 1ull << 40; random *= 7) {
			uint64_t pause = lane_pause_ns(NS_PER_S, n, random, 0);

			assert_true(pause >= shortest && pause <= longest);
		}
	}
	assert_int_equal(lane_pause_ns(NS_PER_S, 1, 5, 90 * NS_PER_S), 90 * NS_PER_S);
	assert_int_equal(lane_pause_ns(NS_PER_S, 1, 5, UINT64_MAX), 3600 * NS_PER_S);
}

static void a_signature_is_that_of_others(void **state)
{
	/* printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key */
	static const char expected[] =
		"sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	struct message *message = message_new("x", "{\"a\":1}", 7);

	(void)state;
	assert_non_null(message);
	assert_int_equal(webhook_sign(&out, "key", 1700000000, message), 0);
	assert_string_equal(out.buf, expected);
	message_release(message);
}

static void error_codes_and_urls(void **state)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	(void)state;
	assert_int_equal(clickhouse_error_code("Code: 60, e.displayText()"), 60);
	assert_int_equal(clickhouse_error_code("x\nCode: 117. DB::Exception"), 117);
	assert_int_equal(clickhouse_error_code("Code: x"), 0);
	assert_int_equal(clickhouse_error_code("Code: 99999999999999999999"), 0);
	assert_int_equal(clickhouse_error_code(""), 0);
	assert_int_equal(clickhouse_add_url(&out, "http://h:1", "a b&", "&x=1"), 0);
	assert_string_equal(out.buf, "http://h:1/?query=a%20b%26&x=1");
	strbuf_reset(&out);
	assert_int_equal(clickhouse_add_url(&out, "http://h/ch?user=u", "a", ""), 0);
	assert_string_equal(out.buf, "http://h/ch?user=u&query=a");
	strbuf_reset(&out);
	assert_int_equal(clickhouse_add_url(&out, "http://h/ch", "a", ""), 0);
	assert_string_equal(out.buf, "http://h/ch?query=a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_made_then_rows_inserted),
		cmocka_unit_test(what_it_cannot_read_goes_what_fails_otherwise_stays),
		cmocka_unit_test(an_outage_is_outlived_on_disk_and_what_is_said_again_has_its_id),
		cmocka_unit_test(the_interval_cuts_batches_and_an_url_may_move),
		cmocka_unit_test(a_stack_is_its_functions),
		cmocka_unit_test(pauses_grow_to_five_minutes_and_heed_what_was_asked),
		cmocka_unit_test(a_signature_is_that_of_others),
		cmocka_unit_test(error_codes_and_urls),
	};

	/* a proxy of the machine's is none of theirs */
	unsetenv("http_proxy");
	unsetenv("HTTP_PROXY");
	unsetenv("ALL_PROXY");
	unsetenv("all_proxy");
	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
