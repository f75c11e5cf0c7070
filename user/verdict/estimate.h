/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The small statistics behind a verdict. Pure functions on numbers; nothing allocates.
 *
 * Sources: Byar's approximation of the exact Poisson interval (Rothman and Boice 1979); Wilson
 * (1927) for a share; residual crossings with hysteresis for counting periods.
 */
#ifndef HOLDFAST_VERDICT_ESTIMATE_H
#define HOLDFAST_VERDICT_ESTIMATE_H

#include <stddef.h>
#include <stdint.h>

#include "account/ledger/series.h"

/* 95 % interval of a Poisson mean of which @count was seen, as factors of @count (> 0). */
void estimate_poisson_factors(double count, double *ret_low, double *ret_high);
/* Lower 95 % end of the share hits / trials; 0 without trials. */
double estimate_share_low(double hits, double trials);
double estimate_logistic(double x);

/* The minima of a site, or any other readings, ready for a fit. */
struct envelope {
	uint64_t time_ns[SERIES_MAX_POINTS];
	double bytes[SERIES_MAX_POINTS];
	size_t count;
};

double envelope_rise(const struct envelope *envelope);
/* Steps upwards from one point to the next. */
size_t envelope_rise_count(const struct envelope *envelope);
/* Net rise over the first and over the last third. */
void envelope_thirds(const struct envelope *envelope, double *ret_first, double *ret_last);

struct swings {
	double range;    /* of the residuals from a line of the given slope */
	size_t periods;  /* times they went from the lower to the upper quarter of that range */
	double period_s; /* between two such times, on average; 0: fewer than two were seen */
};

struct swings envelope_swings(const struct envelope *envelope, double slope_per_second);

#endif
