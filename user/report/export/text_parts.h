/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the sections of the text report share. All add to `out`; a failed allocation is its sticky
 * flag.
 */
#ifndef HOLDFAST_EXPORT_TEXT_PARTS_H
#define HOLDFAST_EXPORT_TEXT_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "report/report.h"

struct text_style {
	uint32_t width, frames;
	bool color, utf8;
};

struct text_out {
	struct strbuf *out;
	struct text_style style;
};

/* Columns that the text takes: UTF-8 sequences count as one. */
size_t text_columns(const char *text, size_t len);
/*
 * Pads with blanks, or cuts the middle out with an ellipsis, to exactly (pad) or at most
 * @columns.
 */
void text_add_cut(struct text_out *t, const char *text, size_t columns, bool pad);
/* " · " or " - ". */
void text_add_dot(struct text_out *t);
const char *text_ellipsis(const struct text_out *t);
/* "12.3 s", "4 min 10 s", "2 h 20 min". */
void text_add_seconds(struct text_out *t, double seconds);
/* The function, or "libfoo.so+0x1234"; foreign bytes made printable, into @sb. */
void text_frame_name(struct strbuf *sb, const struct report_frame *frame);
/* "src/foo.c:212", or "libfoo.so+0x1234" if the name does not say that already; may be empty. */
void text_frame_place(struct strbuf *sb, const struct report_frame *frame);
/* Both, the place where there is one. */
void text_frame(struct strbuf *sb, const struct report_frame *frame);
/* Escape sequence of a state or "" ; text_plain() ends it. */
void text_state_color(struct text_out *t, enum verdict_state state);
void text_bold(struct text_out *t);
void text_plain(struct text_out *t);
/* "GROWING" */
void text_add_upper(struct text_out *t, const char *word);

/* The sections. */
void text_add_findings(struct text_out *t, const struct report *report);
void text_add_innocents(struct text_out *t, const struct report *report);
void text_add_components(struct text_out *t, const struct report *report);
void text_add_spans(struct text_out *t, const struct report *report);
void text_add_holdings(struct text_out *t, const struct report *report);
void text_add_census(struct text_out *t, const struct report *report);
void text_add_pythons(struct text_out *t, const struct report *report);
void text_add_patterns(struct text_out *t, const struct report *report);

#endif
