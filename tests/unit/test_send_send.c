/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * What reaches receivers of every temper, and what is made of their answers. The server is a real one on loopback; TLS
 * and real receivers are in tests/agent.
 */
#include "agent/send/send.h"

#include <jansson.h>

#include "agent/send/event_log.h"
#include "base/log.h"
#include "base/sha256.h"
#include "oom.h"
#include "tiny_http.h"

#define COUNT_OF(x) (sizeof(x) / sizeof((x)[0]))

struct world {
	struct loop *loop;
	struct sender_set *set;
	struct agent_config config;
	struct alert_webhook webhooks[2];
	struct alert_manager managers[2];
	struct fleet_label label;
};

static void world_init(struct world *w, uint64_t timeout_ns)
{
	struct send_options options = {
		.spool_path = "/nonexistent/spool",
		.web_url = "http://127.0.0.1:7654/",
		.retry_ns = 20 * NS_PER_MS,
		.timeout_ns = timeout_ns,
		.alert_ns = 300 * NS_PER_MS,
	};

	memset(w, 0, sizeof(*w));
	log_set_level(LOG_LEVEL_ERROR);
	w->config.alerts.webhooks.items = w->webhooks;
	w->config.alerts.managers.items = w->managers;
	w->label = (struct fleet_label){(char *)"data center", (char *)"a\"b"};
	w->config.fleet.labels.items = &w->label;
	w->config.fleet.labels.count = 1;
	w->config.fleet.host = (char *)"host-1";
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(send_new(w->loop, &options, &w->set), 0);
}

static void world_done(struct world *w)
{
	send_free(w->set);
	loop_free(w->loop);
}

static void configure(struct world *w)
{
	struct hf_error error = HF_ERROR_INIT;

	assert_int_equal(send_configure(w->set, &w->config, &error), 0);
	error_done(&error);
}

static void use_webhook(struct world *w, const char *url, const char *secret)
{
	w->webhooks[0] = (struct alert_webhook){(char *)url, (char *)secret};
	w->config.alerts.webhooks.count = 1;
	configure(w);
}

static void send_text(struct world *w, const char *json)
{
	const struct send_event event = {
		.name = "LeakDetected",
		.severity = SEND_WARNING,
		.target = "web",
		.pid = 4312,
		.text = "web leaks",
		.json = json,
		.json_size = strlen(json),
	};

	send_event(w->set, &event);
}

static struct send_stats stats_of(const struct world *w, size_t i)
{
	struct send_stats stats;

	assert_true(i < send_receiver_count(w->set));
	send_stats(w->set, i, &stats);
	return stats;
}

static void an_event_arrives_signed_and_in_order(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 0}};
	char value[256], again[256], hex[SHA256_HEX_LENGTH + 1], signed_text[300];
	uint8_t digest[SHA256_BYTES];
	const struct tiny_request *r;
	struct tiny_http server;
	struct world w;

	(void)state;
	tiny_http_start(&server, answers, 1);
	world_init(&w, 0);
	use_webhook(&w, server.url, "s3cret");
	send_text(&w, "{\"id\":1}");
	send_text(&w, "{\"id\":2}");
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 2);
	r = tiny_http_request(&server, 0);
	assert_memory_equal(r->text, "POST / HTTP/1.1\r\n", 17);
	assert_string_equal(r->body, "{\"id\":1}");
	tiny_http_header(r, "Content-Type", value);
	assert_string_equal(value, "application/json");
	tiny_http_header(r, "X-Holdfast-Event", value);
	assert_string_equal(value, "LeakDetected");
	tiny_http_header(r, "X-Holdfast-Delivery", value);
	assert_int_equal(strlen(value), 32);
	tiny_http_header(tiny_http_request(&server, 1), "X-Holdfast-Delivery", again);
	assert_string_not_equal(value, again);
	tiny_http_header(r, "X-Holdfast-Timestamp", value);
	assert_true(strtoull(value, NULL, 10) + 100 > clock_wall_ns() / NS_PER_S);
	snprintf(signed_text, sizeof(signed_text), "%s.{\"id\":1}", value);
	sha256_hmac("s3cret", 6, signed_text, strlen(signed_text), digest);
	sha256_to_hex(digest, hex);
	tiny_http_header(r, "X-Holdfast-Signature", value);
	assert_memory_equal(value, "sha256=", 7);
	assert_string_equal(value + 7, hex);
	assert_string_equal(tiny_http_request(&server, 1)->body, "{\"id\":2}");
	assert_true(stats_of(&w, 0).last_success_ns > 0);
	assert_string_equal(stats_of(&w, 0).last_error, "");
	world_done(&w);
	tiny_http_stop(&server);
}

static void what_fails_is_tried_again_with_the_same_id(void **state)
{
	static const struct tiny_answer answers[] = {
		{TINY_STATUS("500 no"), 0}, {TINY_STATUS("408 slow"), 0}, {"", 0}, {TINY_OK, 0}};
	char first[256], value[256];
	struct tiny_http server;
	struct world w;

	(void)state;
	tiny_http_start(&server, answers, COUNT_OF(answers));
	world_init(&w, 0);
	use_webhook(&w, server.url, NULL);
	send_text(&w, "{}");
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	assert_int_equal(tiny_http_count(&server), 4);
	assert_int_equal(stats_of(&w, 0).retried, 3);
	assert_int_equal(stats_of(&w, 0).dropped, 0);
	assert_int_equal(stats_of(&w, 0).failures_in_a_row, 0);
	tiny_http_header(tiny_http_request(&server, 0), "X-Holdfast-Delivery", first);
	tiny_http_header(tiny_http_request(&server, 3), "X-Holdfast-Delivery", value);
	assert_string_equal(first, value);
	tiny_http_header(tiny_http_request(&server, 0), "X-Holdfast-Signature", value);
	assert_string_equal(value, "");
	world_done(&w);
	tiny_http_stop(&server);
}

static void a_receiver_says_when_to_come_again(void **state)
{
	static const struct tiny_answer answers[] = {
		{"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		 0},
		{TINY_OK, 0}};
	struct tiny_http server;
	struct world w;

	(void)state;
	tiny_http_start(&server, answers, 2);
	world_init(&w, 0);
	use_webhook(&w, server.url, NULL);
	send_text(&w, "{}");
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	assert_true(server.requests[1].time_ns - server.requests[0].time_ns >= 990 * NS_PER_MS);
	world_done(&w);
	tiny_http_stop(&server);
}

static void what_is_refused_is_dropped_and_the_next_one_comes(void **state)
{
	static const struct tiny_answer answers[] = {
		{"HTTP/1.1 400 Bad\r\nContent-Length: 7\r\nConnection: close\r\n\r\nno\nway!", 0},
		{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n"
		 "Connection: close\r\n\r\n",
		 0},
		{TINY_OK, 0}};
	struct tiny_http server;
	struct world w;

	(void)state;
	tiny_http_start(&server, answers, COUNT_OF(answers));
	world_init(&w, 0);
	use_webhook(&w, server.url, NULL);
	send_text(&w, "1");
	TURN_UNTIL(w.loop, stats_of(&w, 0).dropped == 1);
	assert_string_equal(stats_of(&w, 0).last_error, "answered 400: no");
	send_text(&w, "2");
	TURN_UNTIL(w.loop, stats_of(&w, 0).dropped == 2);
	assert_non_null(strstr(stats_of(&w, 0).last_error, "redirect"));
	send_text(&w, "3");
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	assert_string_equal(tiny_http_request(&server, 2)->body, "3");
	assert_int_equal(stats_of(&w, 0).retried, 0);
	world_done(&w);
	tiny_http_stop(&server);
}

static void a_slow_receiver_times_out(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 400}, {TINY_OK, 0}};
	struct tiny_http server;
	struct world w;

	(void)state;
	tiny_http_start(&server, answers, 2);
	world_init(&w, 200 * NS_PER_MS);
	use_webhook(&w, server.url, NULL);
	send_text(&w, "{}");
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	assert_true(stats_of(&w, 0).retried >= 1);
	assert_non_null(strstr(stats_of(&w, 0).last_error, "timed out"));
	world_done(&w);
	tiny_http_stop(&server);
}

static void nobody_listens_until_somebody_does(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 0}};
	int port = tiny_http_free_port();
	struct tiny_http server;
	struct world w;
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "http://user:pw@127.0.0.1:%d/hook?token=t", port);
	world_init(&w, 0);
	use_webhook(&w, url, NULL);
	send_text(&w, "{}");
	TURN_UNTIL(w.loop, stats_of(&w, 0).retried >= 2);
	assert_int_equal(stats_of(&w, 0).queued, 1);
	assert_int_equal(stats_of(&w, 0).queued_bytes, 2);
	assert_true(stats_of(&w, 0).failures_in_a_row >= 2);
	assert_true(stats_of(&w, 0).last_error_ns > 0);
	assert_non_null(strstr(stats_of(&w, 0).last_error, "onnect"));
	/* neither user nor token */
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
	assert_string_equal(stats_of(&w, 0).place, url);
	tiny_http_start_at(&server, port, answers, 1);
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	assert_int_equal(stats_of(&w, 0).queued, 0);
	assert_memory_equal(tiny_http_request(&server, 0)->text, "POST /hook?token=t HTTP", 23);
	world_done(&w);
	tiny_http_stop(&server);
}

static void garbage_is_no_answer_and_a_huge_one_is_cut(void **state)
{
	static const struct tiny_answer answers[] = {{"\x16\x03\x01 this is not HTTP\r\n\r\n", 0},
						     {TINY_ENDLESS_TOP, 0},
						     {TINY_HUGE, 0},
						     {TINY_OK, 0}};
	struct tiny_http server;
	struct world w;

	(void)state;
	tiny_http_start(&server, answers, COUNT_OF(answers));
	world_init(&w, 0);
	use_webhook(&w, server.url, NULL);
	send_text(&w, "{}");
	TURN_UNTIL(w.loop, stats_of(&w, 0).retried == 2);
	assert_string_equal(stats_of(&w, 0).last_error, "the head of the answer is too long");
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	assert_int_equal(tiny_http_count(&server), 3);
	send_text(&w, "{}");
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 2);
	/* what the sockets' buffers hold goes, too; it is far from endless */
	assert_true(server.sent_bytes < (64u << 20));
	world_done(&w);
	tiny_http_stop(&server);
}

static void a_full_queue_loses_the_oldest_and_counts(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 0}};
	int port = tiny_http_free_port();
	struct tiny_http server;
	struct world w;
	char url[64], json[32];
	char *large = calloc(1, (1 << 20) + 1);

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
	world_init(&w, 0);
	use_webhook(&w, url, NULL);
	for (int i = 0; i < 1200; i++) {
		snprintf(json, sizeof(json), "{\"id\":%d}", i);
		send_text(&w, json);
	}
	assert_int_equal(stats_of(&w, 0).queued, SEND_QUEUE_COUNT);
	assert_int_equal(stats_of(&w, 0).dropped, 200);
	memset(large, 'x', 1 << 20);
	for (int i = 0; i < 5; i++)
		send_text(&w, large);
	assert_true(stats_of(&w, 0).queued_bytes <= SEND_QUEUE_BYTES);
	assert_int_equal(stats_of(&w, 0).queued + stats_of(&w, 0).dropped, 1205);
	tiny_http_start_at(&server, port, answers, 1);
	TURN_UNTIL(w.loop, !stats_of(&w, 0).queued);
	assert_int_equal(stats_of(&w, 0).sent + stats_of(&w, 0).dropped, 1205);
	world_done(&w);
	tiny_http_stop(&server);
	free(large);
}

static const struct send_alert leak_alert = {
	.name = "HoldfastLeak",
	.severity = SEND_CRITICAL,
	.target = "web",
	.component = "cache",
	.leak = "00ff00ff00ff00ff",
	.pid = 4312,
	.summary = "web leaks 4 MiB/min",
	.description = "a \"list\" grows",
	.line = "cache.c:118",
	.recommendation = "free it",
	.web_path = "/ui/leaks/00ff",
	.starts_ns = 1767323045678ull * NS_PER_MS,
};

static json_t *alerts_of(struct tiny_http *server, size_t i)
{
	const struct tiny_request *r = tiny_http_request(server, i);
	json_t *alerts = json_loads(r->body, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(alerts);
	assert_memory_equal(r->text, "POST /am/api/v2/alerts HTTP", 27);
	return alerts;
}

static const char *text_at(json_t *alert, const char *part, const char *name)
{
	json_t *object = part ? json_object_get(alert, part) : alert;

	return json_string_value(json_object_get(object, name)) ?: "(none)";
}

static void an_alert_has_the_shape_that_alertmanager_takes(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 0}};
	struct tiny_http server;
	struct world w;
	char url[80];
	json_t *all, *one;

	(void)state;
	tiny_http_start(&server, answers, 1);
	world_init(&w, 0);
	snprintf(url, sizeof(url), "%s/am/", server.url);
	w.managers[0].url = url;
	w.config.alerts.managers.count = 1;
	configure(&w);
	send_alert(w.set, &leak_alert);
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	all = alerts_of(&server, 0);
	assert_int_equal(json_array_size(all), 1);
	one = json_array_get(all, 0);
	assert_string_equal(text_at(one, "labels", "alertname"), "HoldfastLeak");
	assert_string_equal(text_at(one, "labels", "severity"), "critical");
	assert_string_equal(text_at(one, "labels", "target"), "web");
	assert_string_equal(text_at(one, "labels", "component"), "cache");
	assert_string_equal(text_at(one, "labels", "pid"), "4312");
	assert_string_equal(text_at(one, "labels", "service"), "web");
	assert_string_equal(text_at(one, "labels", "host"), "host-1");
	assert_string_equal(text_at(one, "labels", "data_center"), "a\"b");
	assert_string_equal(text_at(one, "annotations", "summary"), "web leaks 4 MiB/min");
	assert_string_equal(text_at(one, "annotations", "description"), "a \"list\" grows");
	assert_string_equal(text_at(one, "annotations", "line"), "cache.c:118");
	assert_string_equal(text_at(one, "annotations", "recommendation"), "free it");
	assert_string_equal(text_at(one, NULL, "startsAt"), "2026-01-02T03:04:05.678Z");
	assert_string_equal(text_at(one, NULL, "generatorURL"),
			    "http://127.0.0.1:7654/ui/leaks/00ff");
	json_decref(all);
	world_done(&w);
	tiny_http_stop(&server);
}

static void what_fires_is_said_again_and_its_end_once(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 0}};
	struct send_alert ended = leak_alert;
	struct tiny_http server;
	struct world w;
	char url[80];
	json_t *all;
	size_t count;

	(void)state;
	tiny_http_start(&server, answers, 1);
	world_init(&w, 0);
	snprintf(url, sizeof(url), "%s/am", server.url);
	w.managers[0].url = url;
	w.config.alerts.managers.count = 1;
	configure(&w);
	send_alert(w.set, &leak_alert);
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 3);
	assert_true(server.requests[2].time_ns - server.requests[0].time_ns >= 590 * NS_PER_MS);
	ended.ends_ns = ended.starts_ns + 60 * NS_PER_S;
	/* another service name by reload: the end belongs to the alert all the same */
	w.config.fleet.service = (char *)"shop";
	configure(&w);
	send_alert(w.set, &ended);
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 4);
	count = tiny_http_count(&server);
	assert_int_equal(count, 4);
	all = alerts_of(&server, 3);
	assert_int_equal(json_array_size(all), 1);
	assert_string_equal(text_at(json_array_get(all, 0), NULL, "endsAt"),
			    "2026-01-02T03:05:05.678Z");
	assert_string_equal(text_at(json_array_get(all, 0), "labels", "service"), "shop");
	json_decref(all);
	loop_run_for(w.loop, 700 * NS_PER_MS);
	assert_int_equal(tiny_http_count(&server), 4);
	world_done(&w);
	tiny_http_stop(&server);
}

static void a_new_alertmanager_hears_what_fires(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 0}};
	struct send_alert second = leak_alert;
	struct tiny_http server;
	struct world w;
	char url[80];
	json_t *all;

	(void)state;
	tiny_http_start(&server, answers, 1);
	world_init(&w, 0);
	configure(&w);
	send_alert(w.set, &leak_alert);
	second.pid = 5;
	send_alert(w.set, &second);
	second.ends_ns = second.starts_ns + 1;
	send_alert(w.set, &second);
	snprintf(url, sizeof(url), "%s/am", server.url);
	w.managers[0].url = url;
	w.config.alerts.managers.count = 1;
	configure(&w);
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	all = alerts_of(&server, 0);
	assert_int_equal(json_array_size(all), 1);
	assert_string_equal(text_at(json_array_get(all, 0), "labels", "pid"), "4312");
	json_decref(all);
	world_done(&w);
	tiny_http_stop(&server);
}

static void a_reload_keeps_the_queue_of_whom_it_keeps(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 0}};
	int port = tiny_http_free_port();
	struct tiny_http server;
	struct world w;
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
	world_init(&w, 0);
	use_webhook(&w, url, "k");
	send_text(&w, "{}");
	TURN_UNTIL(w.loop, stats_of(&w, 0).retried >= 1);
	w.webhooks[1] = w.webhooks[0];
	w.webhooks[0] = (struct alert_webhook){(char *)"http://127.0.0.1:1/", NULL};
	w.config.alerts.webhooks.count = 2;
	configure(&w);
	assert_int_equal(send_receiver_count(w.set), 2);
	assert_int_equal(stats_of(&w, 0).queued, 0);
	assert_int_equal(stats_of(&w, 1).queued, 1);
	/* all or nothing: no folder for the spool */
	w.config.fleet.clickhouse = (char *)"http://127.0.0.1:1";
	w.config.alerts.webhooks.count = 0;
	{
		struct hf_error error = HF_ERROR_INIT;

		assert_true(send_configure(w.set, &w.config, &error) < 0);
		assert_int_equal(error.code, HF_E_CANTWRITE);
		error_done(&error);
	}
	assert_int_equal(send_receiver_count(w.set), 2);
	assert_int_equal(stats_of(&w, 1).queued, 1);
	tiny_http_start_at(&server, port, answers, 1);
	TURN_UNTIL(w.loop, stats_of(&w, 1).sent == 1);
	world_done(&w);
	tiny_http_stop(&server);
}

static void the_last_words_are_sent_within_two_seconds(void **state)
{
	static const struct tiny_answer good[] = {{TINY_OK, 20}}, bad[] = {{TINY_OK, 3000}};
	struct tiny_http server, silent;
	struct world w;
	uint64_t began;

	(void)state;
	tiny_http_start(&server, good, 1);
	tiny_http_start(&silent, bad, 1);
	world_init(&w, 0);
	w.webhooks[1] = (struct alert_webhook){silent.url, NULL};
	use_webhook(&w, server.url, NULL);
	w.config.alerts.webhooks.count = 2;
	configure(&w);
	for (int i = 0; i < 10; i++)
		send_text(&w, "{}");
	began = clock_now_ns();
	send_free(w.set);
	assert_true(clock_now_ns() - began < 2500 * NS_PER_MS);
	assert_int_equal(tiny_http_count(&server), 10);
	loop_free(w.loop);
	tiny_http_stop(&server);
	tiny_http_stop(&silent);
}

static void a_profile_goes_to_ingest(void **state)
{
	static const struct tiny_answer answers[] = {{TINY_OK, 0}};
	const struct send_target target = {"web{x}", "1.2 B", 4312, 0};
	const struct send_profile profile = {10 * NS_PER_S, 70 * NS_PER_S, "\x1f\x8b\0pp", 5};
	struct tiny_http server;
	struct world w;
	char url[80];

	(void)state;
	tiny_http_start(&server, answers, 1);
	world_init(&w, 0);
	configure(&w);
	send_profile(w.set, &target, &profile); /* nobody wants it */
	snprintf(url, sizeof(url), "%s/", server.url);
	w.config.fleet.pyroscope = url;
	configure(&w);
	configure(&w);
	send_profile(w.set, &target, &profile);
	TURN_UNTIL(w.loop, stats_of(&w, 0).sent == 1);
	assert_string_equal(stats_of(&w, 0).kind, "pyroscope");
	assert_memory_equal(
		tiny_http_request(&server, 0)->text,
		"POST /ingest?name=web_x_%7Bhost%3Dhost-1%2Cpid%3D4312%2Cversion%3D1.2_B%2C"
		"data_center%3Da_b%7D&from=10&until=70&format=pprof",
		strlen("POST /ingest?name=web_x_%7Bhost%3Dhost-1%2Cpid%3D4312%2Cversion%3D1."
		       "2_B%2Cdata_center%3Da_b%7D&from=10&until=70&format=pprof"));
	assert_int_equal(tiny_http_request(&server, 0)->body_size, 5);
	assert_memory_equal(tiny_http_request(&server, 0)->body, "\x1f\x8b\0pp", 5);
	world_done(&w);
	tiny_http_stop(&server);
}

static void the_event_log_is_as_configured(void **state)
{
	char *parts[] = {(char *)"probe"};
	struct alert_log rules = {.format = ALERT_LOG_JSON, .level = LOG_LEVEL_WARN};
	struct send_event event = {
		.name = "TargetEnded", .severity = SEND_WARNING, .target = "web", .text = "gone"};
	char line[512];
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t got;
	json_t *json;

	(void)state;
	rules.debug.items = parts;
	rules.debug.count = 1;
	event_log_configure(&rules);
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	event_log_write(&event);
	event.severity = SEND_INFO;
	event_log_write(&event); /* below the level */
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	got = read(fds[0], line, sizeof(line) - 1);
	close(fds[0]);
	assert_true(got > 0);
	line[got] = '\0';
	assert_true(log_enabled_at(LOG_LEVEL_DEBUG, "user/capture/probe/x.c"));
	log_set_form(LOG_FORM_PLAIN);
	log_set_debug(NULL, 0);
	json = json_loads(line, 0, NULL);
	assert_non_null(json);
	assert_string_equal(text_at(json, NULL, "level"), "warn");
	assert_string_equal(text_at(json, NULL, "component"), "event");
	assert_string_equal(text_at(json, NULL, "event"), "TargetEnded");
	assert_string_equal(text_at(json, NULL, "target"), "web");
	assert_string_equal(text_at(json, NULL, "msg"), "gone");
	assert_null(json_object_get(json, "pid"));
	json_decref(json);
}

static void a_failing_allocation_leaves_all_as_it_was(void **state)
{
	struct send_options options = {.spool_path = "/tmp"};
	struct world w;

	(void)state;
	world_init(&w, 0);
	w.webhooks[0] = (struct alert_webhook){(char *)"http://127.0.0.1:1", (char *)"k"};
	w.webhooks[1] = (struct alert_webhook){(char *)"http://127.0.0.1:2", NULL};
	w.managers[0].url = w.managers[1].url = (char *)"http://127.0.0.1:3";
	w.config.fleet.pyroscope = (char *)"http://127.0.0.1:4/";
	for (long n = 1;; n++) {
		struct hf_error error = HF_ERROR_INIT;
		struct sender_set *set = NULL;
		int err;

		w.config.alerts.webhooks.count = w.config.alerts.managers.count = 1;
		oom_arm(n);
		err = send_new(w.loop, &options, &set);
		if (!err)
			err = send_configure(set, &w.config, &error);
		if (!err) {
			w.config.alerts.webhooks.count = w.config.alerts.managers.count = 2;
			err = send_configure(set, &w.config, &error);
		}
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			assert_int_equal(send_receiver_count(set), 5);
			send_free(set);
			error_done(&error);
			break;
		}
		/* the text of an error may be what there was no memory for */
		assert_true(err == -ENOMEM || (!err && send_receiver_count(set) == 5));
		send_free(set);
		error_done(&error);
	}
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_arrives_signed_and_in_order),
		cmocka_unit_test(what_fails_is_tried_again_with_the_same_id),
		cmocka_unit_test(a_receiver_says_when_to_come_again),
		cmocka_unit_test(what_is_refused_is_dropped_and_the_next_one_comes),
		cmocka_unit_test(a_slow_receiver_times_out),
		cmocka_unit_test(nobody_listens_until_somebody_does),
		cmocka_unit_test(garbage_is_no_answer_and_a_huge_one_is_cut),
		cmocka_unit_test(a_full_queue_loses_the_oldest_and_counts),
		cmocka_unit_test(an_alert_has_the_shape_that_alertmanager_takes),
		cmocka_unit_test(what_fires_is_said_again_and_its_end_once),
		cmocka_unit_test(a_new_alertmanager_hears_what_fires),
		cmocka_unit_test(a_reload_keeps_the_queue_of_whom_it_keeps),
		cmocka_unit_test(the_last_words_are_sent_within_two_seconds),
		cmocka_unit_test(a_profile_goes_to_ingest),
		cmocka_unit_test(the_event_log_is_as_configured),
		cmocka_unit_test(a_failing_allocation_leaves_all_as_it_was),
	};

	/* a proxy of the machine's is none of theirs */
	unsetenv("http_proxy");
	unsetenv("HTTP_PROXY");
	unsetenv("ALL_PROXY");
	unsetenv("all_proxy");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
