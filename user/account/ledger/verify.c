/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger's audit: sums of the parts against the totals. */
#include <errno.h>
#include <stdlib.h>

#include "account/ledger/ledger.h"
#include "account/ledger/ledger_internal.h"
#include "base/cleanup.h"

struct sums {
	const struct ledger *ledger;
	struct {
		uint64_t bytes, count;
	} * by_site, total;
};

static int add_allocation(const struct allocation *allocation, void *user)
{
	struct sums *sums = user;

	if (!allocation->site || allocation->site > ledger_site_count(sums->ledger))
		return -EUCLEAN;
	sums->by_site[allocation->site].bytes += allocation->size_bytes;
	sums->by_site[allocation->site].count++;
	sums->total.bytes += allocation->size_bytes;
	sums->total.count++;
	return 0;
}

static bool site_is_sound(const struct sums *sums, site_id id, const struct call_site *site)
{
	bool mapping = site_is_range(site->class);

	if (site->outstanding_bytes != sums->by_site[id].bytes ||
	    site->outstanding_count != sums->by_site[id].count)
		return false;
	if (site->peak_bytes < site->outstanding_bytes || site->temporary_count > site->frees)
		return false;
	/* What was refused was allocated and is not outstanding. */
	if (site->alloc_bytes + site->inherited_bytes - site->free_bytes < site->outstanding_bytes)
		return false;
	if (!mapping &&
	    site->allocs + site->inherited_count < site->frees + site->outstanding_count)
		return false;
	return ledger_window_min(sums->ledger, id) <= site->outstanding_bytes;
}

int ledger_verify(const struct ledger *ledger)
{
	_cleanup_free_ void *by_site = calloc(ledger_site_count(ledger) + 1, 2 * sizeof(uint64_t));
	struct sums sums = {.ledger = ledger, .by_site = by_site};
	uint64_t allocs = 0, frees = 0;
	int err;

	if (!by_site)
		return -ENOMEM;
	err = block_table_verify(&ledger->blocks);
	if (!err)
		err = range_set_verify(&ledger->ranges);
	if (!err)
		err = ledger_for_each_live(ledger, add_allocation, &sums);
	if (!err)
		err = ledger_for_each_mapping(ledger, add_allocation, &sums);
	for (site_id id = 1; !err && id <= ledger_site_count(ledger); id++) {
		const struct call_site *site = ledger_site(ledger, id);

		if (!site_is_sound(&sums, id, site))
			err = -EUCLEAN;
		allocs += site->allocs;
		frees += site->frees;
	}
	if (err)
		return err;
	if (sums.total.bytes != ledger->counts.live_bytes ||
	    sums.total.count != ledger->counts.live_count || frees != ledger->counts.frees ||
	    allocs > ledger->counts.allocs ||
	    ledger->counts.live_bytes > ledger->counts.peak_bytes ||
	    ledger->memory.used_bytes > ledger->memory.limit_bytes)
		return -EUCLEAN;
	return 0;
}
