/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a heap holds, by type and size. */
#include <string.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "report/export/text_parts.h"

#define ROWS_OF_SCAN 12
#define ROWS_ELSE    5 /* beside a trace it is not the main thing */

static size_t rows_of(const struct report *r)
{
	size_t most = r->capture.mode == CAPTURE_SCAN ? ROWS_OF_SCAN : ROWS_ELSE;

	return r->census_count < most ? r->census_count : most;
}

static void add_amounts(struct strbuf *out, const struct report_census *c)
{
	strbuf_add_human_bytes(out, c->bytes);
	strbuf_addstr(out, " in ");
	strbuf_add_grouped(out, c->count);
	strbuf_addstr(out, " of ");
	strbuf_add_human_bytes(out, c->size);
}

static void add_row(struct text_out *t, const struct report_census *c, bool first)
{
	struct strbuf amounts = STRBUF_INIT, what = STRBUF_INIT;

	add_amounts(&amounts, c);
	strbuf_add_printable(&what, c->type, strlen(c->type));
	if (*c->sample) {
		strbuf_addstr(&what, " \"");
		strbuf_add_printable(&what, c->sample, strlen(c->sample));
		strbuf_addch(&what, '"');
	}
	if (c->lost_count) {
		strbuf_addstr(&what, "  ");
		strbuf_add_grouped(&what, c->lost_count);
		strbuf_addstr(&what, " LOST");
	}
	if (*c->held_by) {
		strbuf_addstr(&what, "  <- ");
		strbuf_add_printable(&what, c->held_by, strlen(c->held_by));
	}
	strbuf_addstr(t->out, first ? "TYPES    " : "         ");
	text_add_cut(t, amounts.buf, 34, true);
	strbuf_addch(t->out, ' ');
	text_add_cut(t, what.buf, t->style.width > 70 ? t->style.width - 44 : 26, false);
	strbuf_addch(t->out, '\n');
	strbuf_done(&amounts);
	strbuf_done(&what);
}

void text_add_census(struct text_out *t, const struct report *r)
{
	size_t rows = rows_of(r);

	for (size_t i = 0; i < rows; i++)
		add_row(t, &r->census[i], !i);
	if (r->census_count > rows && r->capture.mode == CAPTURE_SCAN)
		strbuf_addf(t->out, "         %s %zu more types and sizes (--json)\n",
			    text_ellipsis(t), r->census_count - rows);
}
