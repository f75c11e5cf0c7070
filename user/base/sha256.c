/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sha256.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"

#define BLOCK_BYTES 64
#define ROUNDS      64

/* FIPS 180-4, 4.2.2: fractions of the cube roots of the first 64 primes. */
static const uint32_t round_constants[ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

/* 5.3.3 */
static const uint32_t initial_state[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotated(uint32_t x, unsigned int by)
{
	return x >> by | x << (32 - by);
}

/* 6.2.2, step 1 */
static void expand(const uint8_t *block, uint32_t w[ROUNDS])
{
	for (size_t t = 0; t < 16; t++) {
		const uint8_t *at = block + 4 * t;

		w[t] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
	}
	for (size_t t = 16; t < ROUNDS; t++) {
		uint32_t a = w[t - 15], b = w[t - 2];
		uint32_t s0 = rotated(a, 7) ^ rotated(a, 18) ^ a >> 3;
		uint32_t s1 = rotated(b, 17) ^ rotated(b, 19) ^ b >> 10;

		w[t] = w[t - 16] + s0 + w[t - 7] + s1;
	}
}

/* 6.2.2, steps 2 to 4; v[0] to v[7] are the standard's a to h */
static void digest_block(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[ROUNDS], v[8];

	expand(block, w);
	memcpy(v, state, sizeof(v));
	for (size_t t = 0; t < ROUNDS; t++) {
		uint32_t s1 = rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + s1 + choice + round_constants[t] + w[t];
		uint32_t s0 = rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + s0 + majority;
	}
	for (size_t i = 0; i < 8; i++)
		state[i] += v[i];
}

void sha256_init(struct sha256 *hash)
{
	memcpy(hash->state, initial_state, sizeof(hash->state));
	hash->size = 0;
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size) {
		size_t fill = hash->size % BLOCK_BYTES;
		size_t part = BLOCK_BYTES - fill < size ? BLOCK_BYTES - fill : size;

		memcpy(hash->block + fill, at, part);
		hash->size += part;
		at += part;
		size -= part;
		if (fill + part == BLOCK_BYTES)
			digest_block(hash->state, hash->block);
	}
}

/* 5.1.1: a one bit, zeros up to 8 bytes before a block's end, the number of bits */
void sha256_end(struct sha256 *hash, uint8_t ret_digest[SHA256_BYTES])
{
	static const uint8_t padding[BLOCK_BYTES] = {0x80};
	uint64_t bits = hash->size * 8;
	uint8_t length[8];

	for (size_t i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha256_add(hash, padding, 1 + (BLOCK_BYTES + 55 - hash->size % BLOCK_BYTES) % BLOCK_BYTES);
	sha256_add(hash, length, sizeof(length));
	for (size_t i = 0; i < SHA256_BYTES; i++)
		ret_digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_of(const void *bytes, size_t size, uint8_t ret_digest[SHA256_BYTES])
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, bytes, size);
	sha256_end(&hash, ret_digest);
}

/* The key with each byte xor `with`, before anything else. */
static void begin_keyed(struct sha256 *hash, const uint8_t key[BLOCK_BYTES], uint8_t with)
{
	uint8_t pad[BLOCK_BYTES];

	for (size_t i = 0; i < BLOCK_BYTES; i++)
		pad[i] = key[i] ^ with;
	sha256_init(hash);
	sha256_add(hash, pad, sizeof(pad));
}

void sha256_hmac(const void *key, size_t key_size, const void *bytes, size_t size,
		 uint8_t ret_digest[SHA256_BYTES])
{
	uint8_t block_key[BLOCK_BYTES] = {0}, inner[SHA256_BYTES];
	struct sha256 hash;

	if (key_size > BLOCK_BYTES)
		sha256_of(key, key_size, block_key);
	else if (key_size)
		memcpy(block_key, key, key_size);
	begin_keyed(&hash, block_key, 0x36);
	sha256_add(&hash, bytes, size);
	sha256_end(&hash, inner);
	begin_keyed(&hash, block_key, 0x5c);
	sha256_add(&hash, inner, sizeof(inner));
	sha256_end(&hash, ret_digest);
}

void sha256_to_hex(const uint8_t digest[SHA256_BYTES], char ret_hex[SHA256_HEX_LENGTH + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_BYTES; i++) {
		ret_hex[2 * i] = digits[digest[i] >> 4];
		ret_hex[2 * i + 1] = digits[digest[i] & 15];
	}
	ret_hex[SHA256_HEX_LENGTH] = '\0';
}

int sha256_from_hex(const char *hex, uint8_t ret_digest[SHA256_BYTES])
{
	uint8_t digest[SHA256_BYTES];

	if (strlen(hex) != SHA256_HEX_LENGTH)
		return -EINVAL;
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		int high = units_hex_digit(hex[2 * i]), low = units_hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_digest, digest, sizeof(digest));
	return 0;
}

bool sha256_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES])
{
	volatile uint8_t differs = 0;

	for (size_t i = 0; i < SHA256_BYTES; i++)
		differs |= a[i] ^ b[i];
	return !differs;
}
