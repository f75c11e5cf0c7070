/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/component_spec.h"

#include <errno.h>
#include <string.h>

#include "cmocka_all.h"
#include "config/span_spec.h"

static void components_of_all_forms_are_understood(void **state)
{
	struct component_spec spec;

	(void)state;
	assert_int_equal(component_spec_parse("a=function:std::vector<int>::*", &spec), 0);
	assert_string_equal(spec.name, "a");
	assert_string_equal(spec.function, "std::vector<int>::*");
	assert_null(spec.module);
	component_spec_done(&spec);
	assert_int_equal(component_spec_parse("b c=module:libpq*,source:*.c,python_module:app.*,"
					      "cgroup:/k*,unit:x.service,thread:engine-?",
					      &spec),
			 0);
	assert_string_equal(spec.name, "b c");
	assert_string_equal(spec.module, "libpq*");
	assert_string_equal(spec.source, "*.c");
	assert_string_equal(spec.python_module, "app.*");
	assert_string_equal(spec.cgroup, "/k*");
	assert_string_equal(spec.unit, "x.service");
	assert_string_equal(spec.thread, "engine-?");
	component_spec_done(&spec);
}

static void what_is_no_component_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"a",
		"=function:f",
		"a=",
		"a=f",
		"a=function:",
		"a=functions:f",
		"a=function:f,",
		"a=function:f,function:g",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct component_spec spec = {0};

		assert_int_equal(component_spec_parse(texts[i], &spec), -EINVAL);
		assert_null(spec.name);
	}
}

static void spans_of_all_forms_are_understood(void **state)
{
	static const struct {
		const char *text, *name, *enter, *leave, *key;
		int type;
	} cases[] = {
		{"user=handle(arg1)", "user", "handle", NULL, "arg1", false},
		{"user=handle(arg6:string)", "user", "handle", NULL, "arg6", false},
		{"job=libjobs.so:run(arg2:int)", "job", "libjobs.so:run", NULL, "arg2", true},
		{"job=begin(arg1)..end", "job", "begin", "end", "arg1", false},
		{"q=app.server:Server.handle(user)", "q", "app.server:Server.handle", NULL, "user",
		 false},
		{"q=ns::f(arg1)..ns::g", "q", "ns::f", "ns::g", "arg1", false},
		{"q=f()", "q", "f", NULL, NULL, false},
		{"q=f()..g", "q", "f", "g", NULL, false},
		{"q=app.server:run()", "q", "app.server:run", NULL, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span_spec spec;

		assert_int_equal(span_spec_parse(cases[i].text, &spec), 0);
		assert_string_equal(spec.name, cases[i].name);
		assert_string_equal(spec.enter, cases[i].enter);
		if (cases[i].key)
			assert_string_equal(spec.key, cases[i].key);
		else
			assert_null(spec.key);
		assert_int_equal(spec.argument, cases[i].key && !strncmp(cases[i].key, "arg", 3)
							? cases[i].key[3] - '0'
							: 0);
		assert_int_equal(spec.python, !!strstr(cases[i].text, "app.server:"));
		assert_int_equal(spec.type, cases[i].type);
		if (cases[i].leave)
			assert_string_equal(spec.leave, cases[i].leave);
		else
			assert_null(spec.leave);
		span_spec_done(&spec);
	}
}

static void what_is_no_span_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"a",
		"a=f",
		"a=f()x",
		"a=f(arg1",
		"=f(arg1)",
		"a=(arg1)",
		"a=f(1x)",
		"a=f(user:int)",
		"a=f(arg1:float)",
		"a=app:f()..g",
		"a=f(arg1)x",
		"a=f(arg1)..",
		"a=f(user)..g",
		"a=f(a b)",
		"f(arg1)=a",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct span_spec spec = {0};

		assert_int_equal(span_spec_parse(texts[i], &spec), -EINVAL);
		assert_null(spec.name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(components_of_all_forms_are_understood),
		cmocka_unit_test(what_is_no_component_is_refused),
		cmocka_unit_test(spans_of_all_forms_are_understood),
		cmocka_unit_test(what_is_no_span_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
