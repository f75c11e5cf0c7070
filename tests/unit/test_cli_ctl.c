/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of `holdfast ctl` that need no agent: words, addresses, which target is meant, tables of hostile JSON, errors
 * of answers, server-sent events in pieces.
 */
#include "cli/ctl.h"
#include "cli/ctl_link.h"
#include "cli/ctl_sse.h"
#include "cli/ctl_view.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmocka_all.h"

static json_t *parse(const char *text)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(value);
	return value;
}

static void words_are_found_and_near_ones_are_named(void **state)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const struct ctl_word *word = ctl_find_word("leaks", &error);

	(void)state;
	assert_non_null(word);
	assert_ptr_equal(word->run, ctl_leaks);
	assert_int_equal(word->most, 1);
	assert_null(ctl_find_word("leeks", &error));
	assert_int_equal(error.code, HF_E_USAGE);
	assert_non_null(strstr(error.fix.buf, "leaks"));
	assert_null(ctl_find_word("", &error));
}

static void addresses_are_sockets_hosts_and_urls(void **state)
{
	static const struct {
		const char *text, *url, *socket;
		int err;
	} rows[] = {
		{"unix:/run/a.sock", "http://localhost", "/run/a.sock", 0},
		{"127.0.0.1:7654", "http://127.0.0.1:7654", "", 0},
		{"db", "http://db:7654", "", 0},
		{"[::1]:80", "http://[::1]:80", "", 0},
		{"[::1]", "http://[::1]:7654", "", 0},
		{"https://h.example/x/", "https://h.example/x", "", 0},
		{"", "", "", -EINVAL},
		{"unix:run", "", "", -EINVAL},
		{"[::1", "", "", -EINVAL},
		{"host/path", "", "", -EINVAL},
		{"a b", "", "", -EINVAL},
		{"user@host", "", "", -EINVAL},
		{"h\r\nX: y", "", "", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_(ctl_address_done) struct ctl_address address = CTL_ADDRESS_INIT;

		assert_int_equal(ctl_address_parse(rows[i].text, &address), rows[i].err);
		if (rows[i].err)
			continue;
		assert_string_equal(address.url.buf, rows[i].url);
		assert_string_equal(address.socket.buf, rows[i].socket);
	}
}

#define RUNNING(id, pid, name)                                                 \
	"{\"id\":" id ",\"pid\":" pid ",\"name\":\"" name "\",\"comm\":\"c" id \
	"\",\"ended_at\":null}"
#define ENDED(id, pid, name)                                                         \
	"{\"id\":" id ",\"pid\":" pid ",\"name\":\"" name "\",\"comm\":\"c" id "\"," \
	"\"ended_at\":\"2026-01-01T00:00:00.000Z\"}"

static void a_target_is_meant_by_id_pid_or_name(void **state)
{
	_cleanup_(ctl_json_freep) json_t *targets =
		parse("[" RUNNING("1", "70", "web") "," RUNNING("2", "71", "db") "," RUNNING(
			"3", "1",
			"db") "," ENDED("4", "72",
					"web") "," ENDED("5", "73",
							 "old") ","
								"17, null, {\"id\":\"x\"}]");
	static const struct {
		const char *text;
		uint64_t id;
	} rows[] = {
		{"2", 2},   {"71", 2}, {"1", 1}, /* an id before a pid */
		{"web", 1},                      /* what runs before what has ended */
		{"old", 5}, {"c3", 3},
	};
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	uint64_t id = 99;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(ctl_pick_target(targets, rows[i].text, &id, &error), 0);
		assert_true(id == rows[i].id);
	}
	assert_int_equal(ctl_pick_target(targets, "db", &id, &error), -EINVAL);
	assert_non_null(strstr(error.why.buf, "2 (pid 71), 3 (pid 1)"));
	assert_int_equal(ctl_pick_target(targets, "nobody", &id, &error), -ESRCH);
	assert_int_equal(ctl_pick_target(targets, "73", &id, &error), -ESRCH); /* it has ended */
	assert_int_equal(ctl_pick_target(NULL, "1", &id, &error), -ESRCH);
}

static const struct ctl_field columns[] = {
	{"ID", CTL_ID, "id"},
	{"NAME", CTL_TEXT, "name"},
	{"STATE", CTL_STATE, "state"},
	{"RSS", CTL_BYTES, "m.rss"},
	{"AGO", CTL_AGE, "time"},
	{"WHERE", CTL_PLACE, "stack"},
	{.title = NULL},
};

static void a_table_is_aligned_and_shows_what_is_unknown(void **state)
{
	static const struct ctl_view view = {.now_s = 1767322995}; /* 2026-01-02T03:03:15Z */
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *rows = parse(
		"[{\"id\":61240,\"name\":\"m\xc3\xbcller\",\"state\":\"critical\",\"m\":{\"rss\":1048576},"
		"\"time\":\"2026-01-02T03:02:30.500Z\",\"stack\":[{\"function\":\"malloc\"},"
		"{\"function\":\"f\",\"file\":\"src/a.c\",\"line\":7}]},"
		"{\"id\":1,\"name\":7,\"m\":[],\"time\":\"yesterday\",\"stack\":{}}, 5]");

	(void)state;
	ctl_add_table(&out, &view, rows, columns);
	assert_string_equal(out.buf, "   ID  NAME    STATE          RSS   AGO  WHERE\n"
				     "61240  m\xc3\xbcller  critical  1.00 MiB  45 s  f (a.c:7)\n"
				     "    1  -       -                -     -  -\n"
				     "    -  -       -                -     -  -\n");
}

static void hostile_texts_move_no_cursor_and_stretch_no_table(void **state)
{
	static const struct ctl_view view = {.color = true};
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *rows = NULL;

	(void)state;
	strbuf_addstr(&text, "[{\"id\":-1e300,\"name\":\"");
	strbuf_add_repeat(&text, 'x', 5000);
	strbuf_addstr(&text,
		      "\",\"state\":\"\\u001b[2J\\n\",\"m\":{\"rss\":1e308},\"time\":-1e308}]");
	rows = parse(text.buf);
	ctl_add_table(&out, &view, rows, columns);
	assert_null(strchr(out.buf, '\033'));
	assert_non_null(strstr(out.buf, "\\x1b[2J\\x0a"));
	assert_true(out.len < 500);
}

static void only_how_bad_it_is_has_a_colour(void **state)
{
	static const struct ctl_field fields[] = {{"state", CTL_STATE, "s"},
						  {"text", CTL_TEXT, "s"},
						  {"none", CTL_BYTES, "t"},
						  {.title = NULL}};
	static const struct ctl_view view = {.color = true};
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	_cleanup_(ctl_json_freep) json_t *object = parse("{\"s\":\"critical\"}");

	(void)state;
	ctl_add_list(&out, &view, object, fields);
	assert_string_equal(out.buf, "state  \033[31mcritical\033[0m\ntext   critical\n");
}

static void the_largest_comes_first_and_the_unknown_last(void **state)
{
	_cleanup_(ctl_json_freep) json_t *array =
		parse("[{\"n\":1},{\"n\":null},{\"n\":5,\"k\":1},{\"n\":5,\"k\":2},3]");
	_cleanup_(ctl_json_freep) json_t *sorted = ctl_largest_first(array, "n");

	(void)state;
	assert_int_equal(json_array_size(sorted), 5);
	assert_true(ctl_number(json_array_get(sorted, 0), "k") == 1);
	assert_true(ctl_number(json_array_get(sorted, 1), "k") == 2);
	assert_true(ctl_number(json_array_get(sorted, 2), "n") == 1);
}

static void times_are_those_of_rfc_3339(void **state)
{
	(void)state;
	assert_true(ctl_time("1970-01-01T00:01:00Z") == 60);
	assert_true(ctl_time("2026-01-02T03:02:30.500Z") == 1767322950);
	assert_true(isnan(ctl_time("")));
	assert_true(isnan(ctl_time("2026-01-02")));
}

static int error_of(const char *answer, long status, struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	strbuf_addstr(&text, answer);
	return ctl_answer_error(&text, status, error);
}

static void an_answers_error_keeps_its_code(void **state)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;

	(void)state;
	assert_int_equal(error_of("anything", 200, &error), 0);
	assert_int_equal(error_of("{\"status\":\"critical\"}", 503, &error), 0);
	assert_int_equal(
		error_of("{\"error\":{\"code\":\"HF-E-NOPID\",\"what\":\"w\",\"why\":\"y\","
			 "\"fix\":\"f\"}}",
			 404, &error),
		-ESRCH);
	assert_int_equal(error_exit_code(error.code), 66);
	assert_string_equal(error.what.buf, "w");
	assert_string_equal(error.why.buf, "y");
	assert_string_equal(error.fix.buf, "f");
	assert_true(error_of("{\"error\":{\"code\":\"HF-E-PERM\",\"what\":\"w\"}}", 401, &error) <
		    0);
	assert_int_equal(error.code, HF_E_PERM);
	assert_non_null(strstr(error.fix.buf, "--token-file"));
	assert_true(error_of("{\"error\":{\"code\":[],\"what\":7}}", 500, &error) < 0);
	assert_int_equal(error.code, HF_E_INTERNAL);
	assert_true(error_of("<html>", 404, &error) < 0);
	assert_int_equal(error.code, HF_E_BADFILE);
	assert_true(error_of("{\"error\":{}}", 400, NULL) < 0);
}

static void a_segment_of_a_path_stays_one(void **state)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	(void)state;
	ctl_add_escaped(&out, "../a b?c#\xff_");
	assert_string_equal(out.buf, "%2E%2E%2Fa%20b%3Fc%23%FF_");
}

struct seen {
	struct strbuf text;
	int stop_after;
};

static int note(const char *data, size_t size, void *user)
{
	struct seen *seen = user;

	strbuf_add(&seen->text, data, size);
	strbuf_addch(&seen->text, '|');
	return seen->stop_after && !--seen->stop_after ? -ECANCELED : 0;
}

static void events_come_whole_out_of_pieces_of_any_size(void **state)
{
	static const char stream[] =
		": hello\n\nid: 1\nevent: A\ndata: {\"a\":1}\n\n"
		"data:x\r\ndata:  y\r\n\r\nevent: none\n\ndata: last\n\ndata: cut";

	(void)state;
	for (size_t step = 1; step < sizeof(stream); step++) {
		_cleanup_(ctl_sse_done) struct ctl_sse sse = CTL_SSE_INIT;
		struct seen seen = {.text = STRBUF_INIT};

		sse.event = note;
		sse.user = &seen;
		for (size_t at = 0; at < sizeof(stream) - 1; at += step) {
			size_t left = sizeof(stream) - 1 - at;

			assert_int_equal(ctl_sse_feed(&sse, stream + at, left < step ? left : step),
					 0);
		}
		assert_string_equal(seen.text.buf, "{\"a\":1}|x\n y|last|");
		strbuf_done(&seen.text);
	}
}

static void an_endless_line_or_event_is_passed_over(void **state)
{
	_cleanup_(ctl_sse_done) struct ctl_sse sse = CTL_SSE_INIT;
	struct seen seen = {.text = STRBUF_INIT, .stop_after = 1};
	static char block[65536];

	(void)state;
	sse.event = note;
	sse.user = &seen;
	memset(block, 'z', sizeof(block));
	assert_int_equal(ctl_sse_feed(&sse, "data: ", 6), 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(ctl_sse_feed(&sse, block, sizeof(block)), 0);
	assert_true(sse.line.len <= CTL_SSE_MOST);
	assert_int_equal(ctl_sse_feed(&sse, "\n\n", 2), 0);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(ctl_sse_feed(&sse, "data: ", 6), 0);
		assert_int_equal(ctl_sse_feed(&sse, block, sizeof(block)), 0);
		assert_int_equal(ctl_sse_feed(&sse, "\n", 1), 0);
	}
	assert_true(sse.data.len <= CTL_SSE_MOST);
	assert_int_equal(ctl_sse_feed(&sse, "\n", 1), 0);
	assert_int_equal(seen.text.len, 0);
	assert_int_equal(ctl_sse_feed(&sse, "data: good\n\ndata: more\n\n", 24), -ECANCELED);
	assert_string_equal(seen.text.buf, "good|");
	strbuf_done(&seen.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_found_and_near_ones_are_named),
		cmocka_unit_test(addresses_are_sockets_hosts_and_urls),
		cmocka_unit_test(a_target_is_meant_by_id_pid_or_name),
		cmocka_unit_test(a_table_is_aligned_and_shows_what_is_unknown),
		cmocka_unit_test(hostile_texts_move_no_cursor_and_stretch_no_table),
		cmocka_unit_test(only_how_bad_it_is_has_a_colour),
		cmocka_unit_test(the_largest_comes_first_and_the_unknown_last),
		cmocka_unit_test(times_are_those_of_rfc_3339),
		cmocka_unit_test(an_answers_error_keeps_its_code),
		cmocka_unit_test(a_segment_of_a_path_stays_one),
		cmocka_unit_test(events_come_whole_out_of_pieces_of_any_size),
		cmocka_unit_test(an_endless_line_or_event_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
