/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vectors: FIPS 180-4's examples (NIST, "SHA-256"), RFC 4231. */
#include "base/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"

static void assert_hex(const uint8_t digest[SHA256_BYTES], const char *expected)
{
	char hex[SHA256_HEX_LENGTH + 1];

	sha256_to_hex(digest, hex);
	assert_string_equal(hex, expected);
}

static void digests_of_the_standard(void **state)
{
	static const struct {
		const char *text, *digest;
	} rows[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
		{"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
		 "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
		 "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
	};
	uint8_t digest[SHA256_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sha256_of(rows[i].text, strlen(rows[i].text), digest);
		assert_hex(digest, rows[i].digest);
	}
}

static void a_million_letters_in_pieces_of_any_size(void **state)
{
	char letters[997];
	uint8_t digest[SHA256_BYTES];
	struct sha256 hash;
	size_t left = 1000000;

	(void)state;
	memset(letters, 'a', sizeof(letters));
	sha256_init(&hash);
	for (size_t part = 1; left; part = part % sizeof(letters) + 1) {
		size_t size = part < left ? part : left;

		sha256_add(&hash, letters, size);
		left -= size;
	}
	sha256_end(&hash, digest);
	assert_hex(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231: a byte repeated, where a key or the data is that; 4.6 (truncation) is not ours to do */
static void hmacs_of_the_rfc(void **state)
{
	static const char large[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	static const char larger[] =
		"This is a test using a larger than block-size key and a larger than block-size data. "
		"The key needs to be hashed before being used by the HMAC algorithm.";
	static const char plain[] = "what do ya want for nothing?";
	uint8_t digest[SHA256_BYTES], key[131], data[50];

	(void)state;
	memset(key, 0x0b, 20);
	sha256_hmac(key, 20, "Hi There", 8, digest);
	assert_hex(digest, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	sha256_hmac("Jefe", 4, plain, sizeof(plain) - 1, digest);
	assert_hex(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	sha256_hmac(key, 20, data, sizeof(data), digest);
	assert_hex(digest, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	sha256_hmac(key, 131, large, sizeof(large) - 1, digest);
	assert_hex(digest, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	sha256_hmac(key, 131, larger, sizeof(larger) - 1, digest);
	assert_hex(digest, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
	for (uint8_t i = 0; i < 25; i++)
		key[i] = (uint8_t)(i + 1);
	memset(data, 0xcd, sizeof(data));
	sha256_hmac(key, 25, data, sizeof(data), digest);
	assert_hex(digest, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

static void every_length_around_a_block_pads(void **state)
{
	uint8_t bytes[200], whole[SHA256_BYTES], parts[SHA256_BYTES];
	struct sha256 hash;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		sha256_of(bytes, size, whole);
		sha256_init(&hash);
		for (size_t i = 0; i < size; i++)
			sha256_add(&hash, bytes + i, 1);
		sha256_end(&hash, parts);
		assert_true(sha256_equal(whole, parts));
		parts[size % SHA256_BYTES] ^= 1;
		assert_false(sha256_equal(whole, parts));
	}
}

static void hex_is_read_as_it_is_written(void **state)
{
	static const char text[] =
		"BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	char broken[SHA256_HEX_LENGTH + 2];
	uint8_t digest[SHA256_BYTES], read[SHA256_BYTES];

	(void)state;
	sha256_of("abc", 3, digest);
	assert_int_equal(sha256_from_hex(text, read), 0);
	assert_true(sha256_equal(digest, read));
	assert_int_equal(sha256_from_hex("", read), -EINVAL);
	assert_int_equal(sha256_from_hex(text + 1, read), -EINVAL);
	snprintf(broken, sizeof(broken), "%s0", text);
	assert_int_equal(sha256_from_hex(broken, read), -EINVAL);
	snprintf(broken, sizeof(broken), "%s", text);
	broken[63] = 'g';
	assert_int_equal(sha256_from_hex(broken, read), -EINVAL);
	assert_true(sha256_equal(digest, read));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_of_the_standard),
		cmocka_unit_test(a_million_letters_in_pieces_of_any_size),
		cmocka_unit_test(hmacs_of_the_rfc),
		cmocka_unit_test(every_length_around_a_block_pads),
		cmocka_unit_test(hex_is_read_as_it_is_written),
	};

	return cmocka_run_group_tests_name("base_sha256", tests, NULL, NULL);
}
