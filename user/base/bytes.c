/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/bytes.h"

uint64_t cursor_uleb(struct cursor *c)
{
	uint64_t value = 0;

	for (unsigned int shift = 0;; shift += 7) {
		uint8_t byte = cursor_u8(c);
		uint64_t part = byte & 0x7f;

		if (c->bad)
			return 0;
		/* padding by 0x80 bytes is legal, but nothing beyond bit 63 may be set; 10 bytes
		 * carry 64 bits */
		if (shift >= 70 || (shift == 63 && part > 1)) {
			cursor_fail(c);
			return 0;
		}
		value |= part << shift;
		if (!(byte & 0x80))
			return value;
	}
}

int64_t cursor_sleb(struct cursor *c)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = cursor_u8(c);
		/* the tenth byte carries bit 63 and may only repeat the sign above it */
		if (c->bad || shift >= 70 ||
		    (shift == 63 && (byte & 0x7f) != 0 && (byte & 0x7f) != 0x7f)) {
			cursor_fail(c);
			return 0;
		}
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~(uint64_t)0 << shift;
	return (int64_t)value;
}

const char *cursor_cstr(struct cursor *c, size_t *ret_len)
{
	const char *start = (const char *)c->p;
	const uint8_t *nul = cursor_left(c) ? memchr(c->p, 0, cursor_left(c)) : NULL;

	if (!nul) {
		cursor_fail(c);
		return NULL;
	}
	if (ret_len)
		*ret_len = (size_t)(nul - c->p);
	c->p = nul + 1;
	return start;
}

const char *cursor_text16(struct cursor *c, size_t max, size_t *ret_len)
{
	size_t size = cursor_u16(c);
	const uint8_t *bytes = cursor_bytes(c, size);

	if (!bytes || size > max || memchr(bytes, 0, size)) {
		cursor_fail(c);
		return NULL;
	}
	*ret_len = size;
	return (const char *)bytes;
}

struct cursor cursor_window(const void *bytes, size_t buffer_size, uint64_t offset, uint64_t size)
{
	struct cursor all = cursor_of(bytes, buffer_size);

	cursor_skip(&all, offset);
	return cursor_sub(&all, size);
}
