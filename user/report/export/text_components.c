/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a program, and its spans, hold, by the user's rules. */
#include <string.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "report/export/text_parts.h"

#define NAME_COLUMNS 24
#define SPANS_SHOWN  20

static void add_amounts(struct text_out *t, uint64_t bytes, uint64_t count)
{
	struct strbuf amounts = STRBUF_INIT;

	strbuf_add_human_bytes(&amounts, bytes);
	strbuf_addstr(&amounts, " in ");
	strbuf_add_grouped(&amounts, count);
	text_add_cut(t, amounts.buf ? amounts.buf : "", 22, true);
	t->out->failed |= amounts.failed;
	strbuf_done(&amounts);
}

static void add_name(struct text_out *t, const char *title, const char *name, size_t columns)
{
	struct strbuf printable = STRBUF_INIT;

	strbuf_add_printable(&printable, name, strlen(name));
	text_bold(t);
	strbuf_addf(t->out, "%-9s", title);
	text_plain(t);
	text_add_cut(t, printable.buf ? printable.buf : "", columns, true);
	strbuf_addch(t->out, ' ');
	t->out->failed |= printable.failed;
	strbuf_done(&printable);
}

void text_add_components(struct text_out *t, const struct report *r)
{
	for (size_t i = 0; i < r->component_count; i++) {
		const struct report_component *c = &r->components[i];

		add_name(t, i ? "" : "PARTS", c->name, NAME_COLUMNS);
		strbuf_addstr(t->out, c->estimated ? "~" : "");
		add_amounts(t, c->outstanding_bytes, c->outstanding_count);
		if (c->growth_bytes_per_second > 0 || c->growth_bytes_per_second < 0) {
			strbuf_addch(t->out, ' ');
			units_add_rate(t->out, c->growth_bytes_per_second);
		}
		strbuf_addch(t->out, '\n');
	}
}

void text_add_spans(struct text_out *t, const struct report *r)
{
	for (size_t i = 0; i < r->span_count && i < SPANS_SHOWN; i++) {
		const struct report_span *s = &r->spans[i];
		struct strbuf name = STRBUF_INIT;

		strbuf_addf(&name, "%s %s", s->span, s->key);
		add_name(t, i ? "" : "SPANS", name.buf ? name.buf : "", NAME_COLUMNS);
		t->out->failed |= name.failed;
		strbuf_done(&name);
		strbuf_addstr(t->out, s->estimated ? "~" : "");
		add_amounts(t, s->outstanding_bytes, s->outstanding_count);
		strbuf_addstr(t->out, " at most ");
		strbuf_add_human_bytes(t->out, s->peak_bytes);
		strbuf_addch(t->out, '\n');
	}
	if (r->span_count > SPANS_SHOWN)
		strbuf_addf(t->out, "         %s %zu more, in the JSON\n", text_ellipsis(t),
			    r->span_count - SPANS_SHOWN);
}
