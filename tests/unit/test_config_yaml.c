/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"
#include "config/config.h"
#include "oom.h"

static int apply(struct config *config, const char *text, size_t size, struct hf_error *err)
{
	const struct config_text source = {"f.yaml", text, size};
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	int result = 0;

	assert_int_equal(config_init(config), 0);
	assert_int_equal(config_apply_yaml(config, &source, &problems), 0);
	if (config_problems_count(&problems))
		result = config_problems_error(&problems, err);
	config_problems_done(&problems);
	return result;
}

static void settings_of_all_kinds_are_read(void **state)
{
	static const char text[] = "# ours\n"
				   "memory_profiling:\n"
				   "  for: 90s\n"
				   "  budget: 0.5%\n"
				   "  exact: true\n"
				   "  no_follow: yes\n"
				   "  faults: off\n"
				   "  memory: 2GiB\n"
				   "  frames: 12\n"
				   "  output: \"pre fix\"\n"
				   "  fail_on: growing\n"
				   "  fail_above: 1MiB/min\n"
				   "  alloc:\n"
				   "    - a(size=arg1)->ret\n"
				   "    - b(size=arg1)->ret\n"
				   "  free: 'c(ptr=arg1)'\n";
	struct hf_error err = HF_ERROR_INIT;
	struct config c;

	(void)state;
	assert_int_equal(apply(&c, text, sizeof(text) - 1, &err), 0);
	assert_true(c.for_ns == 90000000000);
	assert_true(c.budget_percent == 0.5);
	assert_true(c.exact && c.no_follow && !c.faults);
	assert_true(c.memory_bytes == 2ULL << 30);
	assert_int_equal(c.frames, 12);
	assert_string_equal(c.prefix, "pre fix");
	assert_string_equal(c.fail_on, "growing");
	assert_int_equal(c.alloc_specs.count, 2);
	assert_string_equal(c.alloc_specs.items[1], "b(size=arg1)->ret");
	assert_int_equal(c.free_specs.count, 1);
	assert_int_equal(c.source[OPT_exact], CONFIG_FILE);
	config_done(&c);
}

static void nothing_to_set_is_no_error(void **state)
{
	static const char *const texts[] = {"",
					    "# only a comment\n",
					    "---\n...\n# x\n",
					    "memory_profiling:\n",
					    "memory_profiling: {}\n",
					    "memory_profiling: {alloc: []}\n"};
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config c;
		int result = apply(&c, texts[i], strlen(texts[i]), &err);

		/* an empty document is a scalar, which is not below the key: told, not ignored */
		if (i == 2)
			assert_int_equal(err.code, HF_E_CONFIG);
		else
			assert_int_equal(result, 0);
		error_done(&err);
		config_done(&c);
	}
}

static void errors_name_line_and_column(void **state)
{
	static const struct {
		const char *text, *what;
	} cases[] = {
		{"memory_profiling:\n  fro: 5s\n", "f.yaml:2:3: there is no setting 'fro'"},
		{"memory_profiling:\n  for: soon\n", "f.yaml:2:8: for: 'soon' is not understood"},
		{"memory_profiling:\n  for: ~\n", "f.yaml:2:8: for: '~' is not understood"},
		{"memory_profiling:\n  for:\n", "f.yaml:2:7: for is empty"},
		{"memory_profiling:\n  budget: 400%\n",
		 "f.yaml:2:11: budget: '400%' is out of range"},
		{"memory_profiling:\n  exact: perhaps\n",
		 "f.yaml:2:10: exact: 'perhaps' is not underst"},
		{"memory_profiling:\n  for: [5s]\n", "f.yaml:2:8: for takes one value, not a list"},
		{"memory_profiling:\n  for: []\n", "f.yaml:2:8: for takes one value, not a list"},
		{"memory_profiling:\n  for: {a: b}\n", "f.yaml:2:8: a plain value is wanted here"},
		{"memory_profiling:\n  alloc: [[a]]\n",
		 "f.yaml:2:11: a plain value is wanted here"},
		{"memory_profiling:\n  alloc: [x]\n", "f.yaml:2:11: alloc: 'x' is not understood"},
		{"memory_profiling:\n  for: 1s\n  for: 1s\n",
		 "f.yaml:3:3: the setting for stands here"},
		{"memory_profiling:\n  alloc: []\n  alloc: []\n",
		 "f.yaml:3:3: the setting alloc stands"},
		{"memory_profiling:\n  for: &a 1s\n  interval: *a\n",
		 "f.yaml:3:13: aliases are not"},
		{"memory_profiling:\n  [a]: b\n", "f.yaml:2:3: the name of a setting is wanted"},
		{"memory_profiling:\n  help: true\n", "f.yaml:2:3: there is no setting 'help'"},
		{"memory_profiling:\n  config: x\n", "f.yaml:2:3: there is no setting 'config'"},
		{"memory_profiling:\n  no-follow: true\n",
		 "f.yaml:2:3: there is no setting 'no-follow'"},
		{"memory_profiling: 5\n", "f.yaml:1:19: settings are wanted here"},
		{"memory_profiling: [for]\n", "f.yaml:1:19: settings are wanted here"},
		{"for: 5s\n", "f.yaml:1:1: the settings must stand below one key"},
		{"- a\n", "f.yaml:1:1: the settings must stand below one key"},
		{"memory_profiling: {}\nother: 1\n",
		 "f.yaml:2:1: the settings must stand below one key"},
		{"--- {memory_profiling: {}}\n--- x\n", "f.yaml:2:1: a second document is not"},
		{"memory_profiling:\n\tfor: 1s\n", "f.yaml:2:1: "},
		{"memory_profiling: {\n", "f.yaml:2:1: "},
		{"memory_profiling: {output: \"a\\0b\"}\n", "f.yaml:1:28: a NUL character"},
		{"memory_profiling: {output: \xff}\n", "f.yaml:1:28: "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hf_error err = HF_ERROR_INIT;
		struct config c;

		assert_int_equal(apply(&c, cases[i].text, strlen(cases[i].text), &err), -EINVAL);
		if (err.code != HF_E_CONFIG ||
		    strncmp(err.what.buf, cases[i].what, strlen(cases[i].what)) != 0)
			fail_msg("'%s' gave '%s', wanted '%s'", cases[i].text, err.what.buf,
				 cases[i].what);
		error_done(&err);
		config_done(&c);
	}
}

static void an_unknown_setting_has_the_nearest_one_suggested(void **state)
{
	static const char text[] = "memory_profiling: {no_folow: true}";
	struct hf_error err = HF_ERROR_INIT;
	struct config c;

	(void)state;
	assert_int_equal(apply(&c, text, strlen(text), &err), -EINVAL);
	assert_non_null(strstr(err.why.buf, "no_follow"));
	error_done(&err);
	config_done(&c);
}

static void deep_nesting_is_an_error_not_a_crash(void **state)
{
	static char text[200000];
	struct hf_error err = HF_ERROR_INIT;
	struct config c;

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(apply(&c, text, sizeof(text), &err), -EINVAL);
	error_done(&err);
	config_done(&c);
}

static void too_many_values_are_an_error(void **state)
{
	struct strbuf text = STRBUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct config c;

	(void)state;
	strbuf_addstr(&text, "memory_profiling: {alloc: [");
	for (int i = 0; i < 11000; i++)
		strbuf_addstr(&text, "a(size=arg1)->ret, ");
	strbuf_addstr(&text, "]}");
	assert_int_equal(apply(&c, text.buf, text.len, &err), -EINVAL);
	assert_non_null(strstr(err.what.buf, "there are too many values"));
	assert_non_null(strstr(err.why.buf, "10,000"));
	strbuf_done(&text);
	error_done(&err);
	config_done(&c);
}

static void places_count_characters_not_bytes(void **state)
{
	static const char text[] = "memory_profiling: {output: \"\u00e4\u00e4\", fro: 1}";
	struct hf_error err = HF_ERROR_INIT;
	struct config c;

	(void)state;
	assert_int_equal(apply(&c, text, strlen(text), &err), -EINVAL);
	assert_non_null(strstr(err.what.buf, "f.yaml:1:34: there is no setting 'fro'"));
	error_done(&err);
	config_done(&c);
}

/* libyaml's own allocations are not wrapped (it is a shared library); ours are. */
static void every_failing_allocation_of_ours_is_reported(void **state)
{
	static const char text[] =
		"memory_profiling: {alloc: [a(size=arg1)->ret], output: x, fro: 1,\n"
		"for: soon, for: 5s, targets: [{name: w, comm: x}, {name: w}],\n"
		"fleet: {labels: {a: b}}, alerts: {log: {debug: [a, b]}},\n"
		"enabled_backends: [gc], spans: [{name: s, enter: f, keyy: 2}]}";
	const struct config_text source = {"f", text, sizeof(text) - 1};

	(void)state;
	for (long n = 1;; n++) {
		struct config_problems problems = CONFIG_PROBLEMS_INIT;
		struct config c;
		bool struck;
		int result;

		assert_int_equal(config_init(&c), 0);
		oom_arm(n);
		result = config_apply_yaml(&c, &source, &problems);
		struck = oom_disarm();
		config_done(&c);
		config_problems_done(&problems);
		if (!struck) {
			assert_int_equal(result, 0);
			assert_true(n > 3);
			return;
		}
		assert_int_equal(result, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_of_all_kinds_are_read),
		cmocka_unit_test(nothing_to_set_is_no_error),
		cmocka_unit_test(errors_name_line_and_column),
		cmocka_unit_test(an_unknown_setting_has_the_nearest_one_suggested),
		cmocka_unit_test(too_many_values_are_an_error),
		cmocka_unit_test(places_count_characters_not_bytes),
		cmocka_unit_test(deep_nesting_is_an_error_not_a_crash),
		cmocka_unit_test(every_failing_allocation_of_ours_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
