/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of spans, on the host: values of Python made by hand. That they are those of real interpreters is what
 * tests/e2e/owners.bats looks at.
 */
#include <string.h>

#include "bpfcore/python_host.h"
#include "cmocka_all.h"
#include "core/span.h"

#define BASE   0x7f0000000000ull
#define FRAME  BASE
#define TYPE   (BASE + 0x400)
#define NAME   (BASE + 0x600)
#define OBJECT (BASE + 0x800)
#define CELL   (BASE + 0x700)

static uint64_t memory[1024];

static void put(uint64_t address, uint64_t word)
{
	memory[(address - BASE) / 8] = word;
}

static void put_bytes(uint64_t address, const void *bytes, size_t size)
{
	memcpy((uint8_t *)memory + (address - BASE), bytes, size);
}

/* The variable in slot 2 is an object of a type with these flags. */
static void make(uint64_t flags, uint64_t count)
{
	memset(memory, 0, sizeof(memory));
	host_python = (struct host_python){(const uint8_t *)memory, BASE, sizeof(memory)};
	put(FRAME + 72 + 16, OBJECT);
	put(OBJECT + 8, TYPE);
	put(OBJECT + 16, count);
	put(TYPE + 24, NAME);
	put(TYPE + 168, flags);
	put_bytes(NAME, "User\0more than the name, of the next one", 40);
}

static struct hf_span_key read_key(int since_12, uint32_t is_cell)
{
	struct hf_span_key key;

	memset(&key, 0xaa, sizeof(key));
	hf_span_key_variable(&key, since_12, FRAME, 2, is_cell);
	return key;
}

static void text_is_read_in_each_layout(void **state)
{
	(void)state;
	for (int since_12 = 0; since_12 < 2; since_12++) {
		struct hf_span_key key;

		make(HF_FLAG_STR, 5);
		put(OBJECT + 32, 1 << 2 | HF_STATE_COMPACT | HF_STATE_ASCII);
		put_bytes(OBJECT + (since_12 ? 40 : 48), "alice", 5);
		key = read_key(since_12, 0);
		assert_int_equal(key.kind, HF_SPAN_KEY_UCS1);
		assert_int_equal(key.bytes, 5);
		assert_memory_equal(key.words, "alice\0\0\0", 8);
		make(HF_FLAG_STR, 2);
		put(OBJECT + 32, 2 << 2 | HF_STATE_COMPACT);
		put_bytes(OBJECT + (since_12 ? 56 : 72), "\xac\x20\x41\0", 4);
		key = read_key(since_12, 0);
		assert_int_equal(key.kind, HF_SPAN_KEY_UCS2);
		assert_int_equal(key.bytes, 4);
	}
}

static void long_text_is_cut(void **state)
{
	struct hf_span_key key;

	(void)state;
	make(HF_FLAG_STR, 1000);
	put(OBJECT + 32, 1 << 2 | HF_STATE_COMPACT | HF_STATE_ASCII);
	key = read_key(0, 0);
	assert_int_equal(key.bytes, 124);
	assert_true(key.cut);
}

static void numbers_are_those_of_sixty_bits(void **state)
{
	const uint32_t digits[] = {5, 1};
	struct hf_span_key key;

	(void)state;
	make(HF_FLAG_INT, (uint64_t)-2); /* 3.11: two digits, negative */
	put_bytes(OBJECT + 24, digits, 8);
	key = read_key(0, 0);
	assert_int_equal(key.kind, HF_SPAN_KEY_NUMBER);
	assert_int_equal((int64_t)key.words[0], -(5 + (1ll << 30)));
	make(HF_FLAG_INT, 1 << 3 | 2); /* 3.12: one digit, negative */
	put_bytes(OBJECT + 24, digits, 8);
	key = read_key(1, 0);
	assert_int_equal((int64_t)key.words[0], -5);
	make(HF_FLAG_INT, 1); /* zero */
	assert_int_equal(read_key(1, 0).words[0], 0);
	make(HF_FLAG_INT, 3);
	assert_int_equal(read_key(0, 0).kind, HF_SPAN_KEY_TYPE);
}

static void other_objects_are_told_by_their_type(void **state)
{
	struct hf_span_key key;

	(void)state;
	make(0, 0);
	key = read_key(0, 0);
	assert_int_equal(key.kind, HF_SPAN_KEY_TYPE);
	assert_memory_equal(key.words, "User\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	make(HF_FLAG_BYTES, 3);
	put_bytes(OBJECT + 32, "abc", 3);
	assert_int_equal(read_key(0, 0).kind, HF_SPAN_KEY_RAW);
}

static void a_cell_s_content_is_the_value(void **state)
{
	struct hf_span_key key;

	(void)state;
	make(HF_FLAG_INT, 1 << 3);
	put(OBJECT + 24, 7);
	put(FRAME + 72 + 16, CELL);
	put(CELL + 8, NAME + 64); /* a type without flags: all 0 there */
	put(CELL + 16, OBJECT);
	key = read_key(1, 1);
	assert_int_equal(key.kind, HF_SPAN_KEY_NUMBER);
	assert_int_equal(key.words[0], 7);
	put(FRAME + 72 + 16, OBJECT); /* before it was made */
	assert_int_equal(read_key(1, 1).words[0], 7);
}

static void what_is_not_there_is_none(void **state)
{
	(void)state;
	make(HF_FLAG_STR, 5);
	put(FRAME + 72 + 16, 0);
	assert_int_equal(read_key(0, 0).kind, HF_SPAN_KEY_NONE);
	put(FRAME + 72 + 16, 0x1000);
	assert_int_equal(read_key(0, 0).kind, HF_SPAN_KEY_NONE);
	put(FRAME + 72 + 16, OBJECT);
	put(OBJECT + 32, 3 << 2 | HF_STATE_COMPACT); /* no such width */
	assert_int_equal(read_key(0, 0).kind, HF_SPAN_KEY_NONE);
}

static void words_tell_rules_and_keys_apart(void **state)
{
	struct hf_span_key key;
	uint64_t word;

	(void)state;
	hf_span_key_clear(&key);
	hf_span_key_number(&key, 1);
	word = hf_span_word(&key, 3);
	assert_int_equal(hf_span_rule_of(word), 3);
	assert_int_not_equal(word & HF_SPAN_HASH, HF_SPAN_MORE);
	assert_int_equal(word & HF_SPAN_HASH, hf_span_word(&key, 4) & HF_SPAN_HASH);
	key.kind = HF_SPAN_KEY_RAW; /* a text of the same bytes */
	assert_int_not_equal(word, hf_span_word(&key, 3));
	key.kind = HF_SPAN_KEY_NUMBER;
	key.words[HF_SPAN_KEY_BYTES / 8 - 1] = 1;
	assert_int_not_equal(word, hf_span_word(&key, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_read_in_each_layout),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(numbers_are_those_of_sixty_bits),
		cmocka_unit_test(other_objects_are_told_by_their_type),
		cmocka_unit_test(a_cell_s_content_is_the_value),
		cmocka_unit_test(what_is_not_there_is_none),
		cmocka_unit_test(words_tell_rules_and_keys_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
