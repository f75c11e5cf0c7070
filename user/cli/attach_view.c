// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/attach_view.h"

#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "base/units.h"

#define HEADER_LINES 5
#define NS_PER_S     1e9

enum order { ORDER_HELD, ORDER_GROWTH, ORDER_BLOCKS, ORDER_COUNT };

static const char *const order_names[ORDER_COUNT] = {"held", "growth", "blocks"};

struct attach_view {
	SCREEN *screen;
	struct session_view numbers;
	struct report *report;
	const struct report_site **order; /* of the report's sites */
	size_t count, selected, top;
	enum order by;
	bool stack_shown, paused;
	/* The newest verdict; its words stay while keys redraw. */
	bool judged;
	enum verdict_state state;
	double confidence, growth_bytes_per_second, rss_growth_bytes_per_second;
};

int attach_view_new(struct attach_view **ret)
{
	_cleanup_(attach_view_freep) struct attach_view *view = calloc(1, sizeof(*view));

	if (!view)
		return -ENOMEM;
	if (!isatty(STDIN_FILENO))
		return -ENOTTY;
	setlocale(LC_CTYPE, "");
	view->screen = newterm(NULL, stdout, stdin);
	if (!view->screen)
		return -ENOTTY;
	set_term(view->screen);
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	*ret = no_free_ptr(view);
	return 0;
}

void attach_view_free(struct attach_view *view)
{
	if (!view)
		return;
	if (view->screen) {
		endwin();
		delscreen(view->screen);
	}
	report_free(view->report);
	free(view->order);
	free(view);
}

static double key_of(const struct report_site *site, enum order by)
{
	if (by == ORDER_GROWTH)
		return site->growth_bytes_per_second;
	return by == ORDER_BLOCKS ? (double)site->outstanding_count
				  : (double)site->outstanding_bytes;
}

static int compare(const void *a, const void *b, void *user)
{
	enum order by = *(const enum order *)user;
	double x = key_of(*(const struct report_site *const *)a, by);
	double y = key_of(*(const struct report_site *const *)b, by);

	return x < y ? 1 : x > y ? -1 : 0;
}

static void sort_sites(struct attach_view *view)
{
	if (view->count)
		qsort_r(view->order, view->count, sizeof(*view->order), compare, &view->by);
}

static void take_report(struct attach_view *view, struct report *report)
{
	const struct report_site **order =
		calloc(report->site_count + 1, sizeof(const struct report_site *));

	if (!order) {
		report_free(report);
		return;
	}
	report_free(view->report);
	free(view->order);
	view->report = report;
	view->order = order;
	view->count = report->site_count;
	for (size_t i = 0; i < view->count; i++)
		order[i] = &report->sites[i];
	if (view->selected >= view->count)
		view->selected = view->count ? view->count - 1 : 0;
	sort_sites(view);
}

/* One line, cut at the screen's width. Everything foreign in it has been made printable. */
static void put(int row, int attribute, const char *text)
{
	int width = getmaxx(stdscr);

	if (row >= getmaxy(stdscr))
		return;
	move(row, 0);
	clrtoeol();
	attron(attribute);
	addnstr(text, width);
	attroff(attribute);
}

static void add_name(struct strbuf *line, const char *name)
{
	strbuf_add_printable(line, name, strlen(name));
}

static void draw_header(const struct attach_view *view)
{
	const struct session_view *n = &view->numbers;
	const struct report *report = view->report;
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	strbuf_addf(&line, "holdfast attach · pid %d ", report ? report->target.pid : 0);
	add_name(&line, report ? report->target.comm : "");
	strbuf_addf(&line, " · %.0f s%s", (double)n->elapsed_ns / 1e9,
		    view->paused ? " · PAUSED (p)" : "");
	put(0, A_BOLD, line.buf);
	strbuf_reset(&line);
	strbuf_addstr(&line, "RSS ");
	strbuf_add_human_bytes(&line, n->rss_bytes);
	strbuf_addf(&line, " · held since attach %s", n->held.estimated ? "~" : "");
	strbuf_add_human_bytes(&line, n->held.bytes);
	strbuf_addstr(&line, " in ");
	strbuf_add_grouped(&line, n->held.count);
	strbuf_addf(&line, " blocks · %.1f k malloc/s · %.1f k free/s · cost %.1f %%",
		    n->allocs_per_second / 1e3, n->frees_per_second / 1e3, n->overhead_percent);
	put(1, A_NORMAL, line.buf);
	strbuf_reset(&line);
	if (view->judged) {
		strbuf_addf(&line, "%s  ", attach_state_name(n, view->state));
		units_add_rate(&line, view->growth_bytes_per_second);
		strbuf_addf(&line, "  confidence %.2f  RSS ", view->confidence);
		units_add_rate(&line, view->rss_growth_bytes_per_second);
	}
	put(2, A_BOLD, line.buf);
	strbuf_reset(&line);
	strbuf_addf(&line, "events %lu · lost %lu · %d process%s", (unsigned long)n->events,
		    (unsigned long)n->lost_events, n->running, n->running == 1 ? "" : "es");
	if (n->has_gc)
		attach_add_gc(&line, " · ", n);
	put(3, n->lost_events ? A_REVERSE : A_NORMAL, line.buf);
	put(4, A_UNDERLINE,
	    "     HELD     BLOCKS           GROWTH  STATE      HOW     SITE                         ");
}

void attach_add_gc(struct strbuf *line, const char *before, const struct session_view *n)
{
	strbuf_addf(line, "%sgc %lu", before, (unsigned long)n->gc_collections);
	if (n->gc_collected)
		strbuf_addf(line, " (%lu objects)", (unsigned long)n->gc_collected);
	if (n->gc_pause_ms > 0 && n->gc_timed_s > 0)
		strbuf_addf(line, " %.1f %% of the time", n->gc_pause_ms / n->gc_timed_s / 10);
}

const char *attach_site_name(const struct report *report, const struct report_site *site)
{
	const struct report_frame *frame;

	if (!site->stack.depth)
		return "(no stack)";
	frame = &report->frames[site->stack.frames[report_first_own_frame(report, site->stack)]];
	return frame->function[0] ? frame->function : report_basename(frame->module);
}

const char *attach_state_name(const struct session_view *numbers, enum verdict_state state)
{
	return verdict_state_name(
		verdict_state_so_far(state, (double)numbers->elapsed_ns / NS_PER_S));
}

static void draw_site(const struct attach_view *view, int row, size_t index)
{
	const struct report_site *site = view->order[index];
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT, held = STRBUF_INIT,
					     growth = STRBUF_INIT;

	strbuf_addstr(&held, site->estimated ? "~" : "");
	strbuf_add_human_bytes(&held, site->outstanding_bytes);
	if (site->growth_bytes_per_second != 0)
		units_add_rate(&growth, site->growth_bytes_per_second);
	strbuf_addf(&line, "%9s %10lu %16s  %-10s %-7s ", held.buf,
		    (unsigned long)site->outstanding_count, growth.buf,
		    attach_state_name(&view->numbers, site->state), site->allocator);
	add_name(&line, attach_site_name(view->report, site));
	put(row, index == view->selected ? A_REVERSE : A_NORMAL, line.buf);
}

static void draw_frame(const struct report_frame *frame, int row)
{
	_cleanup_(strbuf_done) struct strbuf line = STRBUF_INIT;

	strbuf_addstr(&line, "  ");
	add_name(&line, frame->function[0] ? frame->function : "?");
	strbuf_addstr(&line, "  ");
	if (frame->line) {
		add_name(&line, frame->file);
		strbuf_addf(&line, ":%u", frame->line);
	} else {
		add_name(&line, report_basename(frame->module));
		strbuf_addf(&line, "+%#lx", (unsigned long)frame->address);
	}
	put(row, A_DIM, line.buf);
}

/* The selected site's stack, in the lower half. Returns the row where it begins. */
static int draw_stack(const struct attach_view *view, int last_row)
{
	const struct report_site *site = view->order[view->selected];
	int rows = last_row / 2, first = last_row - rows;

	if ((int)site->stack.depth < rows - 1)
		first = last_row - (int)site->stack.depth - 1;
	put(first, A_UNDERLINE, "  stack, innermost first (Enter closes)");
	for (int row = first + 1, i = 0; row < last_row && i < (int)site->stack.depth; row++, i++)
		draw_frame(&view->report->frames[site->stack.frames[i]], row);
	return first;
}

static void draw_sites(struct attach_view *view)
{
	int last_row = getmaxy(stdscr) - 1, end = last_row;
	size_t rows;

	if (view->stack_shown && view->count)
		end = draw_stack(view, last_row);
	rows = end > HEADER_LINES ? end - HEADER_LINES : 0;
	if (view->selected < view->top)
		view->top = view->selected;
	if (rows && view->selected >= view->top + rows)
		view->top = view->selected - rows + 1;
	for (size_t i = 0; i < rows; i++) {
		if (view->top + i < view->count)
			draw_site(view, HEADER_LINES + (int)i, view->top + i);
		else
			put(HEADER_LINES + (int)i, A_NORMAL, "");
	}
}

static void draw(struct attach_view *view)
{
	char footer[160];

	erase();
	draw_header(view);
	draw_sites(view);
	snprintf(footer, sizeof(footer),
		 "q quit   s sort: %s   arrows, PgUp, PgDn select   Enter stack   p pause",
		 order_names[view->by]);
	put(getmaxy(stdscr) - 1, A_REVERSE, footer);
	refresh();
}

static void take_numbers(struct attach_view *view, const struct session_view *numbers)
{
	const struct verdict *verdict = numbers->verdict;

	view->numbers = *numbers;
	view->numbers.verdict = NULL; /* borrowed for the call */
	view->judged = verdict != NULL;
	if (!verdict)
		return;
	view->state = verdict->state;
	view->confidence = verdict->confidence;
	view->growth_bytes_per_second = verdict->growth_bytes_per_second;
	view->rss_growth_bytes_per_second = verdict->rss_growth_bytes_per_second;
}

void attach_view_update(struct attach_view *view, const struct session_view *numbers,
			struct report *report)
{
	take_numbers(view, numbers);
	if (report && view->paused)
		report_free(report);
	else if (report)
		take_report(view, report);
	draw(view);
}

static void select_by(struct attach_view *view, long step)
{
	long wanted = (long)view->selected + step, last = (long)view->count - 1;

	if (wanted > last)
		wanted = last;
	view->selected = wanted < 0 ? 0 : wanted;
}

bool attach_view_keys(struct attach_view *view)
{
	int key, page = getmaxy(stdscr) / 2;

	while ((key = getch()) != ERR) {
		if (key == 'q' || key == 'Q')
			return true;
		if (key == 's') {
			view->by = (view->by + 1) % ORDER_COUNT;
			sort_sites(view);
		} else if (key == 'p') {
			view->paused = !view->paused;
		} else if (key == '\n' || key == KEY_ENTER) {
			view->stack_shown = !view->stack_shown;
		} else if (key == KEY_DOWN || key == 'j') {
			select_by(view, 1);
		} else if (key == KEY_UP || key == 'k') {
			select_by(view, -1);
		} else if (key == KEY_NPAGE) {
			select_by(view, page);
		} else if (key == KEY_PPAGE) {
			select_by(view, -page);
		}
	}
	if (view->report)
		draw(view);
	return false;
}
