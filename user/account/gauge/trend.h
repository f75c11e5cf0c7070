/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theil-Sen slope with its interval, and the Mann-Kendall test.
 *
 * Sources: Sen (1968) "Estimates of the regression coefficient based on Kendall's tau"; the interval is
 * the pair of order statistics at N/2 -+ z * sigma / 2 with sigma^2 = n(n-1)(2n+5)/18 (ties corrected).
 * Pure functions on arrays; O(n^2) pairs, so callers hand at most 512 points (more: -E2BIG).
 */
#ifndef HOLDFAST_TREND_H
#define HOLDFAST_TREND_H

#include <stddef.h>
#include <stdint.h>

struct trend {
	double slope_per_second; /* units of y per second */
	double low, high;        /* 95 % interval of the slope */
	double z;                /* Mann-Kendall statistic, continuity corrected; > 1.96: rising */
	double first_third_slope, last_third_slope; /* 0 with fewer than 9 points */
};

/* @count >= 3 points, times ascending. -EINVAL with fewer. */
int trend_fit(const uint64_t *time_ns, const double *y, size_t count, struct trend *ret);

#endif
