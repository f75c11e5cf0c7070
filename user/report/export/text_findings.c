/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text report's findings, what was found innocent, and what is held. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "report/export/text_parts.h"

#define MAX_DETAILED 8  /* findings with their frames */
#define MAX_LISTED   20 /* findings at all */
#define MAX_REASONS  3
#define MAX_HELD     5
#define HELD_SITES   1000 /* the largest: what the others hold cannot matter here */
#define FRAME_INDENT 7
#define NAME_COLUMNS 44
#define CACHE_MIN    64  /* blocks held */
#define CACHE_FULL   0.9 /* of the peak */
#define SHORT_LIVED  0.9 /* share of the blocks that were freed */
#define OWN_FRAME    "<- first frame in your code"
#define OWN_COLUMNS  29

static void add_frame(struct text_out *t, const struct report_frame *frame, size_t name_columns,
		      bool own)
{
	struct strbuf name = STRBUF_INIT, place = STRBUF_INIT;
	size_t left = t->style.width > FRAME_INDENT + name_columns + 1
			      ? t->style.width - FRAME_INDENT - name_columns - 1
			      : 0;

	text_frame_name(&name, frame);
	text_frame_place(&place, frame);
	if (own && left > OWN_COLUMNS + 12)
		left -= OWN_COLUMNS;
	else
		own = false;
	strbuf_add_repeat(t->out, ' ', FRAME_INDENT);
	text_add_cut(t, name.buf, name_columns, place.len || own);
	if (place.len || own) {
		strbuf_addch(t->out, ' ');
		text_add_cut(t, place.buf, left < 12 ? 12 : left, false);
	}
	if (own)
		strbuf_addstr(t->out, "  " OWN_FRAME);
	strbuf_addch(t->out, '\n');
	strbuf_done(&name);
	strbuf_done(&place);
}

static size_t name_columns(const struct text_out *t, const struct report *r,
			   struct report_stack stack, uint32_t first, uint32_t end)
{
	size_t most = 8,
	       bound = t->style.width / 2 < NAME_COLUMNS ? t->style.width / 2 : NAME_COLUMNS;

	for (uint32_t i = first; i < end; i++) {
		struct strbuf name = STRBUF_INIT;
		size_t columns;

		text_frame_name(&name, &r->frames[stack.frames[i]]);
		columns = text_columns(name.buf, name.len);
		most = columns > most ? columns : most;
		strbuf_done(&name);
	}
	return most < bound ? most : bound;
}

/* The frames from the leaf on; where the user's own begins deeper, from there on. */
static void add_stack(struct text_out *t, const struct report *r, struct report_stack stack)
{
	uint32_t shown = t->style.frames, first = 0, own, end;
	size_t columns;

	if (!stack.depth) {
		strbuf_addstr(t->out, "       (no stack)\n");
		return;
	}
	own = report_first_own_frame(r, stack);
	if (shown < stack.depth && own >= shown)
		first = own;
	end = stack.depth - first > shown ? first + shown : stack.depth;
	columns = name_columns(t, r, stack, first, end);
	if (first)
		strbuf_addf(t->out, "       %s %u of libraries\n", text_ellipsis(t), first);
	for (uint32_t i = first; i < end; i++)
		add_frame(t, &r->frames[stack.frames[i]], columns, i == own);
	if (end < stack.depth)
		strbuf_addf(t->out, "       %s %u more (--frames all)\n", text_ellipsis(t),
			    stack.depth - end);
}

static void add_lost_amount(struct text_out *t, const struct report_finding *f)
{
	strbuf_addstr(t->out, f->estimated ? "about " : "");
	strbuf_add_grouped(t->out, f->lost_count);
	strbuf_addstr(t->out, !strcmp(f->allocator, "mmap") ? " mapping" : " block");
	strbuf_addstr(t->out, f->lost_count == 1 ? " of " : "s of ");
	strbuf_add_human_bytes(t->out, f->lost_bytes / f->lost_count);
	strbuf_addstr(t->out, " lost: nothing refers to them any more");
	if (f->outstanding_count <= f->lost_count)
		return;
	strbuf_addstr(t->out, " (of ");
	strbuf_add_grouped(t->out, f->outstanding_count);
	strbuf_addstr(t->out, " not freed)");
}

/* Objects of Python: their type has a line of its own. */
static void add_objects(struct text_out *t, const struct report_finding *f)
{
	uint64_t count = f->lost_count ? f->lost_count : f->outstanding_count;
	uint64_t bytes = f->lost_count ? f->lost_bytes : f->outstanding_bytes;

	strbuf_add_grouped(t->out, count);
	strbuf_addstr(t->out, count == 1 ? " object of " : " objects of ");
	strbuf_add_human_bytes(t->out, count ? bytes / count : 0);
	if (!f->lost_count)
		return;
	strbuf_addstr(t->out, " lost");
	if (f->outstanding_count > f->lost_count) {
		strbuf_addstr(t->out, " (of ");
		strbuf_add_grouped(t->out, f->outstanding_count);
		strbuf_addch(t->out, ')');
	}
}

static void add_amount(struct text_out *t, const struct report_finding *f)
{
	uint64_t each = f->outstanding_count ? f->outstanding_bytes / f->outstanding_count : 0;
	bool stack = !strcmp(f->allocator, "stack");
	bool mapped = stack || !strcmp(f->allocator, "mmap");

	if (!strcmp(f->allocator, "python")) {
		add_objects(t, f);
		return;
	}
	if (f->lost_count) {
		add_lost_amount(t, f);
		return;
	}
	strbuf_addstr(t->out, f->estimated ? "about " : "");
	strbuf_add_grouped(t->out, f->outstanding_count);
	strbuf_addstr(t->out, stack ? " thread stack" : mapped ? " mapping" : " block");
	strbuf_addstr(t->out, f->outstanding_count == 1 ? " of " : "s of ");
	strbuf_add_human_bytes(t->out, each);
	strbuf_addstr(t->out, mapped ? " not unmapped" : " not freed");
	if (*f->allocator && !mapped) {
		strbuf_addstr(t->out, " (");
		strbuf_add_printable(t->out, f->allocator, strlen(f->allocator));
		strbuf_addch(t->out, ')');
	}
}

/* Words wrapped at the width, later lines indented. */
static void add_wrapped(struct text_out *t, const char *text, size_t indent)
{
	size_t column = indent;

	while (*text) {
		size_t bytes = strcspn(text, " ");
		size_t columns = text_columns(text, bytes);

		if (column > indent && column + 1 + columns > t->style.width) {
			strbuf_addch(t->out, '\n');
			strbuf_add_repeat(t->out, ' ', indent);
			column = indent;
		} else if (column > indent) {
			strbuf_addch(t->out, ' ');
			column++;
		}
		strbuf_add(t->out, text, bytes);
		column += columns;
		text += bytes;
		text += strspn(text, " ");
	}
	strbuf_addch(t->out, '\n');
}

/* "     fix   look for ...", if there is something to say. */
static void add_words(struct text_out *t, const char *label, const char *words)
{
	struct strbuf safe = STRBUF_INIT;

	if (*words) {
		strbuf_addf(t->out, "     %-5s ", label);
		strbuf_add_printable(&safe, words, strlen(words));
		add_wrapped(t, safe.buf, 11);
	}
	strbuf_done(&safe);
}

/* The reasons that weigh most. */
static void add_evidence(struct text_out *t, const struct report_finding *f)
{
	struct strbuf why = STRBUF_INIT;

	for (size_t i = 0; i < f->evidence_count && i < MAX_REASONS; i++) {
		if (i)
			strbuf_addstr(&why, "; ");
		strbuf_addstr(&why, f->evidence[i].text);
	}
	add_words(t, "why", why.len ? why.buf : "");
	strbuf_done(&why);
}

static void add_detailed(struct text_out *t, const struct report *r, size_t i)
{
	const struct report_finding *f = &r->findings[i];

	strbuf_addf(t->out, " #%zu  ", i + 1);
	/* What was lost does not grow: it has no rate. */
	if (f->state != VERDICT_LOST || f->growth_bytes_per_second > 0) {
		text_bold(t);
		units_add_rate(t->out, f->growth_bytes_per_second);
		text_plain(t);
		strbuf_addstr(t->out, "  ");
	}
	text_state_color(t, f->state);
	text_add_upper(t, verdict_state_name(f->state));
	text_plain(t);
	strbuf_addstr(t->out, "  ");
	add_amount(t, f);
	if (r->process_count > 1)
		strbuf_addf(t->out, "  pid %d", f->pid);
	strbuf_addch(t->out, '\n');
	if (f->stack.depth || !*f->type)
		add_stack(t, r, f->stack);
	add_words(t, "type", f->type);
	add_words(t, "held ", f->held_by);
	add_evidence(t, f);
	add_words(t, "fix  ", f->recommendation);
}

static void add_brief(struct text_out *t, const struct report *r, size_t i)
{
	const struct report_finding *f = &r->findings[i];

	strbuf_addf(t->out, " #%zu  ", i + 1);
	units_add_rate(t->out, f->growth_bytes_per_second);
	strbuf_addstr(t->out, "  ");
	text_add_upper(t, verdict_state_name(f->state));
	if (f->stack.depth) {
		const struct report_frame *frame =
			&r->frames[f->stack.frames[report_first_own_frame(r, f->stack)]];
		struct strbuf place = STRBUF_INIT;

		text_frame(&place, frame);
		strbuf_addstr(t->out, "  ");
		text_add_cut(t, place.buf, t->style.width > 60 ? t->style.width - 40 : 20, false);
		strbuf_done(&place);
	}
	strbuf_addch(t->out, '\n');
}

void text_add_findings(struct text_out *t, const struct report *r)
{
	for (size_t i = 0; i < r->finding_count && i < MAX_LISTED; i++) {
		if (i < MAX_DETAILED && r->findings[i].state != VERDICT_WARMING)
			add_detailed(t, r, i);
		else
			add_brief(t, r, i);
	}
	if (r->finding_count > MAX_LISTED)
		strbuf_addf(t->out, " %s %zu more findings (--json)\n", text_ellipsis(t),
			    r->finding_count - MAX_LISTED);
}

static bool is_short_lived(const struct report_site *s)
{
	return !s->outstanding_count ||
	       (s->frees > CACHE_MIN && (double)s->frees >= SHORT_LIVED * (double)s->allocs &&
		s->temporary_count > s->frees / 2);
}

/* Holds as much as it ever did, and has replaced all of it at least once. */
static bool is_full_cache(const struct report_site *s)
{
	return s->outstanding_count >= CACHE_MIN && s->frees >= s->outstanding_count &&
	       (double)s->outstanding_bytes >= CACHE_FULL * (double)s->peak_bytes;
}

void text_add_innocents(struct text_out *t, const struct report *r)
{
	size_t steady = 0, cyclic = 0, brief = 0, caches = 0;
	const char *comma = " ";

	for (size_t i = 0; i < r->site_count; i++) {
		const struct report_site *s = &r->sites[i];

		if (s->state > VERDICT_FRAGMENTED)
			continue;
		if (s->state == VERDICT_CYCLIC)
			cyclic++;
		else if (is_short_lived(s))
			brief++;
		else if (is_full_cache(s))
			caches++;
		else
			steady++;
	}
	if (steady + cyclic + brief + caches == 0)
		return;
	strbuf_addstr(t->out, " not leaks:");
	const struct {
		size_t count;
		const char *text;
	} parts[] = {{steady, steady == 1 ? "site steady" : "sites steady"},
		     {brief, "short-lived"},
		     {cyclic, "cyclic"},
		     {caches, caches == 1 ? "full cache" : "full caches"}};
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!parts[i].count)
			continue;
		strbuf_addstr(t->out, comma);
		strbuf_add_grouped(t->out, parts[i].count);
		strbuf_addf(t->out, " %s", parts[i].text);
		comma = ", ";
	}
	strbuf_addch(t->out, '\n');
}

static bool is_running(const struct report *r, int pid)
{
	for (size_t i = 0; i < r->process_count; i++) {
		if (r->processes[i].pid == pid)
			return !*r->processes[i].ended;
	}
	return false; /* it ended before it could be looked at */
}

static bool is_any_running(const struct report *r)
{
	for (size_t i = 0; i < r->process_count; i++) {
		if (!*r->processes[i].ended)
			return true;
	}
	return false;
}

/* What one place in the user's code holds, over all ways to it. */
struct held {
	const struct report_frame *frame; /* NULL: no stack */
	uint64_t bytes, count;
	bool estimated;
};

static const struct report_frame *place_of(const struct report *r, const struct report_site *s)
{
	return s->stack.depth ? &r->frames[s->stack.frames[report_first_own_frame(r, s->stack)]]
			      : NULL;
}

static void add_held(struct held *held, size_t *count, const struct report_frame *frame,
		     const struct report_site *s)
{
	size_t i = 0;

	while (i < *count && held[i].frame != frame)
		i++;
	if (i == *count)
		held[(*count)++] = (struct held){.frame = frame};
	held[i].bytes += s->outstanding_bytes;
	held[i].count += s->outstanding_count;
	held[i].estimated |= s->estimated;
}

static int by_bytes_held(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

/* A process that has ended holds nothing any more; where all have, it is what they held at their ends. */
static size_t sum_held(const struct report *r, struct held *ret)
{
	bool all_ended = !is_any_running(r);
	size_t count = 0;

	for (size_t i = 0; i < r->site_count && i < HELD_SITES; i++) {
		const struct report_site *s = &r->sites[i];

		if (s->outstanding_bytes && (all_ended || is_running(r, s->pid)))
			add_held(ret, &count, place_of(r, s), s);
	}
	qsort(ret, count, sizeof(*ret), by_bytes_held);
	return count;
}

static void add_held_line(struct text_out *t, const struct held *held, bool first)
{
	struct strbuf amount = STRBUF_INIT, place = STRBUF_INIT;

	strbuf_addstr(&amount, held->estimated ? "~" : "");
	strbuf_add_human_bytes(&amount, held->bytes);
	strbuf_addstr(&amount, " in ");
	strbuf_add_grouped(&amount, held->count);
	if (held->frame)
		text_frame(&place, held->frame);
	else
		strbuf_addstr(&place, "(no stack)");
	strbuf_addstr(t->out, first ? "HOLDS    " : "         ");
	text_add_cut(t, amount.buf, 24, true);
	strbuf_addch(t->out, ' ');
	text_add_cut(t, place.buf, t->style.width > 60 ? t->style.width - 34 : 26, false);
	strbuf_addch(t->out, '\n');
	strbuf_done(&amount);
	strbuf_done(&place);
}

void text_add_holdings(struct text_out *t, const struct report *r)
{
	_cleanup_free_ struct held *held = calloc(HELD_SITES, sizeof(*held));
	size_t count = held ? sum_held(r, held) : 0;

	for (size_t i = 0; i < count && i < MAX_HELD; i++)
		add_held_line(t, &held[i], !i);
}
