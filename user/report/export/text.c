/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report for people: what `hunt` prints. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "report/export/export.h"
#include "report/export/text_parts.h"
#include "report/export/writers.h"

#define DEFAULT_WIDTH  100
#define MIN_WIDTH      40
#define DEFAULT_FRAMES 3
#define SOON_S         (90 * 86400.0) /* later limits are nobody's concern */

static void add_foreign(struct text_out *t, const char *text)
{
	strbuf_add_printable(t->out, text, strlen(text));
}

static void add_event_rate(struct text_out *t, const struct report *r)
{
	uint64_t allocs = 0;
	double rate;

	for (size_t i = 0; i < r->site_count; i++)
		allocs += r->sites[i].allocs;
	if (r->capture.duration_s <= 0 || r->capture.mode == CAPTURE_SCAN)
		return;
	rate = (double)allocs / r->capture.duration_s;
	text_add_dot(t);
	if (rate < 1000)
		strbuf_addf(t->out, "%.0f malloc/s", rate);
	else if (rate < 1e6)
		strbuf_addf(t->out, "%.1f k malloc/s", rate / 1e3);
	else
		strbuf_addf(t->out, "%.1f M malloc/s", rate / 1e6);
}

static void add_header(struct text_out *t, const struct report *r)
{
	const struct report_target *target = &r->target;

	strbuf_addf(t->out, "holdfast ");
	add_foreign(t, r->tool_version);
	text_add_dot(t);
	strbuf_addf(t->out, "pid %d ", target->pid);
	add_foreign(t, target->comm);
	if (*target->build_id) {
		strbuf_addstr(t->out, " (build-id ");
		strbuf_add_printable(t->out, target->build_id, strnlen(target->build_id, 8));
		strbuf_addf(t->out, "%s)", text_ellipsis(t));
	}
	for (size_t i = 0; i < target->allocator_count; i++) {
		text_add_dot(t);
		add_foreign(t, target->allocators[i].name);
		if (!target->allocators[i].probed && r->capture.mode != CAPTURE_SCAN)
			strbuf_addstr(t->out, " (not probed)");
	}
	if (r->process_count > 1)
		strbuf_addf(t->out, ", %zu processes", r->process_count);
	add_event_rate(t, r);
	strbuf_addch(t->out, '\n');
	for (size_t i = 0; i < r->capture.plan_count; i++) {
		strbuf_addstr(t->out, i ? "         " : "plan     ");
		add_foreign(t, r->capture.plan[i].text);
		strbuf_addch(t->out, '\n');
	}
	strbuf_addch(t->out, '\n');
}

/* Half of the interval, without a sign: "0.30 MiB/min". */
static void add_half(struct text_out *t, double low, double high)
{
	struct strbuf half = STRBUF_INIT;

	units_add_rate(&half, (high - low) / 2);
	strbuf_addstr(t->out, t->style.utf8 ? "(\xc2\xb1" : "(+-");
	strbuf_addstr(t->out, half.buf + (half.len > 0));
	strbuf_addch(t->out, ')');
	strbuf_done(&half);
}

/* A look without a trace knows what is there and what is lost, not what becomes of it. */
static void add_scanned(struct text_out *t, const struct report *r)
{
	uint64_t count = 0, bytes = 0;

	for (size_t i = 0; i < r->census_count; i++) {
		count += r->census[i].lost_count;
		bytes += r->census[i].lost_bytes;
	}
	text_bold(t);
	strbuf_addstr(t->out, "LOST     ");
	text_plain(t);
	if (!r->capture.lost_known && !count) {
		strbuf_addstr(t->out, "not known: see QUALITY for why\n");
		return;
	}
	text_state_color(t, count ? VERDICT_LOST : VERDICT_STEADY);
	strbuf_add_grouped(t->out, count);
	strbuf_addstr(t->out, count == 1 ? " block" : " blocks");
	text_plain(t);
	if (!count) {
		strbuf_addstr(t->out, ": everything on the heap is referred to\n");
		return;
	}
	strbuf_addstr(t->out, ", ");
	strbuf_add_human_bytes(t->out, bytes);
	strbuf_addstr(t->out, ": nothing in the process refers to them any more\n");
}

/* Of the process as a whole: no finding tells it. */
static bool is_overall(const char *kind)
{
	static const enum evidence_kind kinds[] = {EVIDENCE_UNEXPLAINED, EVIDENCE_FREE,
						   EVIDENCE_FILES, EVIDENCE_SHARED};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kind, evidence_kind_name(kinds[i])))
			return true;
	return false;
}

/* A round time that is not much shorter, as --for takes it. */
static void add_for(struct text_out *t, double seconds)
{
	static const unsigned int round_s[] = {10,   20,    30,    60,    120,  180,
					       300,  600,   900,   1200,  1800, 3600,
					       7200, 10800, 21600, 43200, 86400};
	size_t i = 0;

	while (i + 1 < sizeof(round_s) / sizeof(*round_s) && round_s[i] * 1.1 < seconds)
		i++;
	if (round_s[i] < 60)
		strbuf_addf(t->out, "--for %us", round_s[i]);
	else if (round_s[i] < 3600)
		strbuf_addf(t->out, "--for %um", round_s[i] / 60);
	else
		strbuf_addf(t->out, "--for %uh", round_s[i] / 3600);
}

static void add_not_firm(struct text_out *t, const struct report *r)
{
	const struct report_verdict *v = &r->verdict;

	strbuf_addstr(t->out, v->state == VERDICT_LEAKING ? "         how fast is not firm yet: "
							  : "         inconclusive: ");
	strbuf_addstr(t->out, "watched for ");
	text_add_seconds(t, r->capture.duration_s);
	for (size_t i = 0; i < v->evidence_count; i++)
		if (!strcmp(v->evidence[i].kind, evidence_kind_name(EVIDENCE_PERIOD))) {
			strbuf_addstr(t->out, ", a period of about ");
			units_add_about(t->out, v->evidence[i].value);
		}
	if (report_target_ended(r)) {
		strbuf_addstr(t->out, ", until the process ended\n");
		return;
	}
	if (r->capture.mode == CAPTURE_SCAN) {
		strbuf_addstr(t->out, "; it takes ");
		text_add_seconds(t, v->seconds_to_firm);
		strbuf_addstr(t->out, " more\n");
		return;
	}
	strbuf_addstr(t->out, "; try `");
	add_for(t, r->capture.duration_s + v->seconds_to_firm);
	strbuf_addstr(t->out, "`\n");
}

/* The place that swings, or lets go, most: no finding names it. */
static void add_typical(struct text_out *t, const struct report *r)
{
	const struct report_site *most = NULL;
	struct strbuf place = STRBUF_INIT;

	if (r->verdict.state != VERDICT_CYCLIC && r->verdict.state != VERDICT_BACKLOG)
		return;
	for (size_t i = 0; i < r->site_count; i++)
		if (r->sites[i].state == r->verdict.state && r->sites[i].stack.depth &&
		    (!most || r->sites[i].peak_bytes > most->peak_bytes))
			most = &r->sites[i];
	if (!most)
		return;
	strbuf_addstr(t->out, "         most at ");
	text_frame(&place, &r->frames[most->stack.frames[report_first_own_frame(r, most->stack)]]);
	text_add_cut(t, place.buf, t->style.width > 80 ? t->style.width - 50 : 26, false);
	strbuf_addstr(t->out, ": up to ");
	strbuf_add_human_bytes(t->out, most->peak_bytes);
	strbuf_addch(t->out, '\n');
	strbuf_done(&place);
}

static void add_verdict(struct text_out *t, const struct report *r)
{
	const struct report_verdict *v = &r->verdict;

	if (r->capture.mode == CAPTURE_SCAN && v->state <= VERDICT_LOST) {
		add_scanned(t, r);
		if (report_target_ended(r))
			strbuf_addstr(t->out, "         the process has ended\n");
		return;
	}
	text_bold(t);
	strbuf_addstr(t->out, "VERDICT  ");
	text_plain(t);
	text_state_color(t, v->state);
	text_add_upper(t, verdict_state_name(v->state));
	text_plain(t);
	if (r->finding_count && (v->state != VERDICT_LOST || v->growth_bytes_per_second > 0)) {
		strbuf_addstr(t->out, "   ");
		units_add_rate(t->out, v->growth_bytes_per_second);
		strbuf_addch(t->out, ' ');
		add_half(t, v->growth_low, v->growth_high);
	}
	strbuf_addf(t->out, "   confidence %.2f   RSS ", v->confidence);
	units_add_rate(t->out, v->rss_growth_bytes_per_second);
	if (v->limit_eta_s > 0 && v->limit_eta_s < SOON_S) {
		strbuf_addstr(t->out, v->limit_is_system ? ", the machine's memory is full in ~"
							 : ", cgroup limit in ~");
		units_add_about(t->out, v->limit_eta_s);
	}
	strbuf_addch(t->out, '\n');
	if (!v->firm && v->seconds_to_firm > 0)
		add_not_firm(t, r);
	else if (report_target_ended(r))
		strbuf_addstr(t->out, "         the process has ended\n");
	add_typical(t, r);
	for (size_t i = 0; i < v->evidence_count; i++) {
		if (!is_overall(v->evidence[i].kind))
			continue;
		strbuf_addstr(t->out, "         ");
		add_foreign(t, v->evidence[i].text);
		strbuf_addch(t->out, '\n');
	}
}

static void add_memory(struct text_out *t, const struct report *r)
{
	const struct report_memory *m = &r->memory;

	strbuf_addstr(t->out, "MEMORY   RSS ");
	strbuf_add_human_bytes(t->out, m->rss_bytes);
	text_add_dot(t);
	strbuf_addstr(t->out, "private ");
	strbuf_add_human_bytes(t->out, m->uss_bytes);
	text_add_dot(t);
	strbuf_addstr(t->out, "virtual ");
	strbuf_add_human_bytes(t->out, m->vms_bytes);
	if (m->swap_bytes) {
		text_add_dot(t);
		strbuf_addstr(t->out, "swap ");
		strbuf_add_human_bytes(t->out, m->swap_bytes);
	}
	if (r->capture.mode != CAPTURE_SCAN) {
		text_add_dot(t);
		strbuf_addf(t->out, "held since attach %s", m->heap_live_estimated ? "about " : "");
		strbuf_add_human_bytes(t->out, m->heap_live_bytes);
	}
	strbuf_addch(t->out, '\n');
}

/* All of it, as a look counted it. */
static void add_heap(struct text_out *t, const struct report_memory *m)
{
	if (!m->heap_live_count && !m->heap_free_bytes)
		return;
	strbuf_addstr(t->out, "HEAP     in use ");
	strbuf_add_human_bytes(t->out, m->heap_used_bytes);
	strbuf_addstr(t->out, " in ");
	strbuf_add_grouped(t->out, m->heap_live_count);
	strbuf_addstr(t->out, m->heap_live_count == 1 ? " block" : " blocks");
	if (m->heap_free_bytes) {
		text_add_dot(t);
		strbuf_addstr(t->out, "free ");
		strbuf_add_human_bytes(t->out, m->heap_free_bytes);
		strbuf_addf(t->out, " (%.0f %%)", m->fragmentation_percent);
	}
	strbuf_addch(t->out, '\n');
}

#define FREE_LISTED 4

static void add_holes(struct text_out *t, const char *title, const struct report_free *holes)
{
	strbuf_addf(t->out, "%-9s", title);
	strbuf_add_human_bytes(t->out, holes->bytes);
	strbuf_addstr(t->out, " in ");
	strbuf_add_grouped(t->out, holes->count);
	strbuf_addstr(t->out, holes->count == 1 ? " hole of " : " holes of ");
	strbuf_add_human_bytes(t->out, holes->size);
	strbuf_addstr(t->out, " to ");
	strbuf_add_human_bytes(t->out, 2 * holes->size);
	strbuf_addch(t->out, '\n');
}

/* Where the heap's free memory lies: what keeps it from being given back. */
static void add_free(struct text_out *t, const struct report_memory *m)
{
	struct report_free left[REPORT_FREE_SLOTS];
	const char *title = "FREE";

	memcpy(left, m->heap_free_by_size, sizeof(left));
	for (int n = 0; n < FREE_LISTED; n++) {
		size_t most = 0;

		for (size_t i = 1; i < m->heap_free_slots; i++)
			if (left[i].bytes > left[most].bytes)
				most = i;
		if (!m->heap_free_slots || !left[most].bytes)
			break;
		add_holes(t, title, &left[most]);
		left[most].bytes = 0;
		title = "";
	}
	if (!m->heap_free_end_bytes)
		return;
	strbuf_addf(t->out, "%-9s", title);
	strbuf_add_human_bytes(t->out, m->heap_free_end_bytes);
	strbuf_addstr(t->out, " at the ends of heaps, which malloc_trim() gives back\n");
}

static void add_counts(struct text_out *t, const char *title, const struct report_count *counts,
		       size_t count)
{
	if (!count)
		return;
	strbuf_addf(t->out, "         %s:", title);
	for (size_t i = 0; i < count; i++) {
		strbuf_addstr(t->out, i ? ", " : " ");
		add_foreign(t, counts[i].name);
		strbuf_addch(t->out, ' ');
		strbuf_add_grouped(t->out, counts[i].count);
	}
	strbuf_addch(t->out, '\n');
}

/* Never 100 % when it is not all: what is missing must show. */
static double percent_down(double percent)
{
	return floor(percent * 10) / 10;
}

static void add_quality(struct text_out *t, const struct report *r)
{
	const struct report_quality *q = &r->quality;

	text_bold(t);
	strbuf_addstr(t->out, "QUALITY  ");
	text_plain(t);
	if (r->capture.mode == CAPTURE_SCAN) {
		strbuf_addf(t->out, "looks %lu", (unsigned long)r->capture.scans);
	} else {
		strbuf_addstr(t->out, "events ");
		strbuf_add_grouped(t->out, q->events);
		text_add_dot(t);
		strbuf_addstr(t->out, "lost ");
		strbuf_add_grouped(t->out, q->lost_events);
	}
	if (q->stacks) {
		text_add_dot(t);
		strbuf_addf(t->out, "stacks complete %.4g %%",
			    percent_down(q->stacks_complete_percent));
	}
	text_add_dot(t);
	strbuf_addf(t->out, "symbols %.4g %%", percent_down(q->symbols_percent));
	if (q->unmatched_frees) {
		text_add_dot(t);
		strbuf_add_grouped(t->out, q->unmatched_frees);
		strbuf_addstr(t->out, " frees of older blocks");
	}
	text_add_dot(t);
	if (r->capture.mode == CAPTURE_SCAN)
		strbuf_addf(t->out, "stopped %.3g ms at most\n", r->capture.stop_ms_max);
	else
		strbuf_addf(t->out, "cost %.2g %%\n", r->capture.overhead_percent);
	add_counts(t, "lost", q->lost_by_reason, q->lost_by_reason_count);
	add_counts(t, "stacks cut", q->stacks_incomplete, q->stacks_incomplete_count);
	for (size_t i = 0; i < q->note_count; i++) {
		strbuf_addstr(t->out, "         ");
		add_foreign(t, q->notes[i].text);
		strbuf_addch(t->out, '\n');
	}
}

static void add_written(struct text_out *t, const struct export_options *options)
{
	const char *report = NULL;

	if (!options->written_count)
		return;
	strbuf_addstr(t->out, "wrote  ");
	for (size_t i = 0; i < options->written_count; i++) {
		const char *name = options->written[i];

		strbuf_addstr(t->out, "  ");
		add_foreign(t, name);
		if (!report && (strstr(name, ".json.gz") || strstr(name, ".json")))
			report = name;
	}
	strbuf_addch(t->out, '\n');
	if (!report)
		return;
	strbuf_addstr(t->out, "next     holdfast report ");
	add_foreign(t, report);
	strbuf_addstr(t->out, "     holdfast diff A B\n");
}

int write_text(const struct report *r, const struct export_options *options, struct sink *sink)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	struct text_out t = {
		.out = &out,
		.style = {.width = options->width ? options->width : DEFAULT_WIDTH,
			  .frames = options->frames ? options->frames : DEFAULT_FRAMES,
			  .color = options->color,
			  .utf8 = options->utf8},
	};

	if (t.style.width < MIN_WIDTH)
		t.style.width = MIN_WIDTH;
	add_header(&t, r);
	add_verdict(&t, r);
	text_add_findings(&t, r);
	text_add_innocents(&t, r);
	add_memory(&t, r);
	add_heap(&t, &r->memory);
	if (r->capture.mode == CAPTURE_SCAN || r->verdict.state == VERDICT_FRAGMENTED)
		add_free(&t, &r->memory);
	text_add_components(&t, r);
	text_add_spans(&t, r);
	text_add_holdings(&t, r);
	text_add_census(&t, r);
	text_add_pythons(&t, r);
	if (options->patterns)
		text_add_patterns(&t, r);
	add_quality(&t, r);
	add_written(&t, options);
	sink_write(sink, out.buf, out.len);
	return out.failed ? -ENOMEM : sink->error;
}
