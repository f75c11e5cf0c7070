// SPDX-License-Identifier: GPL-2.0-or-later
/* What windows and followed calls tell of all calls: the ledger's estimates. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "account/ledger/ledger.h"
#include "account/ledger/ledger_internal.h"
#include "base/cleanup.h"

#define Z 1.96

int ledger_end_window(struct ledger *ledger, const struct ledger_window *window)
{
	return sampling_end_window(&ledger->sampling, window);
}

static void add_exact(struct ledger_estimate *estimate, uint64_t allocs, uint64_t bytes)
{
	estimate->allocs += (double)allocs;
	estimate->allocs_low += (double)allocs;
	estimate->allocs_high += (double)allocs;
	estimate->alloc_bytes += (double)bytes;
	estimate->alloc_bytes_low += (double)bytes;
	estimate->alloc_bytes_high += (double)bytes;
}

struct live_sums {
	const struct ledger *ledger;
	struct ledger_estimate *estimates;
	double *variances; /* of the outstanding bytes, by site */
};

/* Seen with probability 1 / weight, each by itself: as Poisson sampling (Saerndal 1992, 3.5). */
static int add_live(const struct allocation *block, void *user)
{
	struct live_sums *sums = user;
	struct ledger_estimate *estimate = &sums->estimates[block->site - 1];
	double bytes = (double)block->size_bytes;

	estimate->outstanding_count += block->weight;
	estimate->outstanding_bytes += block->weight * bytes;
	sums->variances[block->site - 1] += block->weight * (block->weight - 1) * bytes * bytes;
	return 0;
}

/* Blocks that come in bursts are seen in bursts: what is left of them varies as they do. */
static double dispersion(const struct sample_sums *sums, const struct sampling *sampling)
{
	double n = (double)sampling->count, between;

	if (n < 2 || sums->poisson_allocs <= 0)
		return 1;
	between = (sums->square_allocs - sums->est_allocs * sums->est_allocs / n) * n / (n - 1);
	return fmax(1, between / sums->poisson_allocs);
}

static void finish_site(const struct ledger *ledger, site_id id, double variance,
			struct ledger_estimate *estimate)
{
	const struct call_site *site = ledger_site(ledger, id);
	double wide, common;

	if (site->followed) {
		add_exact(estimate, site->allocs, site->alloc_bytes);
		/* Its ranges, too, which are no blocks. */
		estimate->outstanding_count = (double)site->outstanding_count;
		estimate->outstanding_bytes = (double)site->outstanding_bytes;
	} else {
		sample_read(&site->sample, &ledger->sampling, estimate);
	}
	common = site->followed ? 0 : ledger->sampling.error * estimate->outstanding_bytes;
	wide = Z * sqrt(variance * dispersion(&site->sample, &ledger->sampling) + common * common);
	/* What was seen is there. */
	estimate->outstanding_low =
		fmax((double)site->outstanding_bytes, estimate->outstanding_bytes - wide);
	estimate->outstanding_high = estimate->outstanding_bytes + wide;
}

int ledger_estimate_sites(const struct ledger *ledger, struct ledger_estimate *ret)
{
	size_t count = ledger_site_count(ledger);
	_cleanup_free_ double *variances = calloc(count + 1, sizeof(*variances));
	struct live_sums sums = {ledger, ret, variances};

	if (!variances)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		ret[i] = (struct ledger_estimate){0};
	ledger_for_each_live(ledger, add_live, &sums);
	for (site_id id = 1; id <= count; id++)
		finish_site(ledger, id, variances[id - 1], &ret[id - 1]);
	return 0;
}

static unsigned int slot_of(double bytes, double count)
{
	unsigned int slot = 0;

	for (double mean = count > 0 ? bytes / count : 0; mean >= 2; mean /= 2)
		slot++;
	return slot < LEDGER_HISTOGRAM_SLOTS ? slot : LEDGER_HISTOGRAM_SLOTS - 1;
}

/* A request's block may be of the next power of two. */
static double room_in(const uint64_t *live_by_size, unsigned int slot)
{
	return (double)live_by_size[slot] +
	       (slot + 1 < LEDGER_HISTOGRAM_SLOTS ? (double)live_by_size[slot + 1] : 0);
}

static void cut(struct ledger_estimate *estimate, double part, double least)
{
	estimate->outstanding_count *= part;
	estimate->outstanding_bytes = fmax(least, part * estimate->outstanding_bytes);
	estimate->outstanding_low = fmax(least, part * estimate->outstanding_low);
	estimate->outstanding_high =
		fmax(estimate->outstanding_bytes, part * estimate->outstanding_high);
}

void ledger_bound_estimates(const struct ledger *ledger, const uint64_t *live_by_size,
			    struct ledger_estimate *estimates)
{
	double told[LEDGER_HISTOGRAM_SLOTS] = {0}, certain[LEDGER_HISTOGRAM_SLOTS] = {0};
	size_t count = ledger_site_count(ledger);

	for (site_id id = 1; id <= count; id++) {
		const struct ledger_estimate *e = &estimates[id - 1];
		double *sums = ledger_site(ledger, id)->followed ? certain : told;

		sums[slot_of(e->outstanding_bytes, e->outstanding_count)] += e->outstanding_bytes;
	}
	for (site_id id = 1; id <= count; id++) {
		const struct call_site *site = ledger_site(ledger, id);
		struct ledger_estimate *e = &estimates[id - 1];
		unsigned int slot = slot_of(e->outstanding_bytes, e->outstanding_count);
		double room = fmax(0, room_in(live_by_size, slot) - certain[slot]);

		if (!site->followed && told[slot] > room)
			cut(e, room / told[slot], (double)site->outstanding_bytes);
	}
}
