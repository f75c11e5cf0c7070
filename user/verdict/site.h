/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One site's judgement. Internal to verdict/. */
#ifndef HOLDFAST_VERDICT_SITE_H
#define HOLDFAST_VERDICT_SITE_H

#include "verdict/estimate.h"
#include "verdict/verdict.h"

struct site_context {
	const struct series *series;
	uint64_t start_ns, now_ns;
	const struct ledger_estimate *estimates; /* by site id - 1; NULL: every call is seen */
	double rss_growth;                       /* bytes/s; 0: RSS does not grow */
	struct series_point points[SERIES_MAX_POINTS]; /* of the site at hand */
	struct envelope envelope;                      /* their minima */
};

/*
 * How far the minima rose; 0: nothing to fit. *ret_flat is the state that it has if it does not
 * rise: steady or cyclic.
 */
uint64_t site_survey(struct site_context *context, const struct call_site *site, site_id id,
		     enum verdict_state *ret_flat);
/*
 * Fits a site that rose. True: ret->state is WARMING, WATCHING or GROWING and all else but the
 * process is set. False: it is no finding, *ret is untouched.
 */
bool site_judge(struct site_context *context, const struct call_site *site, site_id id,
		struct finding *ret);

#endif
