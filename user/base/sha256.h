/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sha256.h - SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), and to compare secrets.
 *
 *	struct sha256 hash;
 *	sha256_init(&hash);
 *	sha256_add(&hash, bytes, size);		any number of times
 *	sha256_end(&hash, digest);		then sha256_init() again
 *
 * No allocation, no failure; any thread with its own struct. Time depends on sizes only, not on content.
 */
#ifndef HF_BASE_SHA256_H
#define HF_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES      32
#define SHA256_HEX_LENGTH 64

struct sha256 {
	uint32_t state[8];
	uint64_t size; /* bytes so far */
	uint8_t block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t size);
void sha256_end(struct sha256 *hash, uint8_t ret_digest[SHA256_BYTES]);
/* All at once. */
void sha256_of(const void *bytes, size_t size, uint8_t ret_digest[SHA256_BYTES]);

void sha256_hmac(const void *key, size_t key_size, const void *bytes, size_t size,
		 uint8_t ret_digest[SHA256_BYTES]);

/* 64 lower-case digits and a NUL. */
void sha256_to_hex(const uint8_t digest[SHA256_BYTES], char ret_hex[SHA256_HEX_LENGTH + 1]);
/* Either case; -EINVAL if it is not 64 digits and nothing else. */
int sha256_from_hex(const char *hex, uint8_t ret_digest[SHA256_BYTES]);

/* In a time that tells nothing about where they differ. */
bool sha256_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES]);

#endif
