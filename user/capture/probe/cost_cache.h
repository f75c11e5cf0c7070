/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The figures of probe_calibrate() in a file, so that not each run measures anew:
 * calibration-RELEASE under /var/cache/holdfast for root, else under holdfast in $XDG_CACHE_HOME or ~/.cache.
 * Taken only where CPU, boot parameters and the way to attach are the same, and from a file that is
 * ours or root's alone. That there is none, or that it can't be written, is no error: the functions tell, and the
 * caller measures.
 */
#ifndef HOLDFAST_PROBE_COST_CACHE_H
#define HOLDFAST_PROBE_COST_CACHE_H

#include "base/strbuf.h"
#include "capture/budget/cost.h"

struct cost_cache {
	struct strbuf path; /* "": there is no place for one */
	uint64_t machine;   /* what the figures hold for */
};

/* @way: how probes are attached, as a word. */
void cost_cache_init(struct cost_cache *ret, const char *way);
void cost_cache_done(struct cost_cache *cache);

int cost_cache_read(const struct cost_cache *cache, struct probe_costs *ret);
int cost_cache_write(const struct cost_cache *cache, const struct probe_costs *costs);

#endif
