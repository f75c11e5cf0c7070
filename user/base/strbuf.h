/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * strbuf.h - a growing string.
 *
 * Invariants: `buf` is never NULL and always NUL-terminated at buf[len]; it may hold NULs before
 * that. `buf` points to a constant empty string until the first byte is added, so never write
 * through it when len is 0, and never free it: use strbuf_detach().
 *
 * Failure: every adding function returns 0 or -ENOMEM and sets the sticky `failed`; after that
 * nothing more is added (the text is cut, not garbled). So a writer may add piece by piece and look
 * at `failed` once. Thread: none of its own; one owner at a time.
 */
#ifndef HF_BASE_STRBUF_H
#define HF_BASE_STRBUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf {
	char *buf;
	size_t len;      /* bytes, without the final NUL */
	size_t capacity; /* bytes allocated; 0: buf is the shared constant */
	bool failed;     /* sticky: an allocation failed */
};

extern const char strbuf_empty[1];

#define STRBUF_INIT                         \
	{                                   \
		.buf = (char *)strbuf_empty \
	}

void strbuf_init(struct strbuf *sb);
/* Frees; the strbuf is empty and usable again. */
void strbuf_done(struct strbuf *sb);
/* Empties but keeps the memory; clears `failed`. */
void strbuf_reset(struct strbuf *sb);
/* Cuts to `len` bytes if longer. */
void strbuf_truncate(struct strbuf *sb, size_t len);

/* Room for `extra` more bytes. */
int strbuf_reserve(struct strbuf *sb, size_t extra);
int strbuf_add(struct strbuf *sb, const void *bytes, size_t len);
int strbuf_addstr(struct strbuf *sb, const char *s);
int strbuf_addch(struct strbuf *sb, char c);
/* The number's lowest bytes, little endian; as LEB128; and a text, cut at `max`, with its length before it in two bytes. */
int strbuf_add_le(struct strbuf *sb, uint64_t value, unsigned int bytes);
int strbuf_add_uleb(struct strbuf *sb, uint64_t value);
int strbuf_add_text16(struct strbuf *sb, const char *text, uint16_t max);
int strbuf_add_repeat(struct strbuf *sb, char c, size_t count);
int strbuf_addf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* "412 B", "1.0 KiB", "412 MiB": three significant digits, binary units, for people. */
int strbuf_add_human_bytes(struct strbuf *sb, uint64_t bytes);
/* "61,240": thousands grouped, for people. */
int strbuf_add_grouped(struct strbuf *sb, uint64_t number);
/* "once", "21 times" */
int strbuf_add_times(struct strbuf *sb, uint64_t number);
/* Foreign text made safe for a terminal: control bytes and invalid UTF-8 as \xNN, the backslash as
 * \\. */
int strbuf_add_printable(struct strbuf *sb, const char *bytes, size_t len);

/* The heap string (free() it), or NULL if `failed` or out of memory; the strbuf is empty
 * afterwards. */
char *strbuf_detach(struct strbuf *sb, size_t *ret_len);

#endif
