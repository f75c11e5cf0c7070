/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bytes.h - a bounds-checked little-endian cursor for hostile bytes. Every parser of foreign binary
 * data uses it.
 *
 * The error is sticky: the first read past the end (or a malformed number) sets `bad`, moves the
 * cursor to the end and yields 0, as does every later read. So read a whole record and look at
 * `bad` once; but check it before you use a value as a loop bound. A cursor borrows its bytes.
 * Offsets never wrap: all checks are on what is left.
 */
#ifndef HF_BASE_BYTES_H
#define HF_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static inline struct cursor cursor_of(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	return (struct cursor){.p = p, .end = size ? p + size : p, .bad = false};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

static inline void cursor_fail(struct cursor *c)
{
	c->bad = true;
	c->p = c->end;
}

/* `size` bytes in place, then moves on; NULL (and bad) if fewer are left. Size 0 is fine. */
static inline const uint8_t *cursor_bytes(struct cursor *c, uint64_t size)
{
	const uint8_t *at = c->p;

	if (c->bad || size > cursor_left(c)) {
		cursor_fail(c);
		return NULL;
	}
	if (size)
		c->p += size;
	return at;
}

static inline void cursor_skip(struct cursor *c, uint64_t size)
{
	(void)cursor_bytes(c, size);
}

/* Moves on to a multiple of `alignment` (power of two), counted from `base`, which lies in the same
 * buffer. */
static inline void cursor_align(struct cursor *c, const uint8_t *base, size_t alignment)
{
	cursor_skip(c, -(size_t)(c->p - base) & (alignment - 1));
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *b = cursor_bytes(c, 1);

	return b ? *b : 0;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
	const uint8_t *b = cursor_bytes(c, 2);

	return b ? (uint16_t)(b[0] | b[1] << 8) : 0;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	const uint8_t *b = cursor_bytes(c, 4);

	return b ? b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24 : 0;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
	uint64_t low = cursor_u32(c);
	uint64_t high = cursor_u32(c);

	return c->bad ? 0 : low | high << 32;
}

/* LEB128 (DWARF 5, 7.6). More than 64 significant bits, or no end: bad. */
uint64_t cursor_uleb(struct cursor *c);
int64_t cursor_sleb(struct cursor *c);

/* A NUL-terminated string in place, without the NUL in *ret_len (may be NULL); NULL and bad if no
 * NUL is left. */
const char *cursor_cstr(struct cursor *c, size_t *ret_len);

/*
 * A text in place with its length, at most `max`, before it in two bytes (strbuf_add_text16()); no NUL ends it. NULL and
 * bad if it is longer, cut short, or holds a NUL.
 */
const char *cursor_text16(struct cursor *c, size_t max, size_t *ret_len);

/* A cursor over the next `size` bytes, which this one skips; the result is bad and empty if fewer
 * are left. */
static inline struct cursor cursor_sub(struct cursor *c, uint64_t size)
{
	const uint8_t *b = cursor_bytes(c, size);

	return (struct cursor){.p = b ? b : c->end, .end = b ? b + size : c->end, .bad = c->bad};
}

/* A cursor over [offset, offset + size) of a buffer: bad and empty if that is not inside. */
struct cursor cursor_window(const void *bytes, size_t buffer_size, uint64_t offset, uint64_t size);

#endif
