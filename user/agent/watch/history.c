/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/history.h"

#include <errno.h>
#include <stdbool.h>

#define NS_PER_MS    1000000ULL
#define POINTS_LEAST 8

static uint32_t kib_of(uint64_t bytes)
{
	uint64_t kib = bytes >> 10;

	return kib < UINT32_MAX ? (uint32_t)kib : UINT32_MAX;
}

static uint32_t ms_of(const struct history *history, uint64_t time_ns)
{
	uint64_t ms = (time_ns - history->first_ns) / NS_PER_MS;

	return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static void add_step(struct history *history, const struct history_point *point)
{
	struct history_point *last = &history->steps[(history->step_count - 1) % HISTORY_STEPS];
	const uint32_t step_ms = (uint32_t)(HISTORY_STEP_NS / NS_PER_MS);

	if (!history->step_count || point->time_ms / step_ms != last->time_ms / step_ms) {
		history->steps[history->step_count++ % HISTORY_STEPS] = *point;
		return;
	}
	if (point->low < last->low)
		last->low = point->low;
	if (point->high > last->high)
		last->high = point->high;
}

void history_add(struct history *history, uint64_t time_ns, uint64_t bytes)
{
	struct history_point point = {.low = kib_of(bytes), .high = kib_of(bytes)};

	if (!history->first_ns)
		history->first_ns = time_ns;
	if (time_ns < history->first_ns)
		return;
	point.time_ms = ms_of(history, time_ns);
	if (history->recent_count &&
	    point.time_ms < history->recent[(history->recent_count - 1) % HISTORY_RECENT].time_ms)
		return;
	history->last_bytes = bytes;
	history->recent[history->recent_count++ % HISTORY_RECENT] = point;
	add_step(history, &point);
}

/* Those of a ring that are not older than @from_ms, oldest first. */
struct span {
	const struct history_point *ring;
	size_t size;
	uint64_t next, end;
};

static const struct history_point *span_at(const struct span *span, uint64_t index)
{
	return &span->ring[(span->next + index) % span->size];
}

static struct span ring_span(const struct history_point *ring, size_t size, uint64_t count,
			     uint32_t from_ms)
{
	struct span span = {ring, size, count > size ? count - size : 0, count};

	while (span.next < span.end && ring[span.next % size].time_ms < from_ms)
		span.next++;
	return span;
}

/* The fine points where they reach as far back as the steps do. */
static struct span choose(const struct history *history, uint64_t now_ns, uint64_t window_ns)
{
	uint64_t from_ns = now_ns > window_ns ? now_ns - window_ns : 0;
	uint32_t from_ms = from_ns > history->first_ns ? ms_of(history, from_ns) : 0;
	struct span recent =
		ring_span(history->recent, HISTORY_RECENT, history->recent_count, from_ms);
	bool whole = history->recent_count <= HISTORY_RECENT ||
		     history->recent[history->recent_count % HISTORY_RECENT].time_ms <= from_ms;

	struct span steps = ring_span(history->steps, HISTORY_STEPS, history->step_count, from_ms);

	return whole || steps.end - steps.next < POINTS_LEAST ? recent : steps;
}

/* Piece @index of @pieces: the extremes of what is in it, at its first point's time. */
static struct history_point piece(const struct span *span, size_t index, size_t pieces)
{
	uint64_t count = span->end - span->next;
	uint64_t from = count * index / pieces, until = count * (index + 1) / pieces;
	struct history_point sum = *span_at(span, from);

	for (uint64_t i = from + 1; i < until; i++) {
		const struct history_point *point = span_at(span, i);

		if (point->low < sum.low) {
			sum.low = point->low;
			sum.time_ms = point->time_ms;
		}
		if (point->high > sum.high)
			sum.high = point->high;
	}
	return sum;
}

static size_t pieces_of(const struct span *span, size_t most)
{
	uint64_t count = span->end - span->next;

	return count < most ? (size_t)count : most;
}

int history_fit(const struct history *history, uint64_t now_ns, uint64_t window_ns,
		struct trend *ret)
{
	struct span span = choose(history, now_ns, window_ns);
	size_t count = pieces_of(&span, HISTORY_FIT_MAX);
	uint64_t times_ns[HISTORY_FIT_MAX];
	double bytes[HISTORY_FIT_MAX];
	bool flat = true;

	if (count < POINTS_LEAST)
		return -ENODATA;
	for (size_t i = 0; i < count; i++) {
		struct history_point point = piece(&span, i, count);

		times_ns[i] = point.time_ms * NS_PER_MS;
		bytes[i] = (double)point.low * 1024;
		flat &= bytes[i] == bytes[0];
	}
	if (times_ns[count - 1] - times_ns[0] < window_ns / 2)
		return -ENODATA;
	/* Most processes, most of the time. */
	if (flat) {
		*ret = (struct trend){0};
		return 0;
	}
	return trend_fit(times_ns, bytes, count, ret);
}

size_t history_line(const struct history *history, uint64_t now_ns, uint64_t window_ns,
		    uint64_t *ret_bytes, size_t most)
{
	struct span span = choose(history, now_ns, window_ns);
	size_t count = pieces_of(&span, most);

	for (size_t i = 0; i < count; i++)
		ret_bytes[i] = (uint64_t)piece(&span, i, count).high << 10;
	return count;
}
