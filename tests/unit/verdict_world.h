/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process that is made up: a real ledger, a real series and a gauge, with time of our own. */
#ifndef HF_TESTS_VERDICT_WORLD_H
#define HF_TESTS_VERDICT_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "verdict/lost.h"
#include "verdict/verdict.h"

#define SECOND 1000000000ull
#define START  (1000 * SECOND)
#define SITES  8
#define KEEP   400000

struct world {
	struct ledger *ledger;
	struct series *series;
	struct gauge *gauge;
	uint64_t now_ns;
	uint64_t next_address;
	uint64_t *live[SITES]; /* addresses, oldest first */
	size_t first[SITES], end[SITES];
	uint64_t held_bytes;
	bool followed; /* the calls from now on */
};

static inline void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->now_ns = START;
	w->next_address = 0x1000;
	assert_int_equal(ledger_new(1 << 30, &w->ledger), 0);
	assert_int_equal(series_new(16 << 20, &w->series), 0);
	assert_int_equal(gauge_new(256, &w->gauge), 0);
	for (int i = 0; i < SITES; i++)
		w->live[i] = calloc(KEEP, sizeof(*w->live[i]));
	assert_int_equal(series_sample(w->series, w->ledger, NULL, w->now_ns), 0);
}

static inline void world_done(struct world *w)
{
	for (int i = 0; i < SITES; i++)
		free(w->live[i]);
	ledger_free(w->ledger);
	series_free(w->series);
	gauge_free(w->gauge);
}

static inline void take(struct world *w, uint32_t stack, uint64_t size)
{
	struct ledger_alloc alloc = {
		.address = w->next_address += 0x1000,
		.size_bytes = size,
		.time_ns = w->now_ns,
		.stack = stack,
		.tid = 1,
		.followed = w->followed,
	};

	assert_true(w->end[stack] < KEEP);
	w->live[stack][w->end[stack]++] = alloc.address;
	assert_int_equal(ledger_record_alloc(w->ledger, &alloc), 0);
}

static inline void give_oldest(struct world *w, uint32_t stack)
{
	struct ledger_release release = {.time_ns = w->now_ns, .tid = 1};

	assert_true(w->first[stack] < w->end[stack]);
	release.address = w->live[stack][w->first[stack]++];
	ledger_record_free(w->ledger, &release);
}

static inline size_t held(const struct world *w, uint32_t stack)
{
	return w->end[stack] - w->first[stack];
}

/* One second passes: the series takes its window, the gauge its reading. */
static inline void tick(struct world *w, uint64_t rss_bytes)
{
	struct sample sample = {.rss_bytes = rss_bytes};
	struct ledger_estimate *estimates = NULL;
	struct ledger_counts counts;

	w->now_ns += SECOND;
	sample.time_ns = w->now_ns;
	ledger_counts(w->ledger, &counts);
	sample.heap_live_bytes = counts.live_bytes;
	assert_int_equal(verdict_estimate(w->ledger, NULL, &estimates), 0);
	assert_int_equal(series_sample(w->series, w->ledger, estimates, w->now_ns), 0);
	free(estimates);
	assert_int_equal(gauge_add(w->gauge, &sample), 0);
}

/* @gauge, @lost: as in struct verdict_process. */
static inline struct verdict *judge_by(const struct world *w, const struct gauge *gauge,
				       const struct lost_evidence *lost)
{
	struct verdict_process process = {
		.pid = 7,
		.start_ns = START,
		.ledger = w->ledger,
		.series = w->series,
		.gauge = gauge,
		.lost = lost,
	};
	struct verdict *v = NULL;

	assert_int_equal(verdict_judge(&process, 1, w->now_ns, &v), 0);
	return v;
}

static inline struct verdict *judge(const struct world *w)
{
	return judge_by(w, w->gauge, NULL);
}

#endif
