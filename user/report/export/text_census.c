/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a heap holds, by type and size. */
#include <string.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "report/export/text_parts.h"

#define ROWS_OF_SCAN   12
#define ROWS_OF_GROWTH 8
#define ROWS_ELSE      5 /* beside a trace it is not the main thing */

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

static void add_row(struct text_out *t, const char *title, const struct strbuf *amounts,
		    const struct report_census *c)
{
	struct strbuf what = STRBUF_INIT;

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
	strbuf_addf(t->out, "%-9s", title);
	text_add_cut(t, amounts->buf, 34, true);
	strbuf_addch(t->out, ' ');
	text_add_cut(t, what.buf, t->style.width > 70 ? t->style.width - 44 : 26, false);
	strbuf_addch(t->out, '\n');
	strbuf_done(&what);
}

/* What grew most between the looks. */
struct grown {
	const struct report_census *rows[ROWS_OF_GROWTH];
	size_t count, left_out;
	bool known;
};

static void find_grown(const struct report *r, struct grown *ret)
{
	*ret = (struct grown){0};
	for (size_t i = 0; i < r->census_count; i++) {
		const struct report_census *c = &r->census[i];
		size_t at = ret->count;

		ret->known |= c->growth_known;
		if (c->growth_bytes_per_second <= 0)
			continue;
		while (at &&
		       ret->rows[at - 1]->growth_bytes_per_second < c->growth_bytes_per_second)
			at--;
		if (ret->count == ROWS_OF_GROWTH)
			ret->left_out++;
		if (at == ROWS_OF_GROWTH)
			continue;
		ret->count += ret->count < ROWS_OF_GROWTH;
		memmove(ret->rows + at + 1, ret->rows + at,
			(ret->count - at - 1) * sizeof(*ret->rows));
		ret->rows[at] = c;
	}
}

static void add_growth(struct text_out *t, const struct report *r)
{
	struct grown grown;

	find_grown(r, &grown);
	for (size_t i = 0; i < grown.count; i++) {
		struct strbuf amounts = STRBUF_INIT;

		units_add_rate(&amounts, grown.rows[i]->growth_bytes_per_second);
		strbuf_addf(&amounts, ", %+.0f of ", grown.rows[i]->grown_count);
		strbuf_add_human_bytes(&amounts, grown.rows[i]->size);
		add_row(t, i ? "" : "GREW", &amounts, grown.rows[i]);
		strbuf_done(&amounts);
	}
	if (grown.known && !grown.count)
		strbuf_addstr(t->out, "GREW     nothing between the looks\n");
	if (grown.left_out)
		strbuf_addf(t->out, "         %s %zu more that grew less (--json)\n",
			    text_ellipsis(t), grown.left_out);
}

void text_add_census(struct text_out *t, const struct report *r)
{
	size_t rows = rows_of(r);

	add_growth(t, r);
	for (size_t i = 0; i < rows; i++) {
		struct strbuf amounts = STRBUF_INIT;

		add_amounts(&amounts, &r->census[i]);
		add_row(t, i ? "" : "TYPES", &amounts, &r->census[i]);
		strbuf_done(&amounts);
	}
	if (r->census_count > rows && r->capture.mode == CAPTURE_SCAN)
		strbuf_addf(t->out, "         %s %zu more types and sizes (--json)\n",
			    text_ellipsis(t), r->census_count - rows);
}
