// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/python/code.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "process/proc/process.h"

/* Of a str's state, Include/cpython/unicodeobject.h. */
#define STATE_KIND(state)  ((state) >> 2 & 7) /* bytes of a character */
#define STATE_COMPACT      (1u << 5)
#define STATE_ASCII        (1u << 6)
#define REFERENCES_BITS    40 /* fewer than any address needs */
#define ENTRY_LINE_ONLY    13
#define ENTRY_LONG         14
#define ENTRY_NONE         15
#define REPLACEMENT        0xfffd
#define VARINT_BITS        6
#define VARINT_MORE        0x40
#define VARINT_SHIFT_LIMIT 30

static uint64_t word_at(const uint8_t *bytes, size_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

int python_code_mark_read(int pid, const struct python_runtime *runtime, uint64_t address,
			  struct python_code_mark *ret)
{
	const struct hf_python *py = &runtime->layout->frames;
	uint8_t parts[HF_PYTHON_CODE_BYTES];
	uint64_t object[2]; /* how many refer to it; its type */
	int err = process_read_memory(pid, address, object, sizeof(object));

	/* A freed one has a link in place of the count, and the rest as it was. */
	if (!err && (!object[0] || object[0] >> REFERENCES_BITS || object[1] != runtime->code_type))
		return -EINVAL;
	if (!err)
		err = process_read_memory(pid, address + HF_PYTHON_CODE_FROM, parts, sizeof(parts));
	if (err)
		return err;
	ret->parts = (struct hf_python_parts){
		.size = word_at(parts, 0),
		.constants = word_at(parts, 8),
		.names = word_at(parts, 16),
		.file = word_at(parts, py->code_file),
		.name = word_at(parts, py->code_name),
		.lines = word_at(parts, py->code_lines),
		.first_line = (uint32_t)word_at(parts, py->code_first_line),
	};
	ret->mark = hf_python_mark(&ret->parts);
	return ret->parts.first_line > INT32_MAX ? -EINVAL : 0;
}

/* A surrogate is no character, nor is what lies beyond the last. */
static int add_character(struct strbuf *text, uint32_t c)
{
	char bytes[4];
	size_t count = 0;

	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || !c)
		c = REPLACEMENT;
	if (c < 0x80) {
		bytes[count++] = (char)c;
	} else if (c < 0x800) {
		bytes[count++] = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		bytes[count++] = (char)(0xe0 | c >> 12);
		bytes[count++] = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		bytes[count++] = (char)(0xf0 | c >> 18);
		bytes[count++] = (char)(0x80 | (c >> 12 & 0x3f));
		bytes[count++] = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		bytes[count++] = (char)(0x80 | (c & 0x3f));
	return strbuf_add(text, bytes, count);
}

static uint32_t character_at(const uint8_t *text, size_t index, unsigned int kind)
{
	uint32_t c = 0;

	memcpy(&c, text + index * kind, kind);
	return c;
}

/* Caller frees. */
static int read_str(int pid, const struct python_layout *layout, uint64_t address, char **ret)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	uint8_t head[PYTHON_STR_STATE + sizeof(uint32_t)], bytes[4 * PYTHON_NAME_MAX];
	uint32_t state;
	uint64_t length;
	unsigned int kind;
	int err = process_read_memory(pid, address, head, sizeof(head));

	if (err)
		return err;
	memcpy(&state, head + PYTHON_STR_STATE, sizeof(state));
	length = word_at(head, PYTHON_OBJECT_COUNT);
	kind = STATE_KIND(state);
	if (!(state & STATE_COMPACT) || (kind != 1 && kind != 2 && kind != 4) || length > INT64_MAX)
		return -EINVAL;
	if (length > PYTHON_NAME_MAX)
		length = PYTHON_NAME_MAX;
	address += state & STATE_ASCII ? layout->ascii_text : layout->other_text;
	err = length ? process_read_memory(pid, address, bytes, length * kind) : 0;
	for (size_t i = 0; !err && i < length; i++)
		err = add_character(&text, character_at(bytes, i, kind));
	if (err)
		return err;
	*ret = strbuf_detach(&text, NULL);
	return *ret ? 0 : -ENOMEM;
}

static int read_lines(int pid, uint64_t address, struct python_code *ret)
{
	_cleanup_free_ uint8_t *lines = NULL;
	uint64_t size;
	int err = process_read_memory(pid, address + PYTHON_OBJECT_COUNT, &size, sizeof(size));

	if (err || !size || size > PYTHON_LINES_MAX)
		return err;
	lines = malloc(size);
	if (!lines)
		return -ENOMEM;
	err = process_read_memory(pid, address + PYTHON_BYTES_TEXT, lines, size);
	if (err)
		return err;
	ret->lines = no_free_ptr(lines);
	ret->line_bytes = size;
	return 0;
}

int python_code_read(int pid, const struct python_runtime *runtime, uint64_t address,
		     const struct python_code_mark *mark, struct python_code *ret)
{
	struct python_code_mark after;
	struct python_code code = {.first_line = mark->parts.first_line};
	int err = read_str(pid, runtime->layout, mark->parts.name, &code.function);

	if (!err)
		err = read_str(pid, runtime->layout, mark->parts.file, &code.file);
	if (!err)
		err = read_lines(pid, mark->parts.lines, &code);
	/* What was read may have been given to others meanwhile, unless it still was the code object's. */
	if (!err)
		err = python_code_mark_read(pid, runtime, address, &after);
	if (!err && after.mark != mark->mark)
		err = -EINVAL;
	if (err)
		python_code_done(&code);
	else
		*ret = code;
	return err;
}

void python_code_done(struct python_code *code)
{
	free(code->function);
	free(code->file);
	free(code->lines);
	*code = (struct python_code){0};
}

/* Six bits a byte, the lowest first. False: the table ends. */
static bool read_varint(const struct python_code *code, size_t *at, uint32_t *ret)
{
	uint32_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		if (*at >= code->line_bytes || shift > VARINT_SHIFT_LIMIT)
			return false;
		byte = code->lines[(*at)++];
		value |= (uint32_t)(byte & (VARINT_MORE - 1)) << shift;
		shift += VARINT_BITS;
	} while (byte & VARINT_MORE);
	*ret = value;
	return true;
}

/* Of the entry behind whose first byte @at points: how the line changes. */
static bool read_line_change(const struct python_code *code, unsigned int kind, size_t *at,
			     int64_t *ret)
{
	uint32_t value;

	*ret = 0;
	if (kind == ENTRY_LINE_ONLY || kind == ENTRY_LONG) {
		if (!read_varint(code, at, &value))
			return false;
		*ret = value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
	} else if (kind >= 10 && kind < ENTRY_LINE_ONLY) {
		*ret = (int64_t)kind - 10;
	}
	return true;
}

uint32_t python_code_line(const struct python_code *code, uint32_t unit)
{
	int64_t line = code->first_line, change;
	uint64_t end = 0;
	size_t at = 0;

	if (unit == HF_PYTHON_NO_UNIT)
		return code->first_line;
	while (at < code->line_bytes) {
		uint8_t first = code->lines[at++];
		unsigned int kind = first >> 3 & 15;

		if (!(first & 0x80) || !read_line_change(code, kind, &at, &change))
			return 0;
		line += change;
		end += (first & 7) + 1;
		if (unit < end)
			return kind == ENTRY_NONE || line < 0 || line > UINT32_MAX ? 0
										   : (uint32_t)line;
		/* Columns: the next entry is the next byte with its top bit. */
		while (at < code->line_bytes && !(code->lines[at] & 0x80))
			at++;
	}
	return 0;
}
