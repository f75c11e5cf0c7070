/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"

static char captured[1024];

/* stderr goes into a pipe while the macro's arguments run; what came out is in captured[]. */
static void capture_begin(int fds[2], int *saved)
{
	assert_int_equal(pipe(fds), 0);
	*saved = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
}

static void capture_end(const int fds[2], int saved)
{
	ssize_t got;

	dup2(saved, STDERR_FILENO);
	close(saved);
	got = read(fds[0], captured, sizeof(captured) - 1);
	captured[got > 0 ? got : 0] = '\0';
	close(fds[0]);
}

#define CAPTURE(...)                          \
	do {                                  \
		int fds_[2], saved_;          \
		capture_begin(fds_, &saved_); \
		__VA_ARGS__;                  \
		capture_end(fds_, saved_);    \
	} while (0)

static void logging_hands_the_error_on_and_names_it(void **state)
{
	int err = 0;

	(void)state;
	errno = 77;
	CAPTURE(err = log_err(-ESRCH, "cannot attach to pid %d", 7));
	assert_int_equal(err, -ESRCH);
	assert_string_equal(captured,
			    "holdfast: error: unit: cannot attach to pid 7: No such process\n");
}

static void what_is_below_the_level_is_not_written_nor_evaluated(void **state)
{
	int evaluated = 0;

	(void)state;
	CAPTURE(log_info("%d", ++evaluated));
	assert_string_equal(captured, "");
	assert_int_equal(evaluated, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	CAPTURE(log_debug("%d", ++evaluated));
	assert_string_equal(captured, "holdfast: debug: unit: 1\n");
	log_set_level(LOG_LEVEL_WARN);
}

static void one_message_is_one_line(void **state)
{
	(void)state;
	CAPTURE(log_warn("a\nholdfast: error: forged"));
	assert_string_equal(captured, "holdfast: warn: unit: a\\x0aholdfast: error: forged\n");
}

static void logfmt_has_time_level_component_and_quotes(void **state)
{
	regex_t re;

	(void)state;
	log_set_form(LOG_FORM_LOGFMT);
	CAPTURE(log_warn("say \"%s\"", "x"));
	log_set_form(LOG_FORM_PLAIN);
	assert_int_equal(regcomp(&re,
				 "^ts=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z level=warn "
				 "component=unit msg=\"say \\\\\"x\\\\\"\"\n$",
				 REG_EXTENDED | REG_NOSUB),
			 0);
	assert_int_equal(regexec(&re, captured, 0, NULL, 0), 0);
	regfree(&re);
}

static void the_component_is_the_last_folder(void **state)
{
	(void)state;
	CAPTURE(log_write(LOG_LEVEL_ERROR, "user/capture/probe/attach.c", 0, "x"));
	assert_string_equal(captured, "holdfast: error: probe: x\n");
	CAPTURE(log_write(LOG_LEVEL_ERROR, "probe/attach.c", 0, "x"));
	assert_string_equal(captured, "holdfast: error: probe: x\n");
	CAPTURE(log_write(LOG_LEVEL_ERROR, "attach.c", 0, "x"));
	assert_string_equal(captured, "holdfast: error: holdfast: x\n");
}

static void a_line_of_json_is_one_whatever_it_says(void **state)
{
	const struct log_field fields[] = {{"event", "Leak\"Detected"}, {"target", "a\nb\xff"}};
	const char *begin;

	(void)state;
	log_set_form(LOG_FORM_JSON);
	CAPTURE(log_write_fields(LOG_LEVEL_WARN, "event", "grows\there", fields, 2));
	log_set_form(LOG_FORM_PLAIN);
	begin = strstr(captured, "\"level\"");
	assert_non_null(begin);
	assert_memory_equal(captured, "{\"ts\":\"20", 9);
	assert_string_equal(begin,
			    "\"level\":\"warn\",\"component\":\"event\","
			    "\"event\":\"Leak\\\"Detected\","
			    "\"target\":\"a\\nb\xef\xbf\xbd\",\"msg\":\"grows\\u0009here\"}\n");
}

static void fields_stand_before_the_message_or_behind_it(void **state)
{
	const struct log_field fields[] = {{"event", "E"}, {"target", "a b\n"}};

	(void)state;
	CAPTURE(log_write_fields(LOG_LEVEL_INFO, "event", "text", fields, 2));
	assert_string_equal(captured, "holdfast: info: event: text (event=E target=a b\\x0a)\n");
	log_set_form(LOG_FORM_LOGFMT);
	CAPTURE(log_write_fields(LOG_LEVEL_INFO, "event", "text", fields, 2));
	log_set_form(LOG_FORM_PLAIN);
	assert_non_null(strstr(captured, " level=info component=event event=\"E\" "
					 "target=\"a b\\x0a\" msg=\"text\"\n"));
}

static void a_component_may_speak_at_debug_alone(void **state)
{
	const char *const mine[] = {"probe", "unit", "a name that is much longer than any folder"};
	int evaluated = 0;

	(void)state;
	log_set_debug(mine, 3);
	assert_true(log_enabled_at(LOG_LEVEL_DEBUG, "user/capture/probe/attach.c"));
	assert_false(log_enabled_at(LOG_LEVEL_DEBUG, "user/capture/prob/attach.c"));
	CAPTURE(log_debug("%d", ++evaluated));
	assert_string_equal(captured, "holdfast: debug: unit: 1\n");
	log_set_debug(mine, 1);
	CAPTURE(log_debug("%d", ++evaluated));
	assert_string_equal(captured, "");
	assert_int_equal(evaluated, 1);
	log_set_debug(NULL, 0);
	assert_false(log_enabled_at(LOG_LEVEL_DEBUG, "user/capture/probe/attach.c"));
}

static void level_names_parse_back(void **state)
{
	enum log_level level = LOG_LEVEL_INFO;

	(void)state;
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		assert_int_equal(log_level_parse(log_level_name((enum log_level)i), &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logging_hands_the_error_on_and_names_it),
		cmocka_unit_test(what_is_below_the_level_is_not_written_nor_evaluated),
		cmocka_unit_test(one_message_is_one_line),
		cmocka_unit_test(logfmt_has_time_level_component_and_quotes),
		cmocka_unit_test(the_component_is_the_last_folder),
		cmocka_unit_test(a_line_of_json_is_one_whatever_it_says),
		cmocka_unit_test(fields_stand_before_the_message_or_behind_it),
		cmocka_unit_test(a_component_may_speak_at_debug_alone),
		cmocka_unit_test(level_names_parse_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
