/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char strbuf_empty[1] = "";

void strbuf_init(struct strbuf *sb)
{
	*sb = (struct strbuf)STRBUF_INIT;
}

void strbuf_done(struct strbuf *sb)
{
	if (sb->capacity)
		free(sb->buf);
	strbuf_init(sb);
}

void strbuf_reset(struct strbuf *sb)
{
	sb->failed = false;
	strbuf_truncate(sb, 0);
}

void strbuf_truncate(struct strbuf *sb, size_t len)
{
	if (len >= sb->len)
		return;
	sb->len = len;
	sb->buf[len] = '\0';
}

int strbuf_reserve(struct strbuf *sb, size_t extra)
{
	size_t want, grown = sb->capacity + sb->capacity / 2;
	char *bigger;

	if (sb->failed)
		return -ENOMEM;
	if (__builtin_add_overflow(sb->len, extra, &want) || __builtin_add_overflow(want, 1, &want))
		goto fail;
	if (want <= sb->capacity)
		return 0;
	if (want < grown)
		want = grown;
	if (want < 32)
		want = 32;
	bigger = realloc(sb->capacity ? sb->buf : NULL, want);
	if (!bigger)
		goto fail;
	bigger[sb->len] = '\0';
	sb->buf = bigger;
	sb->capacity = want;
	return 0;
fail:
	sb->failed = true;
	return -ENOMEM;
}

int strbuf_add(struct strbuf *sb, const void *bytes, size_t len)
{
	int err = strbuf_reserve(sb, len);

	if (err || !len)
		return err;
	memcpy(sb->buf + sb->len, bytes, len);
	sb->len += len;
	sb->buf[sb->len] = '\0';
	return 0;
}

int strbuf_addstr(struct strbuf *sb, const char *s)
{
	return strbuf_add(sb, s, strlen(s));
}

int strbuf_addch(struct strbuf *sb, char c)
{
	return strbuf_add(sb, &c, 1);
}

int strbuf_add_le(struct strbuf *sb, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		strbuf_addch(sb, (char)(value >> 8 * i));
	return sb->failed ? -ENOMEM : 0;
}

int strbuf_add_uleb(struct strbuf *sb, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		strbuf_addch(sb, (char)(value | 0x80));
	return strbuf_addch(sb, (char)value);
}

int strbuf_add_text16(struct strbuf *sb, const char *text, uint16_t max)
{
	size_t size = strnlen(text, max);

	strbuf_add_le(sb, size, 2);
	return strbuf_add(sb, text, size);
}

int strbuf_add_repeat(struct strbuf *sb, char c, size_t count)
{
	int err = strbuf_reserve(sb, count);

	if (err || !count)
		return err;
	memset(sb->buf + sb->len, c, count);
	sb->len += count;
	sb->buf[sb->len] = '\0';
	return 0;
}

int strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
	return err;
}

int strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	int len, err;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0) {
		sb->failed = true;
		return -ENOMEM;
	}
	err = strbuf_reserve(sb, (size_t)len);
	if (err)
		return err;
	vsnprintf(sb->buf + sb->len, (size_t)len + 1, fmt, ap);
	sb->len += (size_t)len;
	return 0;
}

int strbuf_add_human_bytes(struct strbuf *sb, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024)
		return strbuf_addf(sb, "%u B", (unsigned int)bytes);
	/* 1023.5 would print as 1024 */
	while (value >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	if (value < 9.995)
		return strbuf_addf(sb, "%.2f %s", value, units[unit]);
	if (value < 99.95)
		return strbuf_addf(sb, "%.1f %s", value, units[unit]);
	return strbuf_addf(sb, "%.0f %s", value, units[unit]);
}

int strbuf_add_grouped(struct strbuf *sb, uint64_t number)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			strbuf_addch(sb, ',');
		strbuf_addch(sb, digits[i]);
	}
	return sb->failed ? -ENOMEM : 0;
}

/* Length of the valid UTF-8 sequence of a printable character at s, or 0 (Unicode 15, table 3-7). */
static size_t utf8_printable(const unsigned char *s, size_t left)
{
	uint32_t code;
	size_t len;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (left < len)
		return 0;
	code = s[0] & (0x7f >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < 0xa0 || (len == 3 && code < 0x800) || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	/* bidirectional controls make a terminal show another text than the one there is */
	if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
		return 0;
	if (len == 4 && (code < 0x10000 || code > 0x10ffff))
		return 0;
	return len;
}

int strbuf_add_times(struct strbuf *sb, uint64_t number)
{
	if (number == 1)
		return strbuf_addstr(sb, "once");
	strbuf_add_grouped(sb, number);
	return strbuf_addstr(sb, " times");
}

int strbuf_add_printable(struct strbuf *sb, const char *bytes, size_t len)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t taken;

	for (size_t i = 0; i < len && !sb->failed; i += taken) {
		taken = utf8_printable(s + i, len - i);
		if (s[i] == '\\')
			strbuf_addstr(sb, "\\\\");
		else if (taken)
			strbuf_add(sb, s + i, taken);
		else
			strbuf_addf(sb, "\\x%02x", s[i]);
		taken = taken ? taken : 1;
	}
	return sb->failed ? -ENOMEM : 0;
}

char *strbuf_detach(struct strbuf *sb, size_t *ret_len)
{
	char *detached = NULL;

	if (!strbuf_reserve(sb, 0)) {
		detached = sb->buf;
		if (ret_len)
			*ret_len = sb->len;
		sb->capacity = 0;
	}
	strbuf_done(sb);
	return detached;
}
