/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The window series: how the outstanding bytes of each call site went over time, coarse enough to keep
 * for months. The verdict fits its slopes (trend_fit) to the minima: a site that always falls back to its
 * floor does not leak, whatever its peaks do.
 *
 * All sites share one time axis of at most SERIES_MAX_POINTS windows. When it is full, neighbouring windows
 * are merged in pairs (the lesser minimum, the later end) and later windows are twice as long, so the span
 * stays whole and its resolution halves: 128 windows of 1 s, then 64 of 2 s and so on. A site stores a point
 * only for the windows in which its outstanding bytes changed; series_read() fills in the rest. So 100,000
 * sites of which few change cost about 60 bytes each, and a sample costs only the sites that changed.
 *
 *	series_new(16 << 20, &series);
 *	every interval:		series_sample(series, ledger, NULL, now_ns);
 *	for the verdict:	count = series_read(series, site, points);
 *				y[i] = points[i].min_bytes; trend_fit(t, y, count, &trend);
 *
 * A sample also moves the ledger's window (ledger_begin_window()): nobody else may call that for this
 * ledger. One ledger per series; the owner is the ledger's (ingest), a series_copy() may go elsewhere.
 * Pure: time comes in with the calls.
 *
 * Past the memory bound resolution is halved early; what then still does not fit is left out and counted.
 */
#ifndef HOLDFAST_SERIES_H
#define HOLDFAST_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "account/ledger/ledger.h"

#define SERIES_MAX_POINTS 128

struct series_point {
	uint64_t time_ns;   /* end of the window */
	uint64_t min_bytes; /* least outstanding bytes within it */
	uint64_t bytes;     /* outstanding bytes at its end */
			    /* Both estimated for a site whose calls are seen in windows only. */
};

struct series_counts {
	uint64_t samples;            /* calls of series_sample() */
	uint64_t samples_per_window; /* 1, then 2, 4, ... as windows are merged */
	uint64_t windows;            /* on the axis now; the last may still be open */
	uint64_t sites;              /* with at least one point */
	uint64_t points;             /* stored */
	uint64_t refused;            /* points left out because of the memory bound */
	uint64_t memory_bytes;
};

struct series;

int series_new(uint64_t memory_bytes, struct series **ret);
void series_free(struct series *series);
/* A frozen copy for another thread. */
int series_copy(const struct series *series, struct series **ret);

/*
 * Takes in what changed since the last sample. @estimates: where calls are seen in windows only, of every site (see
 * ledger_estimate_sites()): their points go by them; NULL: every call is seen. @time_ns must be after the last sample's (-EINVAL).
 * -ENOSPC or -ENOMEM: some points were refused; the others are in, and the next sample is fine.
 */
int series_sample(struct series *series, struct ledger *ledger,
		  const struct ledger_estimate *estimates, uint64_t time_ns);

/*
 * The site's windows, oldest first, times strictly ascending: from the first in which it changed to the
 * newest, without gaps. Returns how many; 0: no change of it was seen. The last window may be younger
 * (shorter) than the others, so its minimum is an upper bound.
 */
size_t series_read(const struct series *series, site_id site,
		   struct series_point ret[SERIES_MAX_POINTS]);
void series_counts(const struct series *series, struct series_counts *ret);

#endif
