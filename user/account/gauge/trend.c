/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account/gauge/trend.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_POINTS 512
#define Z_95       1.959963984540054
#define MIN_THIRDS 9

static void swap(double *a, double *b)
{
	double held = *a;

	*a = *b;
	*b = held;
}

/* The @rank-th smallest (from 0); moves the array's items. Hoare's selection, median of three. */
static double select_rank(double *items, size_t count, size_t rank)
{
	size_t low = 0, high = count - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2, i = low, j = high;
		double pivot;

		if (items[middle] < items[low])
			swap(&items[middle], &items[low]);
		if (items[high] < items[low])
			swap(&items[high], &items[low]);
		if (items[high] < items[middle])
			swap(&items[high], &items[middle]);
		pivot = items[middle];
		for (;;) {
			while (items[i] < pivot)
				i++;
			while (pivot < items[j])
				j--;
			if (i >= j)
				break;
			swap(&items[i++], &items[j--]);
		}
		if (rank <= j)
			high = j;
		else
			low = j + 1;
	}
	return items[rank];
}

static double median(double *items, size_t count)
{
	double upper = select_rank(items, count, count / 2);

	return count % 2 ? upper : (upper + select_rank(items, count, count / 2 - 1)) / 2;
}

/* Slopes of all pairs that differ in time; returns how many. *ret_s: rises minus falls. */
static size_t all_slopes(const uint64_t *time_ns, const double *y, size_t count, double *slopes,
			 double *ret_s)
{
	size_t slope_count = 0;
	double s = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = i + 1; j < count; j++) {
			double seconds = (double)(time_ns[j] - time_ns[i]) / 1e9;

			if (time_ns[j] == time_ns[i])
				continue;
			s += (y[j] > y[i]) - (y[j] < y[i]);
			slopes[slope_count++] = (y[j] - y[i]) / seconds;
		}
	}
	*ret_s = s;
	return slope_count;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of S under no trend, with the correction for equal values (Kendall). Sorts @values. */
static double variance_of_s(double *values, size_t count)
{
	double n = (double)count, sum = n * (n - 1) * (2 * n + 5);

	qsort(values, count, sizeof(*values), compare_doubles);
	for (size_t i = 0, run; i < count; i += run) {
		double t;

		for (run = 1; i + run < count && values[i + run] == values[i];)
			run++;
		t = (double)run;
		sum -= t * (t - 1) * (2 * t + 5);
	}
	return sum / 18;
}

static void fit_interval(double *slopes, size_t count, double sigma, struct trend *ret)
{
	double below = floor(((double)count - Z_95 * sigma) / 2);
	/* With few points the ranks lie outside: the extreme slopes are all there is to say. */
	size_t rank = below < 1 ? 0 : (size_t)below - 1;

	ret->low = select_rank(slopes, count, rank);
	ret->high = select_rank(slopes, count, count - 1 - rank);
}

/* 0 where no two points differ in time. */
static double slope_of(const uint64_t *time_ns, const double *y, size_t count, double *scratch)
{
	double s;
	size_t slopes = all_slopes(time_ns, y, count, scratch, &s);

	return slopes ? median(scratch, slopes) : 0;
}

static bool usable(const uint64_t *time_ns, const double *y, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!isfinite(y[i]) || (i && time_ns[i] < time_ns[i - 1]))
			return false;
	}
	return count >= 3 && time_ns[0] != time_ns[count - 1];
}

int trend_fit(const uint64_t *time_ns, const double *y, size_t count, struct trend *ret)
{
	_cleanup_free_ double *scratch = NULL;
	struct trend trend = {0};
	size_t slopes, third = count / 3;
	double s, variance, sigma;

	if (count > MAX_POINTS)
		return -E2BIG;
	if (!usable(time_ns, y, count))
		return -EINVAL;
	scratch = malloc(count * (count - 1) / 2 * sizeof(*scratch));
	if (!scratch)
		return -ENOMEM;
	memcpy(scratch, y, count * sizeof(*scratch));
	variance = variance_of_s(scratch, count);
	sigma = variance > 0 ? sqrt(variance) : 0;
	slopes = all_slopes(time_ns, y, count, scratch, &s);
	if (sigma > 0 && s != 0)
		trend.z = (s - (s > 0 ? 1 : -1)) / sigma;
	trend.slope_per_second = median(scratch, slopes);
	fit_interval(scratch, slopes, sigma, &trend);
	if (count >= MIN_THIRDS) {
		trend.first_third_slope = slope_of(time_ns, y, third, scratch);
		trend.last_third_slope =
			slope_of(time_ns + count - third, y + count - third, third, scratch);
	}
	*ret = trend;
	return 0;
}
