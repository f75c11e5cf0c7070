// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/python/code.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/proc/process.h"

#define REFERENCES_BITS    40 /* fewer than any address needs */
#define ENTRY_LINE_ONLY    13
#define ENTRY_LONG         14
#define ENTRY_NONE         15
#define VARIABLES_MAX      1024
#define KIND_CELL          0x40 /* Include/internal/pycore_code.h: CO_FAST_CELL */
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
	if (!err && (!object[0] || object[0] >> REFERENCES_BITS ||
		     object[1] != runtime->types[PYTHON_CODE]))
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

static int read_memory(void *user, uint64_t address, void *ret, size_t size)
{
	return process_read_memory(*(const int *)user, address, ret, size);
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
	const struct python_reader reader = {read_memory, &pid};
	int err = python_text_read(&reader, runtime->layout, mark->parts.name, &code.function);

	if (!err)
		err = python_text_read(&reader, runtime->layout, mark->parts.file, &code.file);
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

/* The @index-th of a tuple of names. */
static int read_name(int pid, const struct python_runtime *runtime, uint64_t names, uint64_t index,
		     char **ret)
{
	const struct python_reader reader = {read_memory, &pid};
	uint64_t name;
	int err = process_read_memory(pid, names + PYTHON_TUPLE_ITEMS + 8 * index, &name,
				      sizeof(name));

	return err ? err : python_text_read(&reader, runtime->layout, name, ret);
}

int python_code_variable(int pid, const struct python_runtime *runtime, uint64_t address,
			 const char *name, struct python_variable *ret)
{
	uint64_t parts[2], count; /* names; a bytes object: what each is */
	uint8_t kind = 0;
	int err = process_read_memory(pid, address + runtime->layout->code_names, parts,
				      sizeof(parts));

	if (!err)
		err = process_read_memory(pid, parts[0] + PYTHON_OBJECT_COUNT, &count,
					  sizeof(count));
	for (uint64_t i = 0; !err && i < count && i < VARIABLES_MAX; i++) {
		_cleanup_free_ char *found = NULL;

		err = read_name(pid, runtime, parts[0], i, &found);
		if (err || strcmp(found, name) != 0)
			continue;
		err = process_read_memory(pid, parts[1] + PYTHON_BYTES_TEXT + i, &kind,
					  sizeof(kind));
		*ret = (struct python_variable){(uint16_t)i, kind & KIND_CELL};
		return err;
	}
	return err ? err : -ENOENT;
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
