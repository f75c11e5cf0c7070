/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "base/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "oom.h"

static void an_empty_one_is_a_string_without_memory(void **state)
{
	struct strbuf sb;

	(void)state;
	strbuf_init(&sb);
	assert_string_equal(sb.buf, "");
	assert_int_equal(sb.capacity, 0);
	strbuf_truncate(&sb, 0);
	strbuf_reset(&sb);
	strbuf_done(&sb);
	assert_string_equal(sb.buf, "");
}

static void pieces_add_up_and_nul_bytes_are_kept(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&sb, "one ");
	strbuf_addf(&sb, "%d%s", 2, "!");
	strbuf_add(&sb, "\0x", 2);
	strbuf_add_repeat(&sb, '-', 3);
	strbuf_addch(&sb, '.');
	assert_int_equal(sb.len, 12);
	assert_memory_equal(sb.buf, "one 2!\0x---.", 13);
	strbuf_truncate(&sb, 3);
	assert_string_equal(sb.buf, "one");
	strbuf_done(&sb);
}

static void grows_by_single_bytes_to_a_large_text(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	for (int i = 0; i < 100000; i++)
		strbuf_addch(&sb, (char)('a' + i % 26));
	assert_int_equal(sb.len, 100000);
	assert_int_equal(strlen(sb.buf), 100000);
	assert_int_equal(sb.buf[99999], 'a' + 99999 % 26);
	strbuf_done(&sb);
}

static void detach_gives_a_heap_string_even_of_nothing(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	size_t len = 99;
	char *text = strbuf_detach(&sb, &len);

	(void)state;
	assert_string_equal(text, "");
	assert_int_equal(len, 0);
	free(text);
	strbuf_addstr(&sb, "abc");
	text = strbuf_detach(&sb, NULL);
	assert_string_equal(text, "abc");
	assert_string_equal(sb.buf, "");
	free(text);
}

static void an_impossible_size_fails_and_stays_failed(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_addstr(&sb, "kept");
	assert_int_equal(strbuf_reserve(&sb, SIZE_MAX), -ENOMEM);
	assert_true(sb.failed);
	assert_int_equal(strbuf_addstr(&sb, "lost"), -ENOMEM);
	assert_string_equal(sb.buf, "kept");
	assert_null(strbuf_detach(&sb, NULL));
	assert_false(sb.failed);
}

static void any_failing_allocation_is_reported_and_cuts_the_text(void **state)
{
	(void)state;
	for (long n = 1;; n++) {
		struct strbuf sb = STRBUF_INIT;
		int err;

		oom_arm(n);
		strbuf_addstr(&sb, "start ");
		strbuf_add_repeat(&sb, 'x', 500);
		strbuf_addf(&sb, "%0500d", 7);
		err = strbuf_add_printable(&sb, "\x01\x02", 2);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			assert_int_equal(sb.len, 6 + 500 + 500 + 8);
			strbuf_done(&sb);
			assert_true(n > 2);
			return;
		}
		assert_int_equal(err, -ENOMEM);
		assert_int_equal(strlen(sb.buf), sb.len);
		strbuf_done(&sb);
	}
}

static const char *human(struct strbuf *sb, uint64_t bytes)
{
	strbuf_reset(sb);
	strbuf_add_human_bytes(sb, bytes);
	return sb->buf;
}

static void byte_counts_have_three_digits_and_never_print_1024(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	assert_string_equal(human(&sb, 0), "0 B");
	assert_string_equal(human(&sb, 1023), "1023 B");
	assert_string_equal(human(&sb, 1024), "1.00 KiB");
	assert_string_equal(human(&sb, 1536), "1.50 KiB");
	assert_string_equal(human(&sb, 10235), "10.0 KiB");
	assert_string_equal(human(&sb, 1048575), "1.00 MiB");
	assert_string_equal(human(&sb, 412ULL << 20), "412 MiB");
	assert_string_equal(human(&sb, UINT64_MAX), "16.0 EiB");
	strbuf_done(&sb);
}

static void thousands_are_grouped(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_add_grouped(&sb, 0);
	strbuf_addch(&sb, ' ');
	strbuf_add_grouped(&sb, 999);
	strbuf_addch(&sb, ' ');
	strbuf_add_grouped(&sb, 61240);
	strbuf_addch(&sb, ' ');
	strbuf_add_grouped(&sb, UINT64_MAX);
	assert_string_equal(sb.buf, "0 999 61,240 18,446,744,073,709,551,615");
	strbuf_done(&sb);
}

static void foreign_text_cannot_steer_the_terminal(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain", "plain"},
		{"\x1b[31mred", "\\x1b[31mred"},
		{"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"},
		{"back\\slash", "back\\\\slash"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\xc0\xaf", "\\xc0\\xaf"},                   /* overlong */
		{"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},          /* overlong */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* surrogate */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond U+10FFFF */
		{"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"},
		{"\xc2\x9b", "\\xc2\\x9b"},          /* C1: CSI */
		{"\xe2\x80\xae", "\\xe2\\x80\\xae"}, /* right-to-left override */
		{"cut \xe2\x82", "cut \\xe2\\x82"},
	};
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strbuf_reset(&sb);
		strbuf_add_printable(&sb, cases[i].in, strlen(cases[i].in));
		assert_string_equal(sb.buf, cases[i].out);
	}
	strbuf_done(&sb);
}

static void how_often_is_said_in_words(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	strbuf_add_times(&sb, 1);
	strbuf_addstr(&sb, ", ");
	strbuf_add_times(&sb, 12345);
	assert_string_equal(sb.buf, "once, 12,345 times");
	strbuf_done(&sb);
}

static void numbers_and_texts_for_a_file_are_little_endian_with_their_length_before(void **state)
{
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	assert_int_equal(strbuf_add_le(&sb, 0x0102030405060708, 8), 0);
	assert_int_equal(strbuf_add_le(&sb, 0xffffff0a0b, 2), 0);
	assert_int_equal(strbuf_add_text16(&sb, "abc", 2), 0);
	assert_int_equal(strbuf_add_text16(&sb, "", 2), 0);
	assert_int_equal(sb.len, 8 + 2 + 4 + 2);
	assert_memory_equal(sb.buf,
			    "\x08\x07\x06\x05\x04\x03\x02\x01\x0b\x0a\x02\x00"
			    "ab\x00\x00",
			    16);
	strbuf_done(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_is_a_string_without_memory),
		cmocka_unit_test(pieces_add_up_and_nul_bytes_are_kept),
		cmocka_unit_test(grows_by_single_bytes_to_a_large_text),
		cmocka_unit_test(how_often_is_said_in_words),
		cmocka_unit_test(detach_gives_a_heap_string_even_of_nothing),
		cmocka_unit_test(an_impossible_size_fails_and_stays_failed),
		cmocka_unit_test(any_failing_allocation_is_reported_and_cuts_the_text),
		cmocka_unit_test(byte_counts_have_three_digits_and_never_print_1024),
		cmocka_unit_test(thousands_are_grouped),
		cmocka_unit_test(
			numbers_and_texts_for_a_file_are_little_endian_with_their_length_before),
		cmocka_unit_test(foreign_text_cannot_steer_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
