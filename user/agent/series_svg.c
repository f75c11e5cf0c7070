/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>
#include <string.h>

#include "agent/series_svg.h"
#include "base/clock.h"

#define WIDTH  900
#define HEIGHT 360
#define LEFT   90
#define RIGHT  20
#define TOP    56
#define BOTTOM 48
#define LINES  4 /* of the grid */

static const struct {
	const char *name, *color;
	size_t offset;
} lines[] = {
	{"RSS", "#1f6feb", offsetof(struct store_point, values.rss_bytes)},
	{"USS", "#2da44e", offsetof(struct store_point, values.uss_bytes)},
	{"traced heap", "#bf3989", offsetof(struct store_point, values.heap_live_bytes)},
};

struct frame {
	const struct store_series *series;
	uint64_t from_ns, to_ns, most_bytes;
};

static uint64_t value_at(const struct store_series *series, size_t point, size_t line)
{
	return *(const uint64_t *)((const char *)&series->items[point] + lines[line].offset);
}

/* XML text: what a session's name may hold. */
static void add_text(struct strbuf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			strbuf_addstr(out, "&lt;");
		else if (*text == '&')
			strbuf_addstr(out, "&amp;");
		else if ((unsigned char)*text >= 0x20)
			strbuf_addch(out, *text);
	}
}

static double x_of(const struct frame *frame, uint64_t time_ns)
{
	double span = (double)(frame->to_ns - frame->from_ns);

	return LEFT +
	       (span > 0 ? (double)(time_ns - frame->from_ns) / span : 0) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct frame *frame, uint64_t bytes)
{
	return HEIGHT - BOTTOM -
	       (double)bytes / (double)frame->most_bytes * (HEIGHT - TOP - BOTTOM);
}

/* The next round number of MiB above, so that the grid's lines are whole. */
static uint64_t round_up(uint64_t bytes)
{
	uint64_t step = (uint64_t)1 << 20;

	while (step * LINES < bytes)
		step *= 2;
	return step * LINES;
}

static void measure(const struct store_series *series, struct frame *ret)
{
	uint64_t most = 0;

	for (size_t i = 0; i < series->count; i++)
		for (size_t j = 0; j < sizeof(lines) / sizeof(*lines); j++)
			if (value_at(series, i, j) != STORE_UNKNOWN &&
			    value_at(series, i, j) > most)
				most = value_at(series, i, j);
	*ret = (struct frame){.series = series, .most_bytes = round_up(most)};
	if (series->count) {
		ret->from_ns = series->items[0].time_ns;
		ret->to_ns = series->items[series->count - 1].time_ns;
	}
}

static void add_grid(const struct frame *frame, struct strbuf *out)
{
	for (int i = 0; i <= LINES; i++) {
		uint64_t bytes = frame->most_bytes / LINES * (uint64_t)i;
		double y = y_of(frame, bytes);

		strbuf_addf(out,
			    "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#d0d7de\"/>"
			    "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
			    LEFT, WIDTH - RIGHT, y, y, LEFT - 8, y + 4);
		strbuf_add_human_bytes(out, bytes);
		strbuf_addstr(out, "</text>\n");
	}
}

static void add_time(const struct frame *frame, uint64_t time_ns, const char *anchor,
		     struct strbuf *out)
{
	strbuf_addf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">", x_of(frame, time_ns),
		    HEIGHT - BOTTOM + 20, anchor);
	clock_add_rfc3339(out, time_ns);
	strbuf_addstr(out, "</text>\n");
}

static void add_line(const struct frame *frame, size_t line, struct strbuf *out)
{
	bool any = false;

	for (size_t i = 0; i < frame->series->count; i++) {
		uint64_t bytes = value_at(frame->series, i, line);

		if (bytes == STORE_UNKNOWN)
			continue;
		if (!any)
			strbuf_addf(
				out,
				"<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"",
				lines[line].color);
		any = true;
		strbuf_addf(out, "%.1f,%.1f ", x_of(frame, frame->series->items[i].time_ns),
			    y_of(frame, bytes));
	}
	if (!any)
		return;
	strbuf_addf(out, "\"/>\n<text x=\"%zu\" y=\"44\" fill=\"%s\">%s</text>\n",
		    LEFT + 100 * line, lines[line].color, lines[line].name);
}

static void add_description(const struct frame *frame, struct strbuf *out)
{
	const struct store_series *series = frame->series;

	strbuf_addf(out, "<desc>%zu readings", series->count);
	if (series->count) {
		strbuf_addstr(out, "; RSS from ");
		strbuf_add_human_bytes(out, series->items[0].values.rss_bytes);
		strbuf_addstr(out, " to ");
		strbuf_add_human_bytes(out, series->items[series->count - 1].values.rss_bytes);
	}
	strbuf_addstr(out, "</desc>\n");
}

void series_add_svg(const struct store_series *series, const char *title, struct strbuf *out)
{
	struct frame frame;

	measure(series, &frame);
	strbuf_addf(out,
		    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
		    "font-family=\"sans-serif\" font-size=\"12\" fill=\"#1f2328\">\n"
		    "<title>Memory: ",
		    WIDTH, HEIGHT);
	add_text(out, title);
	strbuf_addstr(out, "</title>\n");
	add_description(&frame, out);
	strbuf_addf(out, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", WIDTH, HEIGHT);
	strbuf_addf(out, "<text x=\"%d\" y=\"24\" font-size=\"16\">", LEFT);
	add_text(out, title);
	strbuf_addstr(out, "</text>\n");
	add_grid(&frame, out);
	if (series->count) {
		add_time(&frame, frame.from_ns, "start", out);
		add_time(&frame, frame.to_ns, "end", out);
	}
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		add_line(&frame, i, out);
	strbuf_addstr(out, "</svg>\n");
}
