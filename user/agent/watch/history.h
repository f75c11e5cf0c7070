/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last hour of one figure of one process in 3 KiB: what trends, sparklines and the question "does it grow?" need. Days are in the store.
 *
 * Points are kept as they come for HISTORY_RECENT readings, and as lowest and highest of each HISTORY_STEP_NS for HISTORY_STEPS of them.
 * Times are CLOCK_MONOTONIC. Caller's storage, zeroed at first; one owner.
 */
#ifndef HOLDFAST_WATCH_HISTORY_H
#define HOLDFAST_WATCH_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "account/gauge/trend.h"

#define HISTORY_RECENT  64
#define HISTORY_STEPS   180
#define HISTORY_STEP_NS 20000000000ULL /* one hour in all */
#define HISTORY_FIT_MAX 64             /* points of a fit: 2,016 slopes */

struct history_point {
	uint32_t time_ms;   /* since first_ns: 49 days; later ones stay there */
	uint32_t low, high; /* KiB; UINT32_MAX: 4 TiB and more */
};

struct history {
	uint64_t first_ns; /* 0: nothing was added yet */
	uint64_t last_bytes;
	struct history_point recent[HISTORY_RECENT], steps[HISTORY_STEPS];
	uint64_t recent_count, step_count; /* ever; the newest step is under way */
};

/* @time_ns (not 0) never lower than the last: else nothing is done. */
void history_add(struct history *history, uint64_t time_ns, uint64_t bytes);
/*
 * Theil-Sen over what lies between @now_ns - @window_ns and now, in bytes per second: of the lowest of each piece, for what a sawtooth falls
 * back to is what grows. 0; -ENODATA: fewer than 8 points, or they span less than half of @window_ns; -ENOMEM.
 */
int history_fit(const struct history *history, uint64_t now_ns, uint64_t window_ns,
		struct trend *ret);
/* At most @most values over what is there of the last @window_ns, the highest of each piece, oldest first. How many. */
size_t history_line(const struct history *history, uint64_t now_ns, uint64_t window_ns,
		    uint64_t *ret_bytes, size_t most);

#endif
