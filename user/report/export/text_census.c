/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a heap holds, by type and size. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "report/export/text_parts.h"

#define ROWS_OF_SCAN   12
#define ROWS_OF_GROWTH 8
#define ROWS_ELSE      5 /* beside a trace it is not the main thing */

static size_t rows_of(const struct report *r)
{
	return r->capture.mode == CAPTURE_SCAN ? ROWS_OF_SCAN : ROWS_ELSE;
}

static int by_lost_bytes(const void *a, const void *b)
{
	const struct report_census *x = *(const struct report_census *const *)a;
	const struct report_census *y = *(const struct report_census *const *)b;

	if (x->lost_bytes != y->lost_bytes)
		return x->lost_bytes < y->lost_bytes ? 1 : -1;
	return x < y ? -1 : x > y;
}

/* What is lost comes first, however small; then what is largest. */
static size_t choose_rows(const struct report *r, const struct report_census **ret)
{
	size_t lost = 0, count, most;

	for (size_t i = 0; i < r->census_count; i++)
		if (r->census[i].lost_count)
			ret[lost++] = &r->census[i];
	if (lost)
		qsort(ret, lost, sizeof(*ret), by_lost_bytes);
	count = lost < rows_of(r) ? lost : rows_of(r);
	most = count + rows_of(r);
	for (size_t i = 0; i < r->census_count && count < most; i++)
		if (!r->census[i].lost_count)
			ret[count++] = &r->census[i];
	return count;
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
	if (c->lost_count) {
		strbuf_addstr(&what, "  ");
		strbuf_add_grouped(&what, c->lost_count);
		strbuf_addstr(&what, " LOST");
	}
	if (*c->sample) {
		strbuf_addstr(&what, " \"");
		strbuf_add_printable(&what, c->sample, strlen(c->sample));
		strbuf_addch(&what, '"');
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
	_cleanup_free_ const struct report_census **chosen =
		calloc(r->census_count + 1, sizeof(*chosen));
	size_t rows = chosen ? choose_rows(r, chosen) : 0;

	add_growth(t, r);
	for (size_t i = 0; i < rows; i++) {
		struct strbuf amounts = STRBUF_INIT;

		add_amounts(&amounts, chosen[i]);
		add_row(t, i ? "" : "TYPES", &amounts, chosen[i]);
		strbuf_done(&amounts);
	}
	if (r->census_count > rows && r->capture.mode == CAPTURE_SCAN)
		strbuf_addf(t->out, "         %s %zu more types and sizes (--json)\n",
			    text_ellipsis(t), r->census_count - rows);
}
