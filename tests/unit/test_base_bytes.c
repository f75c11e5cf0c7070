/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/bytes.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cmocka_all.h"

/* A cursor over bytes that end where a heap block ends, so that ASan sees any read beyond. */
#define CURSOR(copy, ...)                                                       \
	const uint8_t bytes_[] = {__VA_ARGS__};                                 \
	uint8_t *copy = memcpy(malloc(sizeof(bytes_)), bytes_, sizeof(bytes_)); \
	struct cursor c = cursor_of(copy, sizeof(bytes_))

static void numbers_are_little_endian(void **state)
{
	CURSOR(copy, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255);

	(void)state;
	assert_int_equal(cursor_u8(&c), 1);
	assert_int_equal(cursor_u16(&c), 0x0302);
	assert_int_equal(cursor_u32(&c), 0x07060504);
	assert_true(cursor_u64(&c) == 0xff0e0d0c0b0a0908ULL);
	assert_int_equal(cursor_left(&c), 0);
	assert_false(c.bad);
	free(copy);
}

static void the_first_read_past_the_end_spoils_all_later_ones(void **state)
{
	CURSOR(copy, 1, 2, 3);

	(void)state;
	assert_int_equal(cursor_u32(&c), 0);
	assert_true(c.bad);
	/* three bytes were left, but the position is no longer known to be right */
	assert_int_equal(cursor_u8(&c), 0);
	assert_int_equal(cursor_left(&c), 0);
	assert_null(cursor_bytes(&c, 0));
	free(copy);
}

static void a_number_cut_in_its_upper_half_is_zero(void **state)
{
	CURSOR(copy, 1, 2, 3, 4, 5, 6, 7);

	(void)state;
	assert_true(cursor_u64(&c) == 0);
	assert_true(c.bad);
	free(copy);
}

static void huge_sizes_do_not_wrap(void **state)
{
	static const uint64_t sizes[] = {4, SIZE_MAX, SIZE_MAX - 1, 1ULL << 63};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CURSOR(copy, 1, 2, 3);

		cursor_skip(&c, sizes[i]);
		assert_true(c.bad);
		assert_true(cursor_window(copy, 3, sizes[i], 1).bad);
		assert_true(cursor_window(copy, 3, 1, sizes[i]).bad);
		free(copy);
	}
}

static void windows_lie_inside_or_are_bad(void **state)
{
	CURSOR(copy, 1, 2, 3);
	struct cursor w = cursor_window(copy, 3, 1, 2);

	(void)state;
	(void)c;
	assert_int_equal(cursor_u16(&w), 0x0302);
	assert_false(w.bad);
	w = cursor_window(copy, 3, 3, 0);
	assert_false(w.bad);
	assert_true(cursor_window(copy, 3, 3, 1).bad);
	assert_false(cursor_window(NULL, 0, 0, 0).bad);
	assert_true(cursor_window(NULL, 0, 0, 1).bad);
	free(copy);
}

static void a_sub_cursor_cannot_leave_its_part(void **state)
{
	CURSOR(copy, 1, 2, 3, 4);
	struct cursor sub = cursor_sub(&c, 2);

	(void)state;
	assert_int_equal(cursor_u8(&c), 3);
	assert_int_equal(cursor_u16(&sub), 0x0201);
	assert_int_equal(cursor_u8(&sub), 0);
	assert_true(sub.bad);
	assert_false(c.bad);
	sub = cursor_sub(&c, 2);
	assert_true(sub.bad && c.bad);
	free(copy);
}

static void leb128_of_dwarf_5_figures_22_and_23(void **state)
{
	CURSOR(copy, 2, 127, 0x80, 1, 0xb9, 0x64, 2, 0x7e, 0xff, 0, 0x81, 0x7f, 0x80, 1, 0x80,
	       0x7f);

	(void)state;
	assert_int_equal(cursor_uleb(&c), 2);
	assert_int_equal(cursor_uleb(&c), 127);
	assert_int_equal(cursor_uleb(&c), 128);
	assert_int_equal(cursor_uleb(&c), 12857);
	assert_int_equal(cursor_sleb(&c), 2);
	assert_int_equal(cursor_sleb(&c), -2);
	assert_int_equal(cursor_sleb(&c), 127);
	assert_int_equal(cursor_sleb(&c), -127);
	assert_int_equal(cursor_sleb(&c), 128);
	assert_int_equal(cursor_sleb(&c), -128);
	assert_false(c.bad);
	free(copy);
}

static void leb128_reaches_the_ends_of_64_bits_and_no_further(void **state)
{
	uint8_t max[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
	uint8_t min[] = {128, 128, 128, 128, 128, 128, 128, 128, 128, 0x7f};
	struct cursor c = cursor_of(max, 10);

	(void)state;
	assert_true(cursor_uleb(&c) == UINT64_MAX);
	assert_false(c.bad);
	c = cursor_of(min, 10);
	assert_true(cursor_sleb(&c) == INT64_MIN);
	assert_false(c.bad);
	max[9] = 2;
	c = cursor_of(max, 10);
	assert_true(cursor_uleb(&c) == 0 && c.bad);
	min[9] = 1;
	c = cursor_of(min, 10);
	assert_true(cursor_sleb(&c) == 0 && c.bad);
}

static void leb128_that_never_ends_is_bad(void **state)
{
	uint8_t bytes[100];
	struct cursor c;

	(void)state;
	memset(bytes, 0x80, sizeof(bytes));
	c = cursor_of(bytes, sizeof(bytes));
	cursor_uleb(&c);
	assert_true(c.bad);
	c = cursor_of(bytes, sizeof(bytes));
	cursor_sleb(&c);
	assert_true(c.bad);
	c = cursor_of(bytes, 3);
	cursor_uleb(&c);
	assert_true(c.bad);
}

static void strings_end_inside_or_are_bad(void **state)
{
	CURSOR(copy, 'a', 'b', 0, 0, 'c');
	size_t len = 9;

	(void)state;
	assert_string_equal(cursor_cstr(&c, &len), "ab");
	assert_int_equal(len, 2);
	assert_string_equal(cursor_cstr(&c, NULL), "");
	assert_null(cursor_cstr(&c, &len));
	assert_true(c.bad);
	assert_null(cursor_cstr(&c, &len));
	assert_int_equal(len, 2);
	free(copy);
}

static void alignment_counts_from_the_base(void **state)
{
	CURSOR(copy, 1, 2, 3, 4, 5);

	(void)state;
	cursor_align(&c, copy, 4);
	assert_int_equal(cursor_u8(&c), 1);
	cursor_align(&c, copy, 4);
	assert_int_equal(cursor_u8(&c), 5);
	cursor_align(&c, copy, 4);
	assert_true(c.bad);
	free(copy);
}

static void texts_with_their_length_are_bounded(void **state)
{
	CURSOR(copy, 2, 0, 'a', 'b', 0, 0, 3, 0, 'c', 'd');
	const uint8_t with_nul[] = {2, 0, 'a', 0};
	size_t size = 9;

	(void)state;
	assert_memory_equal(cursor_text16(&c, 2, &size), "ab", 2);
	assert_int_equal(size, 2);
	assert_non_null(cursor_text16(&c, 2, &size));
	assert_int_equal(size, 0);
	assert_null(cursor_text16(&c, 9, &size)); /* cut short */
	assert_true(c.bad);
	c = cursor_of(copy, 4);
	assert_null(cursor_text16(&c, 1, &size)); /* longer than allowed */
	assert_true(c.bad);
	c = cursor_of(with_nul, sizeof(with_nul));
	assert_null(cursor_text16(&c, 9, &size));
	assert_true(c.bad);
	free(copy);
}

static void what_strbuf_writes_is_read_back(void **state)
{
	static const uint64_t numbers[] = {0, 127, 128, 1ULL << 63, UINT64_MAX};
	_cleanup_(strbuf_done) struct strbuf sb = STRBUF_INIT;
	struct cursor c;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		assert_int_equal(strbuf_add_uleb(&sb, numbers[i]), 0);
	assert_int_equal(strbuf_add_text16(&sb, "main.c", 4), 0);
	c = cursor_of(sb.buf, sb.len);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		assert_true(cursor_uleb(&c) == numbers[i]);
	assert_memory_equal(cursor_text16(&c, 4, &size), "main", 4);
	assert_int_equal(size, 4);
	assert_false(c.bad);
	assert_int_equal(cursor_left(&c), 0);
}

static void nothing_to_read_is_no_error_until_read(void **state)
{
	struct cursor c = cursor_of(NULL, 0);

	(void)state;
	assert_false(c.bad);
	cursor_skip(&c, 0);
	assert_false(c.bad);
	assert_null(cursor_cstr(&c, NULL));
	assert_true(c.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_little_endian),
		cmocka_unit_test(the_first_read_past_the_end_spoils_all_later_ones),
		cmocka_unit_test(a_number_cut_in_its_upper_half_is_zero),
		cmocka_unit_test(huge_sizes_do_not_wrap),
		cmocka_unit_test(windows_lie_inside_or_are_bad),
		cmocka_unit_test(a_sub_cursor_cannot_leave_its_part),
		cmocka_unit_test(leb128_of_dwarf_5_figures_22_and_23),
		cmocka_unit_test(leb128_reaches_the_ends_of_64_bits_and_no_further),
		cmocka_unit_test(leb128_that_never_ends_is_bad),
		cmocka_unit_test(strings_end_inside_or_are_bad),
		cmocka_unit_test(alignment_counts_from_the_base),
		cmocka_unit_test(texts_with_their_length_are_bounded),
		cmocka_unit_test(what_strbuf_writes_is_read_back),
		cmocka_unit_test(nothing_to_read_is_no_error_until_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
