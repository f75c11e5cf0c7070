// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/python/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

#define REPLACEMENT 0xfffd

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

int python_text_read(const struct python_reader *reader, const struct python_layout *layout,
		     uint64_t address, char **ret)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	uint8_t head[PYTHON_STR_STATE + sizeof(uint32_t)], bytes[4 * PYTHON_NAME_MAX];
	uint32_t state;
	uint64_t length;
	unsigned int kind;
	int err = reader->read(reader->user, address, head, sizeof(head));

	if (err)
		return err;
	memcpy(&state, head + PYTHON_STR_STATE, sizeof(state));
	memcpy(&length, head + PYTHON_OBJECT_COUNT, sizeof(length));
	kind = PYTHON_STR_KIND(state);
	if (!(state & PYTHON_STR_COMPACT) || (kind != 1 && kind != 2 && kind != 4) ||
	    length > INT64_MAX)
		return -EINVAL;
	if (length > PYTHON_NAME_MAX)
		length = PYTHON_NAME_MAX;
	address += state & PYTHON_STR_ASCII ? layout->ascii_text : layout->other_text;
	err = length ? reader->read(reader->user, address, bytes, length * kind) : 0;
	for (size_t i = 0; !err && i < length; i++)
		err = add_character(&text, character_at(bytes, i, kind));
	if (err)
		return err;
	*ret = strbuf_detach(&text, NULL);
	return *ret ? 0 : -ENOMEM;
}
