/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Folded stacks, a line per site: "main;work;keep 4096". Root first, bytes held; as flamegraph.pl
 * reads it.
 */
#include <inttypes.h>

#include "base/cleanup.h"
#include "report/export/export.h"
#include "report/export/frame_name.h"
#include "report/export/writers.h"

/* What separates frames and lines must not stand in a name. */
static void add_clean(struct strbuf *line, const char *name)
{
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		strbuf_addch(line, c == ';' ? ':' : c < 0x20 || c == 0x7f ? '_' : *name);
	}
}

static void add_frame(struct strbuf *line, const struct report_frame *frame)
{
	struct strbuf name = STRBUF_INIT;

	frame_name(&name, frame);
	add_clean(line, name.buf);
	/* the two that a name does not tell, as the flamegraph tools write them */
	if (frame->kind == FRAME_KERNEL)
		strbuf_addstr(line, "_[k]");
	else if (frame->kind == FRAME_JIT)
		strbuf_addstr(line, "_[j]");
	line->failed |= name.failed;
	strbuf_done(&name);
}

static const char *comm_of(const struct report *r, int pid)
{
	for (size_t i = 0; i < r->process_count; i++)
		if (r->processes[i].pid == pid)
			return r->processes[i].comm;
	return r->target.comm;
}

static void add_stack(struct strbuf *line, const struct report *r, struct report_stack stack)
{
	for (uint32_t f = stack.depth; f--;) {
		add_frame(line, &r->frames[stack.frames[f]]);
		strbuf_addch(line, f ? ';' : ' ');
	}
	if (!stack.depth)
		strbuf_addstr(line, "[no stack] ");
}

/* As a number of a flamegraph: bytes a minute, whole. */
static uint64_t per_minute(const struct diff_side *side)
{
	double rate = side->bytes_per_second * 60;

	return rate > 0 ? (uint64_t)rate : 0;
}

int diff_write_folded(const struct report_diff *diff, struct sink *sink)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	for (size_t i = 0; i < diff->entry_count; i++) {
		const struct diff_entry *e = &diff->entries[i];

		if (!per_minute(&e->a) && !per_minute(&e->b))
			continue;
		strbuf_reset(&line);
		add_stack(&line, e->of, e->stack);
		strbuf_addf(&line, "%" PRIu64 " %" PRIu64 "\n", per_minute(&e->a),
			    per_minute(&e->b));
		if (line.failed)
			return -ENOMEM;
		sink_write(sink, line.buf, line.len);
	}
	return sink_finish(sink);
}

int write_folded(const struct report *r, const struct export_options *options, struct sink *sink)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	(void)options;
	for (size_t i = 0; i < r->site_count; i++) {
		const struct report_site *s = &r->sites[i];

		if (!s->outstanding_bytes)
			continue;
		strbuf_reset(&line);
		if (r->process_count > 1) {
			add_clean(&line, comm_of(r, s->pid));
			strbuf_addf(&line, "-%d;", s->pid);
		}
		add_stack(&line, r, s->stack);
		strbuf_addf(&line, "%" PRIu64 "\n", s->outstanding_bytes);
		if (line.failed)
			return -ENOMEM;
		sink_write(sink, line.buf, line.len);
	}
	return sink->error;
}
