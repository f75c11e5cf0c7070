/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interpreters of Python: their objects by type, what holds these, and their garbage. */
#include <string.h>

#include "base/units.h"
#include "report/export/text_parts.h"

#define ROWS_OF_SCAN   12
#define ROWS_OF_GROWTH 8
#define ROWS_ELSE      5
#define AMOUNT_COLUMNS 34
#define HELD_ENOUGH    0.5 /* of the objects looked at: then it is worth telling */

static void add_line(struct text_out *t, const char *title)
{
	strbuf_addf(t->out, "%-9s", title);
}

static void add_row(struct text_out *t, const char *title, const struct strbuf *amounts,
		    const struct report_python_type *type)
{
	struct strbuf what = STRBUF_INIT;

	strbuf_add_printable(&what, type->type, strlen(type->type));
	if (*type->held_by && type->held_share >= HELD_ENOUGH) {
		strbuf_addstr(&what, "  <- ");
		strbuf_add_printable(&what, type->held_by, strlen(type->held_by));
		if (type->held_share < 0.995)
			strbuf_addf(&what, " (%.0f %%)", type->held_share * 100);
	}
	add_line(t, title);
	text_add_cut(t, amounts->buf, AMOUNT_COLUMNS, true);
	strbuf_addch(t->out, ' ');
	text_add_cut(t, what.buf, t->style.width > 70 ? t->style.width - 44 : 26, false);
	strbuf_addch(t->out, '\n');
	strbuf_done(&what);
}

static void add_types(struct text_out *t, const struct report_python *p, size_t most)
{
	for (size_t i = 0; i < p->type_count && i < most; i++) {
		struct strbuf amounts = STRBUF_INIT;

		strbuf_add_human_bytes(&amounts, p->types[i].bytes);
		strbuf_addstr(&amounts, " in ");
		strbuf_add_grouped(&amounts, p->types[i].count);
		add_row(t, i ? "" : "OBJECTS", &amounts, &p->types[i]);
		strbuf_done(&amounts);
	}
	if (p->type_count > most && most == ROWS_OF_SCAN)
		strbuf_addf(t->out, "         %s %zu more types (--json)\n", text_ellipsis(t),
			    p->type_count - most);
}

static void add_growth(struct text_out *t, const struct report_python *p)
{
	const struct report_python_type *rows[ROWS_OF_GROWTH];
	size_t count = 0;

	for (size_t i = 0; i < p->type_count; i++) {
		size_t at = count;

		if (p->types[i].growth_bytes_per_second <= 0)
			continue;
		while (at &&
		       rows[at - 1]->growth_bytes_per_second < p->types[i].growth_bytes_per_second)
			at--;
		if (at == ROWS_OF_GROWTH)
			continue;
		count += count < ROWS_OF_GROWTH;
		memmove(rows + at + 1, rows + at, (count - at - 1) * sizeof(*rows));
		rows[at] = &p->types[i];
	}
	for (size_t i = 0; i < count; i++) {
		struct strbuf amounts = STRBUF_INIT;

		units_add_rate(&amounts, rows[i]->growth_bytes_per_second);
		strbuf_addf(&amounts, ", %+.0f", rows[i]->grown_count);
		add_row(t, i ? "" : "GREW", &amounts, rows[i]);
		strbuf_done(&amounts);
	}
}

static void add_objects(struct text_out *t, const struct report_python *p)
{
	strbuf_add_grouped(t->out, p->objects);
	strbuf_addstr(t->out, " objects, ");
	strbuf_add_human_bytes(t->out, p->bytes);
	if (p->pools) {
		text_add_dot(t);
		strbuf_addstr(t->out, "pools ");
		strbuf_add_human_bytes(t->out, p->pool_used_bytes);
		strbuf_addstr(t->out, " used, ");
		strbuf_add_human_bytes(t->out, p->pool_free_bytes);
		strbuf_addstr(t->out, " free");
	}
	text_add_dot(t);
	strbuf_addf(t->out, "stop %.1f ms", p->stop_ms);
}

static void add_collector(struct text_out *t, const struct report_python *p)
{
	add_line(t, "GC");
	strbuf_addf(t->out, "%s, thresholds", p->collector_enabled ? "on" : "OFF");
	for (size_t i = 0; i < REPORT_PYTHON_GENERATIONS; i++)
		strbuf_addf(t->out, " %u", p->generations[i].threshold);
	strbuf_addstr(t->out, "; collections");
	for (size_t i = 0; i < REPORT_PYTHON_GENERATIONS; i++) {
		strbuf_addch(t->out, ' ');
		strbuf_add_grouped(t->out, p->generations[i].collections);
	}
	if (p->pauses)
		strbuf_addf(t->out, "; takes %.*f %% of the time, %.*f ms at most",
			    p->pause_ms < p->timed_s ? 2 : 1, p->pause_ms / p->timed_s / 10,
			    p->longest_pause_ms < 10 ? 1 : 0, p->longest_pause_ms);
	strbuf_addch(t->out, '\n');
}

static void add_unreachable(struct text_out *t, const struct report_python *p)
{
	uint64_t circles = p->unreachable_count - p->overcounted_count;

	if (circles) {
		add_line(t, "GARBAGE");
		strbuf_add_grouped(t->out, circles);
		strbuf_addstr(t->out, " objects, ");
		strbuf_add_human_bytes(t->out, p->unreachable_bytes - p->overcounted_bytes);
		strbuf_addf(t->out, ", are held only by each other: %s\n",
			    p->collector_enabled ? "the next collection frees them"
						 : "gc is off, nothing frees them");
	}
	if (p->overcounted_count) {
		add_line(t, "LOST");
		strbuf_add_grouped(t->out, p->overcounted_count);
		strbuf_addstr(t->out, " objects, ");
		strbuf_add_human_bytes(t->out, p->overcounted_bytes);
		strbuf_addstr(t->out, ", are held by nothing, though references are counted: an "
				      "extension took one too many\n");
	}
	if (p->garbage) {
		add_line(t, "");
		strbuf_add_grouped(t->out, p->garbage);
		strbuf_addstr(t->out, " objects are in gc.garbage: they can't be collected\n");
	}
}

static void add_python(struct text_out *t, const struct report *r, const struct report_python *p)
{
	bool scan = r->capture.mode == CAPTURE_SCAN;

	add_line(t, "PYTHON");
	strbuf_addstr(t->out, *p->version ? p->version : "(version unknown)");
	if (r->process_count > 1)
		strbuf_addf(t->out, " pid %d", p->pid);
	if (p->objects_known) {
		text_add_dot(t);
		add_objects(t, p);
	}
	strbuf_addch(t->out, '\n');
	if (*p->reason) {
		add_line(t, "");
		strbuf_addf(t->out, "%s: %s\n",
			    p->objects_known ? "what of them is unreachable is not known"
					     : "its objects are not known",
			    p->reason);
	}
	if (p->collector_known)
		add_collector(t, p);
	if (!p->objects_known)
		return;
	add_unreachable(t, p);
	add_growth(t, p);
	add_types(t, p, scan ? ROWS_OF_SCAN : ROWS_ELSE);
}

void text_add_pythons(struct text_out *t, const struct report *r)
{
	for (size_t i = 0; i < r->python_count; i++)
		add_python(t, r, &r->pythons[i]);
}
