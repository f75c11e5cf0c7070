/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys of spans in words, sets of spans by their hash. */
#include "session/span_book.h"

#include <string.h>

#include "cmocka_all.h"

static void tell(struct span_book *book, uint64_t word, uint8_t kind, const void *bytes,
		 uint32_t size)
{
	struct hf_event_span_key event = {.word = word, .key = {.kind = kind, .bytes = size}};

	memcpy(event.key.words, bytes, size);
	span_book_key(book, &event);
}

static void expect(const struct span_book *book, uint64_t word, const char *text)
{
	struct strbuf sb = STRBUF_INIT;

	span_book_text(book, word, &sb);
	assert_string_equal(sb.buf, text);
	strbuf_done(&sb);
}

static void keys_of_all_kinds_are_printable(void **state)
{
	const int64_t number = -5;
	struct span_book book;

	(void)state;
	span_book_init(&book);
	tell(&book, 1, HF_SPAN_KEY_RAW, "caf\xc3\xa9\n\xff", 7);
	expect(&book, 1, "caf\xc3\xa9\\x0a\\xff");
	tell(&book, 2, HF_SPAN_KEY_UCS1,
	     "\xdc"
	     "b",
	     2);
	expect(&book, 2,
	       "\xc3\x9c"
	       "b");
	tell(&book, 3, HF_SPAN_KEY_UCS2, "\xac\x20\x41\x00", 4);
	expect(&book, 3,
	       "\xe2\x82\xac"
	       "A");
	tell(&book, 4, HF_SPAN_KEY_UCS4, "\x00\xf6\x01\x00", 4);
	expect(&book, 4, "\xf0\x9f\x98\x80");
	tell(&book, 5, HF_SPAN_KEY_NUMBER, &number, 8);
	expect(&book, 5, "-5");
	tell(&book, 6, HF_SPAN_KEY_TYPE, "User\0rest", 9);
	expect(&book, 6, "<User>");
	tell(&book, 7, HF_SPAN_KEY_NONE, "", 0);
	expect(&book, 7, "(none)");
	expect(&book, 8, "?");
	expect(&book, 3ull << HF_SPAN_RULE_SHIFT, "(more)");
	tell(&book, 1, HF_SPAN_KEY_RAW, "other", 5); /* the first stands */
	expect(&book, 1, "caf\xc3\xa9\\x0a\\xff");
	span_book_done(&book);
}

static void sets_are_known_once_they_are_told(void **state)
{
	struct hf_event_spans event = {.set = 77, .words = {5, 6, 7}};
	struct ledger_labels labels;
	struct span_book book;

	(void)state;
	span_book_init(&book);
	assert_false(span_book_labels(&book, 77, &labels));
	assert_int_equal(book.unknown, 1);
	span_book_set(&book, &event);
	assert_true(span_book_labels(&book, 77, &labels));
	assert_int_equal(labels.count, 3);
	assert_int_equal(labels.id, 77);
	assert_int_equal(labels.words[2], 7);
	span_book_done(&book);
}

/* The first rule's "(more)" is the word 0. */
static void a_word_of_zero_is_one_if_it_stands_first(void **state)
{
	struct hf_event_spans event = {.set = 1};
	struct ledger_labels labels;
	struct span_book book;

	(void)state;
	span_book_init(&book);
	span_book_set(&book, &event);
	assert_true(span_book_labels(&book, 1, &labels));
	assert_int_equal(labels.count, 1);
	span_book_done(&book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_all_kinds_are_printable),
		cmocka_unit_test(sets_are_known_once_they_are_told),
		cmocka_unit_test(a_word_of_zero_is_one_if_it_stands_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
