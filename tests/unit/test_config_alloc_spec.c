/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/alloc_spec.h"

#include <errno.h>
#include <string.h>

#include "cmocka_all.h"

static void allocators_of_all_forms_are_understood(void **state)
{
	static const struct {
		const char *text, *module, *function;
		uint8_t size, count, ptr, result;
	} cases[] = {
		{"my_alloc(size=arg1)->ret", NULL, "my_alloc", 1, 0, 0, ALLOC_SPEC_RETURN},
		{"c(count=arg1,size=arg2)->ret", NULL, "c", 2, 1, 0, ALLOC_SPEC_RETURN},
		{"g(size=arg6)->arg1", NULL, "g", 6, 0, 0, 1},
		{"r(ptr=arg1,size=arg2)->ret", NULL, "r", 2, 0, 1, ALLOC_SPEC_RETURN},
		{"libp.so:f(size=arg1)->ret", "libp.so", "f", 1, 0, 0, ALLOC_SPEC_RETURN},
		{"pool::take(size=arg2)->ret", NULL, "pool::take", 2, 0, 0, ALLOC_SPEC_RETURN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct alloc_spec spec;

		assert_int_equal(alloc_spec_parse(cases[i].text, &spec), 0);
		assert_string_equal(spec.function, cases[i].function);
		if (cases[i].module)
			assert_string_equal(spec.module, cases[i].module);
		else
			assert_null(spec.module);
		assert_int_equal(spec.size_arg, cases[i].size);
		assert_int_equal(spec.count_arg, cases[i].count);
		assert_int_equal(spec.ptr_arg, cases[i].ptr);
		assert_int_equal(spec.result_arg, cases[i].result);
		alloc_spec_done(&spec);
	}
}

static void what_is_no_allocator_is_refused_and_leaves_nothing(void **state)
{
	static const char *const texts[] = {
		"",
		"f",
		"f(",
		"f()",
		"f()->ret",
		"(size=arg1)->ret",
		"f(size=arg1)",
		"f(size=arg0)->ret",
		"f(size=arg7)->ret",
		"f(size=arg12)->ret",
		"f(size=1)->ret",
		"f(size=arg1)->",
		"f(size=arg1)->x",
		"f(size=arg1)->ret ",
		"f(size=arg1,)->ret",
		"f(size=arg1,size=arg2)->ret",
		"f(ptr=arg1)->ret",
		"f(len=arg1)->ret",
		"f(size=arg1)->arg0",
		"f g(size=arg1)->ret",
		":f(size=arg1)->ret",
		"m:(size=arg1)->ret",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct alloc_spec spec = {.size_arg = 77};

		assert_int_equal(alloc_spec_parse(texts[i], &spec), -EINVAL);
		assert_int_equal(spec.size_arg, 77);
	}
}

static void a_release_has_a_pointer_and_nothing_else(void **state)
{
	static const char *const bad[] = {"f()", "f(size=arg1)", "f(ptr=arg1,size=arg2)",
					  "f(ptr=arg1)->ret", "f(ptr=arg1)x"};
	struct alloc_spec spec;

	(void)state;
	assert_int_equal(free_spec_parse("libp.so.1:my_free(ptr=arg2)", &spec), 0);
	assert_string_equal(spec.module, "libp.so.1");
	assert_string_equal(spec.function, "my_free");
	assert_int_equal(spec.ptr_arg, 2);
	alloc_spec_done(&spec);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(free_spec_parse(bad[i], &spec), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocators_of_all_forms_are_understood),
		cmocka_unit_test(what_is_no_allocator_is_refused_and_leaves_nothing),
		cmocka_unit_test(a_release_has_a_pointer_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
