/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verdict/estimate.h"

#include <math.h>
#include <stdbool.h>

#include "verdict/verdict.h"

#define NS 1e9

void estimate_poisson_factors(double count, double *ret_low, double *ret_high)
{
	double above = count + 1;
	double low = 1 - 1 / (9 * count) - VERDICT_Z / (3 * sqrt(count));
	double high = 1 - 1 / (9 * above) + VERDICT_Z / (3 * sqrt(above));

	*ret_low = low > 0 ? low * low * low : 0;
	*ret_high = high * high * high * above / count;
}

double estimate_share_low(double hits, double trials)
{
	double z2 = VERDICT_Z * VERDICT_Z;
	double share, low;

	if (trials <= 0)
		return 0;
	share = hits / trials;
	low = (share + z2 / (2 * trials) -
	       VERDICT_Z * sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))) /
	      (1 + z2 / trials);
	return low > 0 ? low : 0;
}

double estimate_logistic(double x)
{
	return 1 / (1 + exp(-x));
}

double envelope_rise(const struct envelope *envelope)
{
	return envelope->count ? envelope->bytes[envelope->count - 1] - envelope->bytes[0] : 0;
}

size_t envelope_rise_count(const struct envelope *envelope)
{
	size_t rises = 0;

	for (size_t i = 1; i < envelope->count; i++)
		rises += envelope->bytes[i] > envelope->bytes[i - 1];
	return rises;
}

void envelope_thirds(const struct envelope *envelope, double *ret_first, double *ret_last)
{
	size_t third = envelope->count / 3;
	size_t last = envelope->count ? envelope->count - 1 : 0;

	if (!third) {
		*ret_first = *ret_last = 0;
		return;
	}
	*ret_first = envelope->bytes[third] - envelope->bytes[0];
	*ret_last = envelope->bytes[last] - envelope->bytes[last - third];
}

static double residual(const struct envelope *envelope, size_t i, double slope)
{
	return envelope->bytes[i] -
	       slope * (double)(envelope->time_ns[i] - envelope->time_ns[0]) / NS;
}

struct swings envelope_swings(const struct envelope *envelope, double slope_per_second)
{
	struct swings swings = {0};
	uint64_t first_ns = 0, last_ns = 0;
	double least, most;
	bool low = true;

	if (!envelope->count)
		return swings;
	least = most = residual(envelope, 0, slope_per_second);
	for (size_t i = 1; i < envelope->count; i++) {
		double r = residual(envelope, i, slope_per_second);

		least = r < least ? r : least;
		most = r > most ? r : most;
	}
	swings.range = most - least;
	for (size_t i = 0; i < envelope->count && swings.range > 0; i++) {
		double share = (residual(envelope, i, slope_per_second) - least) / swings.range;

		if (low && share > 0.75) {
			last_ns = envelope->time_ns[i];
			first_ns = swings.periods++ ? first_ns : last_ns;
		}
		if (share > 0.75)
			low = false;
		else if (share < 0.25)
			low = true;
	}
	if (swings.periods > 1)
		swings.period_s = (double)(last_ns - first_ns) / NS / (double)(swings.periods - 1);
	return swings;
}
