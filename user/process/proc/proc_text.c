/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/proc/proc_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/strbuf.h"
#include "base/units.h"

static size_t text_left(const struct text *text)
{
	return (size_t)(text->end - text->p);
}

bool text_next_line(struct text *rest, struct text *ret_line)
{
	const char *newline;

	if (!text_left(rest))
		return false;
	newline = memchr(rest->p, '\n', text_left(rest));
	ret_line->p = rest->p;
	ret_line->end = newline ? newline : rest->end;
	rest->p = newline ? newline + 1 : rest->end;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool text_next_word(struct text *rest, struct text *ret_word)
{
	const char *p = rest->p;

	while (p < rest->end && is_blank(*p))
		p++;
	if (p == rest->end || *p == '\n')
		return false;
	ret_word->p = p;
	while (p < rest->end && !is_blank(*p) && *p != '\n')
		p++;
	ret_word->end = p;
	rest->p = p;
	return true;
}

bool text_take_decimal(struct text *rest, uint64_t *ret)
{
	const char *p = rest->p;
	uint64_t value = 0;

	for (; p < rest->end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return false;
	if (p == rest->p)
		return false;
	rest->p = p;
	*ret = value;
	return true;
}

bool text_take_hex(struct text *rest, uint64_t *ret)
{
	const char *p = rest->p;
	uint64_t value = 0;
	int digit;

	for (; p < rest->end && (digit = units_hex_digit(*p)) >= 0; p++) {
		if (value >> 60)
			return false;
		value = value << 4 | (uint64_t)digit;
	}
	if (p == rest->p)
		return false;
	rest->p = p;
	*ret = value;
	return true;
}

bool text_take_char(struct text *rest, char c)
{
	if (rest->p == rest->end || *rest->p != c)
		return false;
	rest->p++;
	return true;
}

bool text_take_prefix(struct text *rest, const char *prefix)
{
	size_t len = strlen(prefix);

	if (text_left(rest) < len || memcmp(rest->p, prefix, len) != 0)
		return false;
	rest->p += len;
	return true;
}

bool text_equal(struct text text, const char *string)
{
	return text_take_prefix(&text, string) && text.p == text.end;
}

char *text_copy(struct text text)
{
	size_t len = text_left(&text);
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, text.p, len);
	copy[len] = '\0';
	return copy;
}

bool text_find_key(struct text text, const char *key, struct text *ret_value)
{
	struct text line;

	while (text_next_line(&text, &line)) {
		if (text_take_prefix(&line, key)) {
			*ret_value = line;
			return true;
		}
	}
	return false;
}

bool text_find_number(struct text text, const char *key, uint64_t *ret)
{
	struct text value, word;

	return text_find_key(text, key, &value) && text_next_word(&value, &word) &&
	       text_take_decimal(&word, ret);
}

char *proc_path(int pid, const char *name)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;

	strbuf_addf(&path, "/proc/%d/%s", pid, name);
	return strbuf_detach(&path, NULL);
}

int proc_error(int pid, int err)
{
	_cleanup_free_ char *directory = NULL;

	if (err == EPERM)
		return -EACCES;
	if (err != ENOENT)
		return -err;
	directory = proc_path(pid, "");
	if (!directory)
		return -ENOMEM;
	return access(directory, F_OK) == 0 ? -ENOENT : -ESRCH;
}

int proc_read(int pid, const char *name, size_t max_bytes, char **ret_data, size_t *ret_size)
{
	_cleanup_free_ char *path = NULL;
	int err;

	if (pid <= 0)
		return -ESRCH;
	path = proc_path(pid, name);
	if (!path)
		return -ENOMEM;
	err = file_read(path, max_bytes, ret_data, ret_size);
	return err ? proc_error(pid, -err) : 0;
}
