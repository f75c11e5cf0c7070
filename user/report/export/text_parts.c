/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/text_parts.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

size_t text_columns(const char *text, size_t len)
{
	size_t columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += !is_continuation(text[i]);
	return columns;
}

/* Bytes that the first @columns columns take. */
static size_t bytes_of_columns(const char *text, size_t len, size_t columns)
{
	size_t i = 0;

	while (i < len && (columns || is_continuation(text[i])))
		columns -= !is_continuation(text[i++]);
	return i;
}

const char *text_ellipsis(const struct text_out *t)
{
	return t->style.utf8 ? "\xe2\x80\xa6" : "..";
}

void text_add_cut(struct text_out *t, const char *text, size_t columns, bool pad)
{
	size_t len = strlen(text), have = text_columns(text, len);
	size_t dots = t->style.utf8 ? 1 : 2;

	if (have <= columns || columns < 2 * dots + 2) {
		strbuf_add(t->out, text, bytes_of_columns(text, len, columns));
		if (pad && have < columns)
			strbuf_add_repeat(t->out, ' ', columns - have);
		return;
	}
	/* the end of a name tells as much as its beginning */
	strbuf_add(t->out, text, bytes_of_columns(text, len, (columns - dots + 1) / 2));
	strbuf_addstr(t->out, text_ellipsis(t));
	text += bytes_of_columns(text, len, have - (columns - dots) / 2);
	strbuf_addstr(t->out, text);
}

void text_add_dot(struct text_out *t)
{
	strbuf_addstr(t->out, t->style.utf8 ? " \xc2\xb7 " : " - ");
}

void text_add_seconds(struct text_out *t, double seconds)
{
	uint64_t whole = seconds > 0 && seconds < 1e15 ? (uint64_t)(seconds + 0.5) : 0;

	if (seconds < 9.95)
		strbuf_addf(t->out, "%.1f s", seconds > 0 ? seconds : 0);
	else if (whole < 120)
		strbuf_addf(t->out, "%" PRIu64 " s", whole);
	else if (whole < 7200)
		strbuf_addf(t->out, "%" PRIu64 " min %02" PRIu64 " s", whole / 60, whole % 60);
	else if (whole < 172800)
		strbuf_addf(t->out, "%" PRIu64 " h %02" PRIu64 " min", whole / 3600,
			    whole / 60 % 60);
	else
		strbuf_addf(t->out, "%" PRIu64 " d %" PRIu64 " h", whole / 86400,
			    whole / 3600 % 24);
}

static void add_module(struct strbuf *sb, const struct report_frame *frame)
{
	const char *module = *frame->module ? report_basename(frame->module) : "(unknown)";

	strbuf_add_printable(sb, module, strlen(module));
	strbuf_addf(sb, "+0x%" PRIx64, frame->address);
}

void text_frame_name(struct strbuf *sb, const struct report_frame *frame)
{
	if (*frame->function)
		strbuf_add_printable(sb, frame->function, strlen(frame->function));
	else
		add_module(sb, frame);
}

void text_frame_place(struct strbuf *sb, const struct report_frame *frame)
{
	if (*frame->file) {
		strbuf_add_printable(sb, frame->file, strlen(frame->file));
		if (frame->line)
			strbuf_addf(sb, ":%u", frame->line);
	} else if (*frame->function && *frame->module) {
		add_module(sb, frame);
	}
}

void text_frame(struct strbuf *sb, const struct report_frame *frame)
{
	struct strbuf place = STRBUF_INIT;

	text_frame_name(sb, frame);
	text_frame_place(&place, frame);
	if (place.len)
		strbuf_addf(sb, "  %s", place.buf);
	sb->failed |= place.failed;
	strbuf_done(&place);
}

void text_state_color(struct text_out *t, enum verdict_state state)
{
	if (!t->style.color)
		return;
	if (state >= VERDICT_UNTRACED)
		strbuf_addstr(t->out, "\x1b[1;31m");
	else if (state >= VERDICT_FRAGMENTED)
		strbuf_addstr(t->out, "\x1b[1;33m");
	else
		strbuf_addstr(t->out, "\x1b[1;32m");
}

void text_bold(struct text_out *t)
{
	if (t->style.color)
		strbuf_addstr(t->out, "\x1b[1m");
}

void text_plain(struct text_out *t)
{
	if (t->style.color)
		strbuf_addstr(t->out, "\x1b[0m");
}

void text_add_upper(struct text_out *t, const char *word)
{
	for (; *word; word++)
		strbuf_addch(t->out, (char)toupper((unsigned char)*word));
}
