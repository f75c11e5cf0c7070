/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

static void *copy(const void *items, size_t count, size_t size)
{
	void *room = calloc(count + 1, size);

	if (room && count)
		memcpy(room, items, count * size);
	return room;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

struct renumber {
	const struct report *from;
	struct view *to;
	uint32_t *number; /* new number + 1 of each old frame; 0: not kept yet */
	uint32_t *next;   /* room in to->stacks */
};

static void move_stack(struct renumber *n, struct report_stack *stack)
{
	uint32_t *frames = n->next;

	for (uint32_t i = 0; i < stack->depth; i++) {
		uint32_t old = stack->frames[i];

		if (!n->number[old]) {
			n->to->frames[n->to->report.frame_count++] = n->from->frames[old];
			n->number[old] = (uint32_t)n->to->report.frame_count;
		}
		frames[i] = n->number[old] - 1;
	}
	n->next += stack->depth;
	stack->frames = frames;
}

static size_t total_depth(const struct view *v)
{
	size_t total = 0;

	for (size_t i = 0; i < v->report.site_count; i++)
		total += v->sites[i].stack.depth;
	for (size_t i = 0; i < v->report.fault_count; i++)
		total += v->faults[i].stack.depth;
	for (size_t i = 0; i < v->report.finding_count; i++)
		total += v->findings[i].stack.depth;
	return total;
}

static int renumber_frames(struct view *v, const struct report *r)
{
	_cleanup_free_ uint32_t *number = calloc(r->frame_count + 1, sizeof(*number));
	struct renumber n = {r, v, number, NULL};

	v->stacks = calloc(total_depth(v) + 1, sizeof(*v->stacks));
	v->frames = calloc(r->frame_count + 1, sizeof(*v->frames));
	if (!number || !v->stacks || !v->frames)
		return -ENOMEM;
	n.next = v->stacks;
	v->report.frame_count = 0;
	for (size_t i = 0; i < v->report.site_count; i++)
		move_stack(&n, &v->sites[i].stack);
	for (size_t i = 0; i < v->report.fault_count; i++)
		move_stack(&n, &v->faults[i].stack);
	for (size_t i = 0; i < v->report.finding_count; i++)
		move_stack(&n, &v->findings[i].stack);
	v->report.frames = v->frames;
	return 0;
}

static int add_note(struct view *v, const struct report *r)
{
	_cleanup_(strbuf_done) struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, "this page shows the ");
	strbuf_add_grouped(&sb, v->report.site_count);
	strbuf_addstr(&sb, " largest of ");
	strbuf_add_grouped(&sb, r->site_count);
	strbuf_addstr(&sb, " sites; the JSON report has all");
	v->note = strbuf_detach(&sb, NULL);
	v->notes = copy(r->quality.notes, r->quality.note_count, sizeof(*v->notes));
	if (!v->note || !v->notes)
		return -ENOMEM;
	v->notes[r->quality.note_count].text = v->note;
	v->report.quality.notes = v->notes;
	v->report.quality.note_count++;
	return 0;
}

int view_init(struct view *v, const struct report *r, size_t sites)
{
	int err;

	memset(v, 0, sizeof(*v));
	v->report = *r;
	v->report.site_count = least(r->site_count, sites);
	v->report.fault_count = least(r->fault_count, sites);
	v->report.finding_count = least(r->finding_count, sites);
	v->sites = copy(r->sites, v->report.site_count, sizeof(*v->sites));
	v->faults = copy(r->faults, v->report.fault_count, sizeof(*v->faults));
	v->findings = copy(r->findings, v->report.finding_count, sizeof(*v->findings));
	if (!v->sites || !v->faults || !v->findings) {
		view_done(v);
		return -ENOMEM;
	}
	v->report.sites = v->sites;
	v->report.faults = v->faults;
	v->report.findings = v->findings;
	err = renumber_frames(v, r);
	if (!err)
		err = add_note(v, r);
	if (err)
		view_done(v);
	return err;
}

void view_done(struct view *v)
{
	free(v->sites);
	free(v->faults);
	free(v->findings);
	free(v->frames);
	free(v->notes);
	free(v->stacks);
	free(v->note);
	memset(v, 0, sizeof(*v));
}
