// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/json_text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

unsigned int json_text_utf8_length(const unsigned char *p)
{
	unsigned char low = 0x80, high = 0xbf;
	unsigned int length;

	if (*p < 0x80)
		return 1;
	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	length = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	if (*p == 0xe0)
		low = 0xa0;
	else if (*p == 0xed)
		high = 0x9f;
	else if (*p == 0xf0)
		low = 0x90;
	else if (*p == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (unsigned int i = 2; i < length; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return length;
}

static void add_escaped(struct strbuf *out, unsigned char c)
{
	if (c == '"' || c == '\\')
		strbuf_addf(out, "\\%c", c);
	else if (c == '\n')
		strbuf_addstr(out, "\\n");
	else
		strbuf_addf(out, "\\u%04x", c);
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
}

int json_text_add(struct strbuf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text, *run = p;

	strbuf_addch(out, '"');
	while (*p) {
		unsigned int length = json_text_utf8_length(p);

		if (length > 1 || (length && is_plain(*p))) {
			p += length;
			continue;
		}
		strbuf_add(out, run, (size_t)(p - run));
		if (length)
			add_escaped(out, *p);
		else
			strbuf_addstr(out, JSON_TEXT_REPLACEMENT);
		run = ++p;
	}
	strbuf_add(out, run, (size_t)(p - run));
	strbuf_addch(out, '"');
	return out->failed ? -ENOMEM : 0;
}
