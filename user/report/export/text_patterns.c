/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long blocks live and how large they are, for the sites that allocate most. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/export/text_parts.h"

#define MAX_ROWS    8
#define BAR_COLUMNS 20
#define NAME_MIN    16

struct row {
	const struct report_site *site;
};

static int by_allocs(const void *a, const void *b)
{
	const struct report_site *x = ((const struct row *)a)->site;
	const struct report_site *y = ((const struct row *)b)->site;

	if (x->allocs != y->allocs)
		return x->allocs < y->allocs ? 1 : -1;
	return x < y ? -1 : x > y; /* the report's order */
}

/* A slot's lower edge: "2 us", "65 ms", "1 min". */
static void add_edge_time(struct strbuf *sb, unsigned int slot)
{
	double ns = ldexp(1, (int)slot);

	if (ns < 1e3)
		strbuf_addf(sb, "%.0f ns", ns);
	else if (ns < 1e6)
		strbuf_addf(sb, "%.0f us", ns / 1e3);
	else if (ns < 1e9)
		strbuf_addf(sb, "%.0f ms", ns / 1e6);
	else if (ns < 60e9)
		strbuf_addf(sb, "%.0f s", ns / 1e9);
	else
		strbuf_addf(sb, "%.0f min", ns / 60e9);
}

static void add_edge_bytes(struct strbuf *sb, unsigned int slot)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};

	strbuf_addf(sb, "%u %s", 1u << slot % 10, units[slot / 10 < 5 ? slot / 10 : 4]);
}

/*
 * One character per slot: a bar by the share of the fullest slot, on a square-root scale so that
 * rare slots show.
 */
static void add_bar(struct text_out *t, const uint32_t *slots, unsigned int first, unsigned int end)
{
	uint32_t most = 1;

	for (unsigned int i = first; i < end; i++)
		most = slots[i] > most ? slots[i] : most;
	for (unsigned int i = first; i < end; i++) {
		double share = sqrt((double)slots[i] / most);

		if (!slots[i])
			strbuf_addch(t->out, t->style.utf8 ? ' ' : '.');
		else if (t->style.utf8) /* U+2581 .. U+2588 */
			strbuf_addf(t->out, "\xe2\x96%c", (char)(0x81 + (int)(share * 7 + 0.5)));
		else
			strbuf_addf(t->out, "%d", 1 + (int)(share * 8 + 0.5));
	}
}

/* "2 us ▂█▁ 65 us", padded to its column. */
static void add_histogram(struct text_out *t, const uint32_t *slots, unsigned int count, bool time)
{
	struct strbuf bar = STRBUF_INIT, edge = STRBUF_INIT;
	struct text_out inner = {&bar, t->style};
	unsigned int first = 0;

	while (first < count && !slots[first])
		first++;
	if (first == count) {
		strbuf_addstr(&bar, "-");
	} else {
		if (count - first > BAR_COLUMNS)
			first = count - BAR_COLUMNS;
		(time ? add_edge_time : add_edge_bytes)(&edge, first);
		strbuf_addf(&bar, "%6s ", edge.buf);
		add_bar(&inner, slots, first, count);
		strbuf_addch(&bar, ' ');
		(time ? add_edge_time : add_edge_bytes)(&bar, count);
	}
	text_add_cut(t, bar.buf, 36, true);
	strbuf_addch(t->out, ' ');
	strbuf_done(&bar);
	strbuf_done(&edge);
}

static void add_row(struct text_out *t, const struct report *r, const struct report_site *s)
{
	struct strbuf number = STRBUF_INIT, name = STRBUF_INIT;
	size_t left = t->style.width > 100 + NAME_MIN ? t->style.width - 100 : NAME_MIN;
	unsigned int temporary =
		s->allocs ? (unsigned int)(100.0 * (double)s->temporary_count / (double)s->allocs)
			  : 0;

	strbuf_addstr(&number, s->estimated ? "~" : "");
	strbuf_add_grouped(&number, s->allocs);
	strbuf_addf(t->out, " %14s  %3u %%  ", number.buf, temporary > 100 ? 100 : temporary);
	add_histogram(t, s->lifetime_ns_log2, s->lifetime_slots, true);
	add_histogram(t, s->size_log2, s->size_slots, false);
	if (s->stack.depth)
		text_frame_name(&name,
				&r->frames[s->stack.frames[report_first_own_frame(r, s->stack)]]);
	else
		strbuf_addstr(&name, "(no stack)");
	text_add_cut(t, name.buf, left, false);
	strbuf_addch(t->out, '\n');
	strbuf_done(&number);
	strbuf_done(&name);
}

void text_add_patterns(struct text_out *t, const struct report *r)
{
	struct row *rows = calloc(r->site_count + 1, sizeof(*rows));

	if (!rows) {
		t->out->failed = true;
		return;
	}
	for (size_t i = 0; i < r->site_count; i++)
		rows[i].site = &r->sites[i];
	if (r->site_count)
		qsort(rows, r->site_count, sizeof(*rows), by_allocs);
	if (r->site_count && rows[0].site->allocs) {
		strbuf_addf(t->out, "PATTERNS %6s  %-5s  %-36s %-36s %s\n", "allocs", "temp",
			    "lifetime of freed blocks", "size", "site");
	}
	for (size_t i = 0; i < r->site_count && i < MAX_ROWS && rows[i].site->allocs; i++)
		add_row(t, r, rows[i].site);
	free(rows);
}
