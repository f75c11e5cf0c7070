/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/store/points.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define VERSION 1

enum kind { GAUGE, COUNTER };

static const struct column {
	size_t offset; /* in struct store_values */
	enum kind kind;
} columns[] = {
#define COLUMN_OF(field, kind) {offsetof(struct store_values, field), kind},
	STORE_SAMPLE_COLUMNS(COLUMN_OF)};

#define COLUMN_COUNT (sizeof(columns) / sizeof(*columns))

static uint64_t *value_at(struct store_values *values, size_t column)
{
	return (uint64_t *)((char *)values + columns[column].offset);
}

static uint64_t value_of(const struct store_values *values, size_t column)
{
	return *(const uint64_t *)((const char *)values + columns[column].offset);
}

struct store_point points_of_sample(const struct store_sample *sample)
{
	return (struct store_point){.time_ns = sample->time_ns,
				    .values = sample->values,
				    .rss_min_bytes = sample->values.rss_bytes};
}

/* @from is the later one. */
static void merge(struct store_point *into, const struct store_point *from)
{
	uint64_t into_end = into->time_ns + into->width_ns, end = from->time_ns + from->width_ns;

	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		uint64_t *value = value_at(&into->values, i), other = value_of(&from->values, i);

		if (other == STORE_UNKNOWN)
			continue;
		if (*value == STORE_UNKNOWN || columns[i].kind == COUNTER || other > *value)
			*value = other;
	}
	/* the unknown is the largest */
	if (from->rss_min_bytes < into->rss_min_bytes)
		into->rss_min_bytes = from->rss_min_bytes;
	into->width_ns = (end > into_end ? end : into_end) - into->time_ns;
}

static bool in_order(const struct point_vec *points)
{
	for (size_t i = 1; i < points->count; i++)
		if (points->items[i].time_ns < points->items[i - 1].time_ns)
			return false;
	return true;
}

/* Merges the neighbouring runs [low, middle) and [middle, high). */
static void merge_runs(const struct store_point *from, struct store_point *to,
		       const size_t bound[3])
{
	size_t left = bound[0], right = bound[1];

	for (size_t i = bound[0]; i < bound[2]; i++) {
		bool take_left = left < bound[1] &&
				 (right >= bound[2] || from[left].time_ns <= from[right].time_ns);

		to[i] = take_left ? from[left++] : from[right++];
	}
}

/* A merge sort, because qsort(3) promises no order of equal ones. */
static int sort(struct point_vec *points)
{
	_cleanup_free_ struct store_point *spare = NULL;
	size_t count = points->count;

	if (in_order(points))
		return 0;
	spare = malloc(points->capacity * sizeof(*spare));
	if (!spare)
		return -ENOMEM;
	for (size_t run = 1; run < count; run *= 2) {
		struct store_point *swapped = points->items;

		for (size_t low = 0; low < count; low += 2 * run) {
			size_t middle = low + run < count ? low + run : count;
			size_t high = middle + run < count ? middle + run : count;

			merge_runs(points->items, spare, (size_t[]){low, middle, high});
		}
		points->items = spare;
		spare = swapped;
	}
	return 0;
}

int points_arrange(struct point_vec *points)
{
	size_t kept = 0;
	int err = sort(points);

	if (err)
		return err;
	for (size_t i = 0; i < points->count; i++) {
		if (kept && points->items[kept - 1].time_ns == points->items[i].time_ns)
			merge(&points->items[kept - 1], &points->items[i]);
		else
			points->items[kept++] = points->items[i];
	}
	points->count = kept;
	return 0;
}

void points_roll_up(struct point_vec *points, uint64_t width_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < points->count; i++) {
		struct store_point point = points->items[i];
		uint64_t window = point.time_ns - point.time_ns % width_ns;

		if (kept && points->items[kept - 1].time_ns == window) {
			merge(&points->items[kept - 1], &point);
		} else {
			point.time_ns = window;
			points->items[kept++] = point;
		}
		points->items[kept - 1].width_ns = width_ns;
	}
	points->count = kept;
}

void points_thin(struct point_vec *points, size_t max)
{
	uint64_t first, last_slot = UINT64_MAX;
	unsigned __int128 span;
	size_t kept = 0;

	if (points->count <= max)
		return;
	first = points->items[0].time_ns;
	span = (unsigned __int128)points->items[points->count - 1].time_ns - first + 1;
	for (size_t i = 0; i < points->count; i++) {
		uint64_t slot = (uint64_t)((unsigned __int128)(points->items[i].time_ns - first) *
					   max / span);

		if (slot == last_slot)
			merge(&points->items[kept - 1], &points->items[i]);
		else
			points->items[kept++] = points->items[i];
		last_slot = slot;
	}
	points->count = kept;
}

static uint64_t zigzag(uint64_t difference)
{
	return difference << 1 ^ (uint64_t) - (difference >> 63);
}

static uint64_t unzigzag(uint64_t number)
{
	return number >> 1 ^ (uint64_t) - (number & 1);
}

static void add_column(struct strbuf *out, const uint64_t *values, size_t count)
{
	uint64_t any = 0, before = 0;
	unsigned int shift;

	for (size_t i = 0; i < count; i++)
		any |= values[i] == STORE_UNKNOWN ? 0 : values[i];
	shift = any ? (unsigned int)__builtin_ctzll(any) : 0;
	strbuf_addch(out, (char)shift);
	for (size_t i = 0; i < count; i++) {
		uint64_t number = values[i] == STORE_UNKNOWN ? 0 : (values[i] >> shift) + 1;

		strbuf_add_uleb(out, zigzag(number - before));
		before = number;
	}
}

/* Into each @stride bytes from @first on. */
static void read_column(struct cursor *c, uint64_t *first, size_t stride, size_t count)
{
	unsigned int shift = cursor_u8(c);
	uint64_t number = 0;

	if (shift > 63)
		cursor_fail(c);
	for (size_t i = 0; i < count && !c->bad; i++) {
		number += unzigzag(cursor_uleb(c));
		if (number && number - 1 > UINT64_MAX >> shift)
			cursor_fail(c);
		else
			*(uint64_t *)((char *)first + i * stride) = number ? (number - 1) << shift
									   : STORE_UNKNOWN;
	}
}

static void add_times(struct strbuf *out, const struct store_point *points, size_t count)
{
	uint64_t before = 0, step = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t now_step = points[i].time_ns - before;

		strbuf_add_uleb(out, zigzag(now_step - step));
		before = points[i].time_ns;
		/* the first is no step */
		step = i ? now_step : 0;
	}
}

static void read_times(struct cursor *c, struct store_point *points, size_t count)
{
	uint64_t before = 0, step = 0;

	for (size_t i = 0; i < count && !c->bad; i++) {
		uint64_t now_step = step + unzigzag(cursor_uleb(c));

		points[i].time_ns = before + now_step;
		if (points[i].time_ns > INT64_MAX || (i && points[i].time_ns <= before))
			cursor_fail(c);
		before = points[i].time_ns;
		step = i ? now_step : 0;
	}
}

int points_encode(const struct store_point *points, size_t count, struct strbuf *out)
{
	uint64_t values[POINTS_MAX_IN_BLOB];

	assert(count && count <= POINTS_MAX_IN_BLOB);
	strbuf_addch(out, VERSION);
	strbuf_add_uleb(out, count);
	strbuf_add_uleb(out, points[0].width_ns);
	strbuf_add_uleb(out, COLUMN_COUNT);
	add_times(out, points, count);
	for (size_t column = 0; column < COLUMN_COUNT; column++) {
		for (size_t i = 0; i < count; i++)
			values[i] = value_of(&points[i].values, column);
		add_column(out, values, count);
	}
	if (points[0].width_ns) {
		for (size_t i = 0; i < count; i++)
			values[i] = points[i].values.rss_bytes - points[i].rss_min_bytes;
		add_column(out, values, count);
	}
	return out->failed ? -ENOMEM : 0;
}

/* What was the largest RSS becomes the difference to the least again. */
static void read_least(struct cursor *c, struct store_point *points, size_t count,
		       uint64_t width_ns)
{
	if (width_ns)
		read_column(c, &points[0].rss_min_bytes, sizeof(*points), count);
	for (size_t i = 0; i < count && !c->bad; i++) {
		uint64_t rss = points[i].values.rss_bytes;

		points[i].rss_min_bytes = width_ns ? rss - points[i].rss_min_bytes : rss;
		if (points[i].rss_min_bytes > rss)
			cursor_fail(c);
	}
}

int points_decode(const struct strbuf *bytes, struct point_vec *points)
{
	struct cursor c = cursor_of(bytes->buf, bytes->len);
	uint8_t version = cursor_u8(&c);
	uint64_t count = cursor_uleb(&c), width_ns = cursor_uleb(&c),
		 column_count = cursor_uleb(&c);
	struct store_point *new;

	if (c.bad || version != VERSION || !count || count > POINTS_MAX_IN_BLOB ||
	    width_ns > INT64_MAX || !column_count || column_count > COLUMN_COUNT)
		return -EBADMSG;
	if (vec_reserve(points, count))
		return -ENOMEM;
	new = points->items + points->count;
	for (size_t i = 0; i < count; i++)
		new[i] = (struct store_point){.width_ns = width_ns, .values = STORE_VALUES_UNKNOWN};
	read_times(&c, new, count);
	for (size_t column = 0; column < column_count; column++)
		read_column(&c, value_at(&new->values, column), sizeof(*new), count);
	read_least(&c, new, count, width_ns);
	if (c.bad || cursor_left(&c))
		return -EBADMSG;
	points->count += count;
	return 0;
}

int points_encode_values(const struct store_values *values, struct strbuf *out)
{
	strbuf_add_uleb(out, COLUMN_COUNT);
	/* the unknown wraps to 0 */
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		strbuf_add_uleb(out, value_of(values, i) + 1);
	return out->failed ? -ENOMEM : 0;
}

int points_decode_values(struct cursor *cursor, struct store_values *ret_values)
{
	struct store_values values = STORE_VALUES_UNKNOWN;
	uint64_t count = cursor_uleb(cursor);

	if (count > COLUMN_COUNT)
		cursor_fail(cursor);
	for (size_t i = 0; i < count && !cursor->bad; i++)
		*value_at(&values, i) = cursor_uleb(cursor) - 1;
	if (cursor->bad)
		return -EBADMSG;
	*ret_values = values;
	return 0;
}
