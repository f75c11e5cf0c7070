// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/held.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "verdict/lost.h"

int verdict_estimate(const struct ledger *ledger, const struct lost_evidence *lost,
		     struct ledger_estimate **ret)
{
	_cleanup_free_ struct ledger_estimate *estimates = NULL;
	struct ledger_counts counts = {0};
	int err;

	if (ledger)
		ledger_counts(ledger, &counts);
	if (!counts.windows)
		return 0;
	estimates = calloc(ledger_site_count(ledger) + 1, sizeof(*estimates));
	if (!estimates)
		return -ENOMEM;
	err = ledger_estimate_sites(ledger, estimates);
	if (err)
		return err;
	if (lost && lost->reading_count)
		ledger_bound_estimates(ledger, lost->readings[lost->reading_count - 1].live_by_size,
				       estimates);
	*ret = no_free_ptr(estimates);
	return 0;
}

/* Mappings are seen whether a window is open or not. */
static uint64_t stack_bytes(const struct ledger *ledger)
{
	uint64_t sum = 0;

	for (site_id id = 1; ledger && id <= ledger_site_count(ledger); id++)
		if (ledger_site(ledger, id)->class == SITE_STACK)
			sum += ledger_site(ledger, id)->outstanding_bytes;
	return sum;
}

static struct verdict_held sum_estimates(const struct ledger *ledger,
					 const struct ledger_estimate *estimates)
{
	double bytes = 0, count = 0;

	for (size_t i = 0; i < ledger_site_count(ledger); i++) {
		const struct call_site *site = ledger_site(ledger, (site_id)(i + 1));

		bytes += site->followed ? (double)site->outstanding_bytes
					: estimates[i].outstanding_bytes;
		count += site->followed ? (double)site->outstanding_count
					: estimates[i].outstanding_count;
	}
	return (struct verdict_held){(uint64_t)bytes, (uint64_t)count, stack_bytes(ledger), true};
}

struct verdict_held held_by_sites(const struct ledger *ledger,
				  const struct ledger_estimate *estimates)
{
	struct ledger_counts counts = {0};

	if (estimates)
		return sum_estimates(ledger, estimates);
	if (ledger)
		ledger_counts(ledger, &counts);
	return (struct verdict_held){counts.live_bytes, counts.live_count, stack_bytes(ledger),
				     false};
}

int verdict_held(const struct ledger *ledger, const struct lost_evidence *lost,
		 struct verdict_held *ret)
{
	_cleanup_free_ struct ledger_estimate *estimates = NULL;
	int err = verdict_estimate(ledger, lost, &estimates);

	if (!err)
		*ret = held_by_sites(ledger, estimates);
	return err;
}
