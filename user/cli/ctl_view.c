// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ctl_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "base/vec.h"

#define MB           1048576.0
#define CELL_MOST    48   /* characters of a column that is not the last */
#define LAST_MOST    1000 /* of the last, and of a value in a list */
#define COLUMNS_MOST 12
#define NUMBER_MOST  1e18 /* more is nonsense, and would not fit */

/* Through objects; NULL if there is none. Borrowed. */
static const json_t *member_of(const json_t *object, const char *path)
{
	const json_t *at = object;

	while (at) {
		size_t length = strcspn(path, ".");

		at = json_object_getn(at, path, length);
		if (!path[length])
			break;
		path += length + 1;
	}
	return at;
}

double ctl_number(const json_t *object, const char *path)
{
	const json_t *value = member_of(object, path);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *ctl_text(const json_t *object, const char *path)
{
	const char *text = json_string_value(member_of(object, path));

	return text ? text : "";
}

double ctl_time(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	return end && (*end == 'Z' || *end == '.') ? (double)timegm(&tm) : NAN;
}

static bool fits(double number)
{
	return fabs(number) < NUMBER_MOST; /* false for NAN */
}

static void add_unsigned(struct strbuf *out, double number,
			 int (*add)(struct strbuf *out, uint64_t number))
{
	if (number >= 0 && fits(number))
		add(out, (uint64_t)number);
	else
		strbuf_addch(out, '-');
}

static int add_plain(struct strbuf *out, uint64_t number)
{
	return strbuf_addf(out, "%llu", (unsigned long long)number);
}

static void add_rate(struct strbuf *out, double bytes_per_second)
{
	if (fits(bytes_per_second))
		units_add_rate(out, bytes_per_second);
	else
		strbuf_addch(out, '-');
}

static void add_amount(struct strbuf *out, const json_t *object, double value)
{
	if (!strcmp(ctl_text(object, "unit"), "MB/min"))
		add_rate(out, value * MB / 60);
	else
		add_unsigned(out, value * MB, strbuf_add_human_bytes);
}

static void add_safe(struct strbuf *out, const char *text)
{
	if (*text)
		strbuf_add_printable(out, text, strlen(text));
	else
		strbuf_addch(out, '-');
}

/* Libraries without debug information come before the program's own frames. */
static void add_place(struct strbuf *out, const json_t *frames)
{
	const json_t *frame = json_array_get(frames, 0);
	const char *file, *slash;
	double line;

	for (size_t i = 0; i < json_array_size(frames); i++) {
		if (!*ctl_text(json_array_get(frames, i), "file"))
			continue;
		frame = json_array_get(frames, i);
		break;
	}
	add_safe(out, ctl_text(frame, "function"));
	file = ctl_text(frame, "file");
	line = ctl_number(frame, "line");
	if (!*file)
		return;
	slash = strrchr(file, '/');
	strbuf_addstr(out, " (");
	add_safe(out, slash ? slash + 1 : file);
	if (line > 0 && fits(line))
		strbuf_addf(out, ":%.0f", line);
	strbuf_addch(out, ')');
}

static void add_seconds(struct strbuf *out, double seconds)
{
	if (fits(seconds))
		units_add_about(out, seconds > 0 ? seconds : 0);
	else
		strbuf_addch(out, '-');
}

static double time_of(const json_t *value)
{
	const char *text = json_string_value(value);

	if (text)
		return ctl_time(text);
	return json_is_number(value) ? json_number_value(value) : NAN;
}

void ctl_add_value(struct strbuf *out, const struct ctl_view *view, const json_t *object,
		   const struct ctl_field *field)
{
	double number = ctl_number(object, field->path);
	const json_t *value = member_of(object, field->path);

	switch (field->kind) {
	case CTL_TEXT:
	case CTL_STATE:
		add_safe(out, ctl_text(object, field->path));
		break;
	case CTL_ID:
		add_unsigned(out, number, add_plain);
		break;
	case CTL_COUNT:
		add_unsigned(out, number, strbuf_add_grouped);
		break;
	case CTL_LIMIT:
		if (number == 0) {
			strbuf_addstr(out, "none");
			break;
		}
		/* fallthrough */
	case CTL_BYTES:
		add_unsigned(out, number, strbuf_add_human_bytes);
		break;
	case CTL_RATE:
		add_rate(out, number);
		break;
	case CTL_PERCENT:
		if (fits(number))
			strbuf_addf(out, "%.3g %%", number);
		else
			strbuf_addch(out, '-');
		break;
	case CTL_SECONDS:
		add_seconds(out, number);
		break;
	case CTL_AGE:
		add_seconds(out, view->now_s - time_of(value));
		break;
	case CTL_AMOUNT:
		add_amount(out, object, number);
		break;
	case CTL_PLACE:
		add_place(out, value);
		break;
	case CTL_YES:
		strbuf_addstr(out, json_is_true(value) ? "yes" : "no");
		break;
	}
}

/* "\033[31m" for what is bad, or "". */
static const char *color_of(const struct ctl_view *view, const struct ctl_field *field,
			    const char *text)
{
	static const char *const bad[] = {"critical", "leaking", "lost"};
	static const char *const doubtful[] = {"warning", "growing", "interrupted"};

	if (!view->color || field->kind != CTL_STATE)
		return "";
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (!strcmp(text, bad[i]))
			return "\033[31m";
	}
	for (size_t i = 0; i < sizeof(doubtful) / sizeof(*doubtful); i++) {
		if (!strcmp(text, doubtful[i]))
			return "\033[33m";
	}
	return "";
}

static bool is_left(enum ctl_kind kind)
{
	return kind == CTL_TEXT || kind == CTL_STATE || kind == CTL_PLACE || kind == CTL_YES;
}

static bool starts_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += starts_character(*text);
	return count;
}

/* At a character's boundary, with two points where something is missing. */
static void cut(struct strbuf *text, size_t most)
{
	size_t at = 0, count = 0;

	if (characters(text->buf) <= most)
		return;
	while (count < most - 1) {
		count += starts_character(text->buf[at]);
		if (count < most - 1)
			at++;
	}
	strbuf_truncate(text, at);
	strbuf_addstr(text, "..");
}

static void add_cell(struct strbuf *out, const struct ctl_field *field, size_t width,
		     const char *text, const char *color)
{
	size_t length = characters(text), blank = width > length ? width - length : 0;
	bool last = !field[1].title;

	if (!is_left(field->kind))
		strbuf_add_repeat(out, ' ', blank);
	strbuf_addstr(out, color);
	strbuf_addstr(out, text);
	strbuf_addstr(out, *color ? "\033[0m" : "");
	if (is_left(field->kind) && !last)
		strbuf_add_repeat(out, ' ', blank);
	strbuf_addstr(out, last ? "\n" : "  ");
}

static void compose(struct strbuf *cell, const struct ctl_view *view, const json_t *object,
		    const struct ctl_field *field)
{
	strbuf_reset(cell);
	ctl_add_value(cell, view, object, field);
	cut(cell, field[1].title ? CELL_MOST : LAST_MOST);
}

void ctl_add_table(struct strbuf *out, const struct ctl_view *view, const json_t *array,
		   const struct ctl_field *fields)
{
	_cleanup_(strbuf_done) struct strbuf cell = STRBUF_INIT;
	size_t widths[COLUMNS_MOST] = {0};

	for (size_t c = 0; c < COLUMNS_MOST && fields[c].title; c++) {
		widths[c] = strlen(fields[c].title);
		for (size_t i = 0; i < json_array_size(array); i++) {
			size_t length;

			compose(&cell, view, json_array_get(array, i), &fields[c]);
			length = characters(cell.buf);
			widths[c] = length > widths[c] ? length : widths[c];
		}
	}
	for (size_t c = 0; c < COLUMNS_MOST && fields[c].title; c++)
		add_cell(out, &fields[c], widths[c], fields[c].title, "");
	for (size_t i = 0; i < json_array_size(array); i++) {
		for (size_t c = 0; c < COLUMNS_MOST && fields[c].title; c++) {
			compose(&cell, view, json_array_get(array, i), &fields[c]);
			add_cell(out, &fields[c], widths[c], cell.buf,
				 color_of(view, &fields[c], cell.buf));
		}
	}
}

void ctl_add_list(struct strbuf *out, const struct ctl_view *view, const json_t *object,
		  const struct ctl_field *fields)
{
	_cleanup_(strbuf_done) struct strbuf value = STRBUF_INIT;
	size_t width = 0;

	for (size_t i = 0; fields[i].title; i++) {
		if (strlen(fields[i].title) > width)
			width = strlen(fields[i].title);
	}
	for (size_t i = 0; fields[i].title; i++) {
		const char *color;

		strbuf_reset(&value);
		ctl_add_value(&value, view, object, &fields[i]);
		cut(&value, LAST_MOST);
		if (!strcmp(value.buf, "-"))
			continue;
		color = color_of(view, &fields[i], value.buf);
		strbuf_addf(out, "%-*s  %s%s%s\n", (int)width, fields[i].title, color, value.buf,
			    *color ? "\033[0m" : "");
	}
}

struct ranked {
	double number;
	size_t place;
};

VEC_STRUCT(ranked_vec, struct ranked);

static int compare(const void *a, const void *b)
{
	const struct ranked *left = a, *right = b;

	if (left->number != right->number)
		return left->number > right->number ? -1 : 1;
	return left->place < right->place ? -1 : left->place > right->place;
}

json_t *ctl_largest_first(const json_t *array, const char *path)
{
	struct ranked_vec ranks = VEC_INIT;
	json_t *sorted = json_array();

	for (size_t i = 0; sorted && i < json_array_size(array); i++) {
		double number = ctl_number(json_array_get(array, i), path);

		if (vec_push(&ranks, (struct ranked){isnan(number) ? -INFINITY : number, i}))
			break;
	}
	if (ranks.count)
		qsort(ranks.items, ranks.count, sizeof(*ranks.items), compare);
	for (size_t i = 0; i < ranks.count; i++)
		json_array_append(sorted, json_array_get(array, ranks.items[i].place));
	vec_done(&ranks);
	return sorted;
}
