/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * What the command line, the environment and a file make of struct config. Not here: whether the
 * texts are well put; that is looked at, not tested.
 */
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "cmocka_all.h"
#include "oom.h"

#define MAX_ARGS 32

struct run {
	struct config config;
	struct hf_error err;
	char *argv[MAX_ARGS + 1];
	int result;
};

/* Parses `command` with arguments that are given NULL-terminated. */
static void parse(struct run *r, enum command_id command, const char *const *args)
{
	int argc = 0;

	error_init(&r->err);
	assert_int_equal(config_init(&r->config), 0);
	for (; args[argc]; argc++)
		r->argv[argc] = (char *)args[argc];
	r->argv[argc] = NULL;
	r->result = config_parse_cli(&r->config, &command_rows[command], argc, r->argv, &r->err);
	assert_int_equal(r->result != 0, error_is_set(&r->err));
	if (r->result)
		assert_int_equal(r->result, r->err.err);
}

static void run_done(struct run *r)
{
	error_done(&r->err);
	config_done(&r->config);
}

#define PARSE(r, command, ...) \
	parse((r), COMMAND_##command, (const char *const[]){__VA_ARGS__, NULL})
/* Parsing must succeed. */
#define PARSED(r, command, ...)                             \
	do {                                                \
		PARSE(r, command, __VA_ARGS__);             \
		assert_string_equal((r)->err.what.buf, ""); \
		assert_int_equal((r)->result, 0);           \
	} while (0)

static void defaults_are_those_of_the_product(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, hunt, "7");
	assert_true(r.config.for_ns == 60000000000);
	assert_true(r.config.budget_percent == 2.0);
	assert_true(r.config.interval_ns == 1000000000);
	assert_true(r.config.memory_bytes == 1ULL << 30);
	assert_true(r.config.ring_bytes == 16 << 20);
	assert_true(r.config.faults);
	assert_false(r.config.exact || r.config.no_follow || r.config.keep || r.config.quiet);
	assert_string_equal(r.config.log_level, "warn");
	assert_null(r.config.json);
	assert_null(r.config.fail_on);
	assert_int_equal(r.config.source[OPT_for_ns], CONFIG_DEFAULT);
	assert_null(r.config.command_argv);
	run_done(&r);
}

static void attach_watches_without_end_unless_told_otherwise(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, attach, "7");
	assert_true(r.config.for_ns == 0);
	run_done(&r);
	PARSED(&r, attach, "7", "--for", "5s");
	assert_true(r.config.for_ns == 5000000000);
	run_done(&r);
	PARSED(&r, hunt, "7", "--for", "forever");
	assert_true(r.config.for_ns == 0);
	run_done(&r);
	setenv("HOLDFAST_FOR", "3s", 1);
	PARSED(&r, attach, "7");
	assert_true(r.config.for_ns == 3000000000);
	run_done(&r);
	unsetenv("HOLDFAST_FOR");
}

static void every_kind_of_value_is_stored(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, hunt, "--for", "2m", "--budget=0.5%", "--exact", "--memory", "64MiB", "-o",
	       "pre", "--frames", "all", "--faults", "off", "--fail-on", "growing", "--html",
	       "a.html", "42");
	assert_true(r.config.for_ns == 120000000000);
	assert_true(r.config.budget_percent == 0.5);
	assert_true(r.config.exact);
	assert_true(r.config.memory_bytes == 64 << 20);
	assert_string_equal(r.config.prefix, "pre");
	assert_true(r.config.frames == CONFIG_ALL);
	assert_false(r.config.faults);
	assert_string_equal(r.config.fail_on, "growing");
	assert_string_equal(r.config.html, "a.html");
	assert_int_equal(r.config.source[OPT_html], CONFIG_COMMAND_LINE);
	run_done(&r);
	PARSED(&r, diff, "a", "b", "--fail-above", "1MiB/min");
	assert_true(r.config.fail_above_bytes_per_second == 1048576 / 60.0);
	assert_int_equal(r.config.words.count, 2);
	assert_string_equal(r.config.words.items[1], "b");
	run_done(&r);
}

static void several_pids_are_kept_in_order_once_each(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, attach, "30", "--exact", "10", "30", "20");
	assert_int_equal(r.config.pids.count, 3);
	assert_int_equal(r.config.pids.items[0], 30);
	assert_int_equal(r.config.pids.items[1], 10);
	assert_int_equal(r.config.pids.items[2], 20);
	run_done(&r);
}

static void a_command_behind_two_dashes_keeps_its_own_options(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, hunt, "--for", "5s", "--", "ls", "--for", "-q");
	assert_string_equal(r.config.command_argv[0], "ls");
	assert_string_equal(r.config.command_argv[2], "-q");
	assert_null(r.config.command_argv[3]);
	assert_true(r.config.for_ns == 5000000000);
	assert_false(r.config.quiet);
	run_done(&r);
	/* for a command that runs none, it ends the options */
	PARSED(&r, report, "--quiet", "--", "--odd-name.json");
	assert_string_equal(r.config.words.items[0], "--odd-name.json");
	run_done(&r);
}

static void json_without_a_file_is_stdout(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, attach, "1", "--json");
	assert_string_equal(r.config.json, "-");
	run_done(&r);
	PARSED(&r, attach, "--json", "1");
	assert_string_equal(r.config.json, "-");
	assert_int_equal(r.config.pids.count, 1);
	run_done(&r);
	PARSED(&r, hunt, "--json", "--quiet", "1");
	assert_string_equal(r.config.json, "-");
	assert_true(r.config.quiet);
	run_done(&r);
	PARSED(&r, hunt, "--json", "-", "1");
	assert_string_equal(r.config.json, "-");
	run_done(&r);
	PARSED(&r, hunt, "--json", "r.json", "1");
	assert_string_equal(r.config.json, "r.json");
	run_done(&r);
	PARSED(&r, hunt, "--json=123", "1");
	assert_string_equal(r.config.json, "123");
	run_done(&r);
	/* the only argument of report is a file: never to be written over */
	PARSE(&r, report, "--json", "leak.json");
	assert_int_equal(r.err.code, HF_E_USAGE);
	run_done(&r);
}

static void lists_add_up_in_order(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, hunt, "1", "--alloc", "a(size=arg1)->ret", "--alloc=b(size=arg2)->ret", "--free",
	       "c(ptr=arg1)");
	assert_int_equal(r.config.alloc_specs.count, 2);
	assert_string_equal(r.config.alloc_specs.items[0], "a(size=arg1)->ret");
	assert_string_equal(r.config.alloc_specs.items[1], "b(size=arg2)->ret");
	assert_string_equal(r.config.free_specs.items[0], "c(ptr=arg1)");
	run_done(&r);
}

static void short_options_may_stand_together(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, hunt, "-qofoo", "1");
	assert_true(r.config.quiet);
	assert_string_equal(r.config.prefix, "foo");
	run_done(&r);
	PARSED(&r, hunt, "-h", "--nonsense");
	assert_true(r.config.help);
	run_done(&r);
	PARSED(&r, scan, "--help");
	assert_true(r.config.help);
	run_done(&r);
}

/* A command line that is wrong, and what the error must say of it. */
static const struct {
	enum command_id command;
	const char *args[6];
	const char *in_what; /* must occur in the first line … */
	const char *in_rest; /* … and in one of the others */
} wrong_lines[] = {
	{COMMAND_hunt, {NULL}, "PID", "usage: holdfast hunt"},
	{COMMAND_hunt, {"abc"}, "'abc' is not a PID", "holdfast ps"},
	{COMMAND_hunt, {"0"}, "'0' is not a PID", "positive"},
	{COMMAND_hunt, {"-5"}, "no option -5", "hunt --help"},
	{COMMAND_hunt, {"99999999999"}, "is not a PID", ""},
	{COMMAND_hunt, {"1", "--for", "soon"}, "--for: 'soon'", "10ms"},
	{COMMAND_hunt, {"1", "--for", "60"}, "--for: '60'", "ms"},
	{COMMAND_hunt, {"1", "--for", "-5s"}, "--for: '-5s'", ""},
	{COMMAND_hunt, {"1", "--for", "0s"}, "--for: '0s' is out of range", "from 100ms to 365d"},
	{COMMAND_hunt, {"1", "--for", "366d"}, "out of range", "365d"},
	{COMMAND_hunt, {"1", "--for", ""}, "--for is empty", "10ms"},
	{COMMAND_hunt, {"1", "--for"}, "--for lacks its value", "a time"},
	{COMMAND_hunt, {"1", "--budget", "-3%"}, "--budget: '-3%'", "not negative"},
	{COMMAND_hunt, {"1", "--budget", "101%"}, "out of range", "100%"},
	{COMMAND_hunt, {"1", "--budget", "0%"}, "out of range", "0.01%"},
	{COMMAND_hunt, {"1", "--budget", "nan"}, "'nan'", ""},
	{COMMAND_hunt, {"1", "--memory", "1"}, "out of range", "16MiB"},
	{COMMAND_hunt, {"1", "--memory", "99999999999G"}, "out of range", "1TiB"},
	{COMMAND_hunt, {"1", "--ring", "lots"}, "--ring: 'lots'", "64KiB"},
	{COMMAND_hunt, {"1", "--frames", "0"}, "out of range", "from 1 to 256"},
	{COMMAND_hunt, {"1", "--frames", "some"}, "'some'", "all"},
	{COMMAND_hunt, {"1", "--faults", "maybe"}, "'maybe'", "on or off"},
	{COMMAND_hunt, {"1", "--fail-on", "grow"}, "'grow'", "growing, warming"},
	{COMMAND_hunt, {"1", "--fail-on", ""}, "empty", "growing"},
	{COMMAND_hunt, {"1", "--log-level", "loud"}, "'loud'", "error, warn, info, debug"},
	{COMMAND_hunt, {"1", "--alloc", "my_alloc"}, "'my_alloc'", "size=arg1"},
	{COMMAND_hunt, {"1", "--free", "f(size=arg1)"}, "'f(size=arg1)'", "ptr=arg1"},
	{COMMAND_hunt, {"1", "--exact=yes"}, "--exact takes no value", ""},
	{COMMAND_hunt, {"1", "--html", "--json", "x"}, "--html lacks its value", "file"},
	{COMMAND_hunt, {"1", "--html", ""}, "--html is empty", "file"},
	{COMMAND_hunt, {"1", "-o"}, "--output lacks its value", "a text"},
	{COMMAND_hunt, {"1", "--", "ls"}, "either PIDs or a command", "usage"},
	{COMMAND_hunt, {"--"}, "no command behind --", ""},
	{COMMAND_hunt, {"1", "--bugdet", "3%"}, "no option --bugdet", "--budget"},
	{COMMAND_hunt, {"1", "--spee=x"}, "no option --spee", "--speedscope"},
	{COMMAND_hunt, {"1", "--nonsense"}, "no option --nonsense", "hunt --help"},
	{COMMAND_hunt, {"1", "-x"}, "no option -x", "hunt --help"},
	{COMMAND_hunt, {"1", "--fail-above", "1/s"}, "no option --fail-above", "diff"},
	{COMMAND_hunt, {"1", "--json", "-", "--html", "-"}, "both write to stdout", "different"},
	{COMMAND_hunt, {"1", "--json", "a", "--html", "a"}, "both write to a", "different"},
	{COMMAND_diff, {"a"}, "A B", "usage: holdfast diff"},
	{COMMAND_diff, {"a", "b", "c"}, "'c' is one argument too many", "usage"},
	{COMMAND_diff, {"a", "b", "--fail-above", "1MiB"}, "'1MiB'", "1MiB/min"},
	{COMMAND_report, {""}, "empty", ""},
	{COMMAND_ps, {"1"}, "'1' is one argument too many", "usage"},
};

static void wrong_command_lines_are_usage_errors_that_say_what_helps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong_lines) / sizeof(wrong_lines[0]); i++) {
		struct run r;
		bool rest;

		parse(&r, wrong_lines[i].command, wrong_lines[i].args);
		rest = strstr(r.err.why.buf, wrong_lines[i].in_rest) ||
		       strstr(r.err.fix.buf, wrong_lines[i].in_rest);
		if (r.err.code != HF_E_USAGE || !strstr(r.err.what.buf, wrong_lines[i].in_what) ||
		    !rest) {
			error_print(&r.err, stderr);
			fail_msg("case %zu: wanted '%s' and '%s'", i, wrong_lines[i].in_what,
				 wrong_lines[i].in_rest);
		}
		assert_true(r.err.fix.len > 0);
		run_done(&r);
	}
}

static void devnull_may_be_written_twice(void **state)
{
	struct run r;

	(void)state;
	PARSED(&r, hunt, "1", "--json", "/dev/null", "--html", "/dev/null");
	run_done(&r);
}

static void write_file(const char *text)
{
	assert_int_equal(file_write("/tmp/holdfast-test-config.yaml", text, strlen(text)), 0);
}

static void command_line_before_environment_before_file_before_default(void **state)
{
	const char *file = "/tmp/holdfast-test-config.yaml";
	struct run r;

	(void)state;
	write_file("memory_profiling:\n  for: 1m\n  budget: 1%\n  interval: 3s\n"
		   "  alloc: ['a(size=arg1)->ret', 'b(size=arg1)->ret']\n");
	setenv("HOLDFAST_FOR", "2m", 1);
	setenv("HOLDFAST_BUDGET", "3%", 1);
	setenv("HOLDFAST_RING", "", 1); /* as if it were not there */
	PARSED(&r, hunt, "1", "--config", file, "--for", "3m");
	assert_true(r.config.for_ns == 180000000000);
	assert_true(r.config.budget_percent == 3.0);
	assert_true(r.config.interval_ns == 3000000000);
	assert_true(r.config.ring_bytes == 16 << 20);
	assert_int_equal(r.config.source[OPT_for_ns], CONFIG_COMMAND_LINE);
	assert_int_equal(r.config.source[OPT_budget_percent], CONFIG_ENVIRONMENT);
	assert_int_equal(r.config.source[OPT_interval_ns], CONFIG_FILE);
	assert_int_equal(r.config.source[OPT_ring_bytes], CONFIG_DEFAULT);
	assert_int_equal(r.config.alloc_specs.count, 2);
	run_done(&r);
	/* a list is replaced as a whole, not mixed */
	setenv("HOLDFAST_CONFIG", file, 1);
	PARSED(&r, hunt, "1", "--alloc", "c(size=arg1)->ret");
	assert_int_equal(r.config.alloc_specs.count, 1);
	assert_string_equal(r.config.alloc_specs.items[0], "c(size=arg1)->ret");
	assert_true(r.config.interval_ns == 3000000000);
	run_done(&r);
	/* a bad value is told even where a better source hides it */
	setenv("HOLDFAST_FOR", "soon", 1);
	PARSE(&r, hunt, "1", "--for", "3m");
	assert_int_equal(r.err.code, HF_E_CONFIG);
	assert_non_null(strstr(r.err.what.buf, "HOLDFAST_FOR: 'soon'"));
	run_done(&r);
	unsetenv("HOLDFAST_FOR");
	unsetenv("HOLDFAST_BUDGET");
	unsetenv("HOLDFAST_RING");
	unsetenv("HOLDFAST_CONFIG");
	unlink(file);
}

static void flags_and_names_with_hyphens_work_from_the_environment(void **state)
{
	struct run r;

	(void)state;
	setenv("HOLDFAST_NO_FOLLOW", "true", 1);
	setenv("HOLDFAST_HELP", "true", 1); /* not a setting */
	PARSED(&r, hunt, "1");
	assert_true(r.config.no_follow);
	assert_false(r.config.help);
	run_done(&r);
	setenv("HOLDFAST_NO_FOLLOW", "perhaps", 1);
	PARSE(&r, hunt, "1");
	assert_int_equal(error_exit_code(r.err.code), 78);
	run_done(&r);
	unsetenv("HOLDFAST_NO_FOLLOW");
	unsetenv("HOLDFAST_HELP");
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	struct run r;

	(void)state;
	PARSE(&r, hunt, "1", "--config", "/nonexistent/x.yaml");
	assert_int_equal(r.err.code, HF_E_NOFILE);
	assert_non_null(strstr(r.err.what.buf, "/nonexistent/x.yaml"));
	run_done(&r);
	PARSE(&r, hunt, "1", "--config", "/dev/zero");
	assert_int_equal(r.err.code, HF_E_CONFIG);
	run_done(&r);
	PARSE(&r, hunt, "1", "--config", "/tmp");
	assert_int_equal(r.err.code, HF_E_NOFILE);
	run_done(&r);
}

static void commands_are_found_and_near_misses_suggested(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	const struct command_row unbuilt = {.name = "later"};

	(void)state;
	assert_ptr_equal(command_find("hunt", &err), &command_rows[COMMAND_hunt]);
	assert_false(error_is_set(&err));
	assert_null(command_find("hnut", &err));
	assert_int_equal(err.code, HF_E_USAGE);
	assert_non_null(strstr(err.fix.buf, "holdfast hunt"));
	assert_null(command_find("nonsense", &err));
	assert_non_null(strstr(err.fix.buf, "--help"));
	assert_int_equal(command_check_built(&command_rows[COMMAND_hunt], &err), 0);
	assert_int_equal(command_check_built(&unbuilt, &err), -ENOTSUP);
	assert_int_equal(error_exit_code(err.code), 69);
	error_done(&err);
}

static void every_failing_allocation_is_reported(void **state)
{
	const char *const args[] = {
		"7",      "--for",       "5s",     "--alloc", "a(size=arg1)->ret",
		"--free", "f(ptr=arg1)", "--json", "x",       NULL};

	(void)state;
	for (long n = 1;; n++) {
		struct hf_error err = HF_ERROR_INIT;
		struct config config;
		char *argv[MAX_ARGS];
		int result, argc = 0;

		for (; args[argc]; argc++)
			argv[argc] = (char *)args[argc];
		argv[argc] = NULL;
		oom_arm(n);
		result = config_init(&config);
		if (!result)
			result = config_parse_cli(&config, &command_rows[COMMAND_hunt], argc, argv,
						  &err);
		if (!oom_disarm()) {
			assert_int_equal(result, 0);
			assert_int_equal(config.pids.count, 1);
			config_done(&config);
			assert_true(n > 10);
			return;
		}
		assert_int_equal(result, -ENOMEM);
		config_done(&config);
		error_done(&err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_product),
		cmocka_unit_test(attach_watches_without_end_unless_told_otherwise),
		cmocka_unit_test(every_kind_of_value_is_stored),
		cmocka_unit_test(several_pids_are_kept_in_order_once_each),
		cmocka_unit_test(a_command_behind_two_dashes_keeps_its_own_options),
		cmocka_unit_test(json_without_a_file_is_stdout),
		cmocka_unit_test(lists_add_up_in_order),
		cmocka_unit_test(short_options_may_stand_together),
		cmocka_unit_test(wrong_command_lines_are_usage_errors_that_say_what_helps),
		cmocka_unit_test(devnull_may_be_written_twice),
		cmocka_unit_test(command_line_before_environment_before_file_before_default),
		cmocka_unit_test(flags_and_names_with_hyphens_work_from_the_environment),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
		cmocka_unit_test(commands_are_found_and_near_misses_suggested),
		cmocka_unit_test(every_failing_allocation_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
