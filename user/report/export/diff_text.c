/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A diff for people. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "report/export/export.h"
#include "report/export/text_parts.h"

#define MAX_LISTED    40
#define MAX_TYPES     12
#define DEFAULT_WIDTH 100

static void add_side(struct text_out *t, const char *name, const struct report *r)
{
	strbuf_addf(t->out, "%s        pid %d ", name, r->target.pid);
	strbuf_add_printable(t->out, r->target.comm, strlen(r->target.comm));
	if (*r->target.build_id) {
		strbuf_addstr(t->out, " (build-id ");
		strbuf_add_printable(t->out, r->target.build_id, strnlen(r->target.build_id, 8));
		strbuf_addf(t->out, "%s)", text_ellipsis(t));
	}
	text_add_dot(t);
	strbuf_add_printable(t->out, r->capture.started_at, strlen(r->capture.started_at));
	text_add_dot(t);
	text_add_seconds(t, r->capture.duration_s);
	text_add_dot(t);
	strbuf_addstr(t->out, verdict_state_name(r->verdict.state));
	strbuf_addch(t->out, '\n');
}

/* What stands behind the change, of a site or a type. */
static void add_rest(struct text_out *t, enum diff_kind kind, bool rises, const struct strbuf *held,
		     const struct strbuf *what)
{
	text_state_color(t, rises ? VERDICT_GROWING : VERDICT_STEADY);
	strbuf_addf(t->out, "%-7s", diff_kind_name(kind));
	text_plain(t);
	strbuf_addf(t->out, " %-24s ", held->buf);
	text_add_cut(t, what->buf, t->style.width > 80 ? t->style.width - 54 : 26, false);
	strbuf_addch(t->out, '\n');
}

static void add_held(struct strbuf *sb, uint64_t a_bytes, uint64_t b_bytes)
{
	strbuf_add_human_bytes(sb, a_bytes);
	strbuf_addstr(sb, " -> ");
	strbuf_add_human_bytes(sb, b_bytes);
}

static void add_entry(struct text_out *t, const struct diff_entry *e)
{
	struct strbuf rate = STRBUF_INIT, place = STRBUF_INIT, held = STRBUF_INIT;

	units_add_rate(&rate, e->change_bytes_per_second);
	add_held(&held, e->a.outstanding_bytes, e->b.outstanding_bytes);
	if (e->stack.depth) {
		uint32_t own = report_first_own_frame(e->of, e->stack);
		const struct report_frame *frame = &e->of->frames[e->stack.frames[own]];

		text_frame(&place, frame);
	} else {
		strbuf_addstr(&place, "(no stack)");
	}
	strbuf_addf(t->out, " %16s  ", rate.buf);
	add_rest(t, e->kind, e->change_bytes_per_second > 0, &held, &place);
	strbuf_done(&rate);
	strbuf_done(&place);
	strbuf_done(&held);
}

static size_t count_changed(const struct report_diff *d)
{
	return d->entry_count - d->count_by_kind[DIFF_SAME];
}

/*
 * The largest changes of either sign: entries are sorted by change, so both ends are walked
 * inwards.
 */
static void add_entries(struct text_out *t, const struct report_diff *d)
{
	size_t shown = 0, changed = count_changed(d);

	for (size_t i = 0; i < d->entry_count && shown < MAX_LISTED; i++) {
		if (d->entries[i].kind == DIFF_SAME || d->entries[i].change_bytes_per_second < 0)
			continue;
		add_entry(t, &d->entries[i]);
		shown++;
	}
	for (size_t i = d->entry_count; i-- && shown < MAX_LISTED;) {
		if (d->entries[i].kind == DIFF_SAME || d->entries[i].change_bytes_per_second >= 0)
			continue;
		add_entry(t, &d->entries[i]);
		shown++;
	}
	if (changed > shown)
		strbuf_addf(t->out, " %s %zu more (--json)\n", text_ellipsis(t), changed - shown);
}

static void add_type(struct text_out *t, const struct diff_type *type, bool is_first)
{
	struct strbuf change = STRBUF_INIT, held = STRBUF_INIT, what = STRBUF_INIT;
	double more = (double)type->b.count - (double)type->a.count;

	strbuf_addch(&change, type->change_bytes < 0 ? '-' : '+');
	strbuf_add_human_bytes(&change, (uint64_t)fabs(type->change_bytes));
	add_held(&held, type->a.bytes, type->b.bytes);
	strbuf_add_printable(&what, type->type, strlen(type->type));
	if (!type->python) {
		strbuf_addstr(&what, " of ");
		strbuf_add_human_bytes(&what, type->size);
	}
	strbuf_addf(&what, ", %+.0f %s", more, type->python ? "objects" : "blocks");
	strbuf_addf(t->out, "%-6s%11s  ", is_first ? "TYPES" : "", change.buf);
	add_rest(t, type->kind, type->change_bytes > 0, &held, &what);
	strbuf_done(&change);
	strbuf_done(&held);
	strbuf_done(&what);
}

/* Those that grew first, then those that shrank most. */
static void add_types(struct text_out *t, const struct report_diff *d)
{
	size_t shown = 0, changed = 0;

	for (size_t i = 0; i < d->type_count; i++)
		changed += d->types[i].kind != DIFF_SAME;
	for (size_t i = 0; i < d->type_count && shown < MAX_TYPES; i++)
		if (d->types[i].kind != DIFF_SAME && d->types[i].change_bytes > 0)
			add_type(t, &d->types[i], !shown++);
	for (size_t i = d->type_count; i-- && shown < MAX_TYPES;)
		if (d->types[i].kind != DIFF_SAME && d->types[i].change_bytes < 0)
			add_type(t, &d->types[i], !shown++);
	if (changed > shown)
		strbuf_addf(t->out, " %s %zu more (--json)\n", text_ellipsis(t), changed - shown);
}

int diff_write_text(const struct report_diff *d, const struct export_options *options,
		    struct sink *sink)
{
	static const struct export_options defaults;
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	struct text_out t = {.out = &out};
	int err;

	options = options ? options : &defaults;
	t.style.width = options->width ? options->width : DEFAULT_WIDTH;
	t.style.color = options->color;
	t.style.utf8 = options->utf8;
	add_side(&t, "A", d->a);
	add_side(&t, "B", d->b);
	strbuf_addstr(&out, "CHANGE   ");
	units_add_rate(&out, d->total_change_bytes_per_second);
	strbuf_addstr(&out, "   rises ");
	units_add_rate(&out, d->rise_bytes_per_second);
	strbuf_addstr(&out, "   sites:");
	for (int kind = 0; kind < DIFF_KIND_COUNT; kind++) {
		strbuf_addf(&out, "%s%" PRIu64 " %s", kind ? ", " : " ", d->count_by_kind[kind],
			    diff_kind_name((enum diff_kind)kind));
	}
	strbuf_addch(&out, '\n');
	add_entries(&t, d);
	add_types(&t, d);
	if (out.failed)
		return -ENOMEM;
	sink_write(sink, out.buf, out.len);
	err = sink_finish(sink);
	return err;
}
