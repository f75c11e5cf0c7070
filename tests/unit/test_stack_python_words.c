/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/stack/python_words.h"
#include "cmocka_all.h"

#define MARK       HF_PYTHON_FRAME /* of any code object */
#define PY(code)   (HF_PYTHON_FRAME | (uint64_t)(code) << HF_PYTHON_UNIT_BITS)
#define LAST(code) (PY(code) | HF_PYTHON_LAST)
#define LOOP(pc)   ((pc) | HF_PYTHON_LOOP)

#define MERGED(words, ...)                                                                         \
	do {                                                                                       \
		const uint64_t wanted[] = {__VA_ARGS__};                                           \
		uint64_t found[64];                                                                \
		size_t count = python_words_merge(words, sizeof(words) / sizeof(*(words)), found); \
                                                                                                   \
		assert_int_equal(count, sizeof(wanted) / sizeof(*wanted));                         \
		assert_memory_equal(found, wanted, sizeof(wanted));                                \
	} while (0)

static void each_run_stands_in_place_of_its_loop(void **state)
{
	/* Two functions in the inner loop, called by C code that a third one called. */
	const uint64_t words[] = {PY(1), MARK,     LAST(2), MARK,     LAST(3), MARK,
				  10,    LOOP(11), 12,      LOOP(13), 14};

	(void)state;
	MERGED(words, 10, PY(1), PY(2), 12, PY(3), 14);
}

static void a_stack_without_python_is_as_it_was(void **state)
{
	const uint64_t words[] = {10, 11, 12};

	(void)state;
	MERGED(words, 10, 11, 12);
}

static void runs_without_a_loop_come_last(void **state)
{
	/* The native walk ended early. */
	const uint64_t cut[] = {LAST(1), MARK, PY(2), MARK, LAST(3), MARK, 10, LOOP(11)};
	/* The frames of Python did: the last run has no end. */
	const uint64_t open[] = {LAST(1), MARK, PY(2), MARK, 10, LOOP(11), 12};
	const uint64_t only[] = {PY(1), MARK, PY(2), MARK};

	(void)state;
	MERGED(cut, 10, PY(1), PY(2), PY(3));
	MERGED(open, 10, PY(1), 12, PY(2));
	MERGED(only, PY(1), PY(2));
}

static void marks_that_fit_nothing_do_not_stay(void **state)
{
	/* More loops than runs: of a damaged recording. */
	const uint64_t words[] = {LAST(1), MARK, LOOP(10), LOOP(11), PY(5)};

	(void)state;
	MERGED(words, PY(1), 11, PY(5) & ~HF_PYTHON_FRAME);
}

static void a_word_has_its_parts(void **state)
{
	uint64_t word = HF_PYTHON_FRAME | (UINT64_C(0x7ffff7a4c128) >> 3) << HF_PYTHON_UNIT_BITS |
			12345;

	(void)state;
	assert_true(hf_python_is_frame(word | HF_PYTHON_LAST));
	assert_int_equal(hf_python_code(word | HF_PYTHON_LAST), 0x7ffff7a4c128);
	assert_int_equal(hf_python_unit(word | HF_PYTHON_LAST), 12345);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_run_stands_in_place_of_its_loop),
		cmocka_unit_test(a_stack_without_python_is_as_it_was),
		cmocka_unit_test(runs_without_a_loop_come_last),
		cmocka_unit_test(marks_that_fit_nothing_do_not_stay),
		cmocka_unit_test(a_word_has_its_parts),
	};

	return cmocka_run_group_tests_name("python_words", tests, NULL, NULL);
}
