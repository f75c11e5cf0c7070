/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verdict/site.h"

#include <math.h>

#include "account/gauge/trend.h"

#define NS 1e9

/*
 * Confidence as a logit, from the weights of the leak formula (-4 + 6 U + 2.5 p_low + 1.5 T + A -
 * 2 [d < .5] - 6 r/(r+1)). `growing` claims less than `leaking`, so it needs no witness U: its
 * constant is chosen such that T with p_low between .5 and 1 gives .73 to .90.
 */
#define LOGIT_GROWING      (-1.75)
#define LOGIT_SURVIVAL     2.5
#define LOGIT_TREND        1.5
#define LOGIT_DECELERATION 2.0
#define LOGIT_SHORT        3.0 /* taken off in proportion to the observation that is missing */

struct look { /* what is known of one site while it is judged */
	const struct call_site *site;
	double outstanding_bytes, peak_bytes; /* as the series has them */
	struct trend trend;
	struct swings swings;
	double rise, observed_s, needed_s;
	double deceleration; /* > 0; 1: none, or not defined */
	double survival, survival_low, survival_age_s;
	size_t rises;
	bool survival_known, swinging, decelerating;
};

/* What the series says of a site whose calls are seen in windows is an estimate. */
static bool is_estimated(const struct site_context *context, const struct call_site *site)
{
	return context->estimates && !site->followed;
}

static double outstanding_of(const struct site_context *context, const struct call_site *site,
			     site_id id)
{
	return is_estimated(context, site) ? context->estimates[id - 1].outstanding_bytes
					   : (double)site->outstanding_bytes;
}

static double peak_of(const struct site_context *context, const struct call_site *site,
		      size_t count)
{
	double peak = 0;

	if (!is_estimated(context, site))
		return (double)site->peak_bytes;
	for (size_t i = 0; i < count; i++)
		peak = fmax(peak, (double)context->points[i].bytes);
	return peak;
}

/* How often it fell from near its peak to near its floor. */
static unsigned int count_falls(const struct site_context *context, const struct call_site *site,
				size_t count)
{
	unsigned int falls = 0;
	bool high = false;

	for (size_t i = 0; i < count; i++) {
		double share = (double)context->points[i].bytes / (double)site->peak_bytes;

		if (share > VERDICT_CYCLIC_SWING)
			high = true;
		else if (high && share < VERDICT_CYCLIC_SWING / 2) {
			high = false;
			falls++;
		}
	}
	return falls;
}

static enum verdict_state flat_state(const struct site_context *context,
				     const struct call_site *site, size_t count)
{
	uint64_t least = site->outstanding_bytes;
	double swing;

	/* An estimate goes up and down with each window: looks tell whether the heap does. */
	if (is_estimated(context, site))
		return VERDICT_STEADY;
	/* Two rounds at least: a buffer used once is no cycle. */
	if (site->peak_bytes < VERDICT_CYCLIC_PEAK_BYTES ||
	    site->alloc_bytes / 2 < site->peak_bytes)
		return count_falls(context, site, count) &&
				       site->peak_bytes >= VERDICT_CYCLIC_PEAK_BYTES
			       ? VERDICT_BACKLOG
			       : VERDICT_STEADY;
	/* In the second half: while it filled for the first time it was low, too. */
	for (size_t i = (count + 1) / 2; i < count; i++)
		if (context->points[i].min_bytes < least)
			least = context->points[i].min_bytes;
	swing = 1 - (double)least / (double)site->peak_bytes;
	if (swing < VERDICT_CYCLIC_SWING)
		return VERDICT_STEADY;
	/* A cycle is what came back; what was let go once in one go was a backlog. */
	return count_falls(context, site, count) == 1 ? VERDICT_BACKLOG : VERDICT_CYCLIC;
}

/*
 * A buffer that grows by realloc is out for a moment whenever it moves, so the least of a window
 * is 0. Where a site holds that few blocks, what it holds at the windows' ends is looked at.
 */
static bool ends_count(const struct call_site *site)
{
	return site->outstanding_count <= VERDICT_FEW_BLOCKS;
}

static uint64_t envelope_bytes(const struct call_site *site, const struct series_point *point)
{
	return ends_count(site) ? point->bytes : point->min_bytes;
}

uint64_t site_survey(struct site_context *context, const struct call_site *site, site_id id,
		     enum verdict_state *ret_flat)
{
	bool may_swing = site->peak_bytes >= VERDICT_CYCLIC_PEAK_BYTES;
	uint64_t first, last;
	size_t count;

	*ret_flat = VERDICT_STEADY;
	if (!context->series || (!site->outstanding_bytes && !may_swing))
		return 0;
	count = series_read(context->series, id, context->points);
	*ret_flat = flat_state(context, site, count);
	if (count < 3 || !site->outstanding_bytes)
		return 0;
	first = envelope_bytes(site, &context->points[0]);
	last = envelope_bytes(site, &context->points[count - 1]);
	return last > first ? last - first : 0;
}

/* Upper edge in seconds of the histogram slot under which 99 % of the freed blocks lie. */
static double freed_q99_s(const struct call_site *site)
{
	uint64_t total = 0, sum = 0;

	for (unsigned int i = 0; i < LEDGER_HISTOGRAM_SLOTS; i++)
		total += histogram_at(&site->lifetime_ns_log2, i);
	for (unsigned int i = 0; i < LEDGER_HISTOGRAM_SLOTS; i++) {
		sum += histogram_at(&site->lifetime_ns_log2, i);
		if (total && (double)sum >= 0.99 * (double)total)
			return ldexp(1, (int)i + 1) / NS;
	}
	return 0;
}

/*
 * The share of the blocks that reached the age and were never freed. The blocks that old are not
 * known one by one; the least that the site held since then bounds them from above.
 */
static void look_survival(struct look *look, const struct envelope *envelope, uint64_t now_ns)
{
	const struct call_site *site = look->site;
	double age = VERDICT_SURVIVAL_Q99_FACTOR * freed_q99_s(site);
	double old_bytes = look->outstanding_bytes, late = 0, old;

	look->survival_age_s = age > VERDICT_SURVIVAL_AGE_S ? age : VERDICT_SURVIVAL_AGE_S;
	if (look->survival_age_s > look->observed_s || look->outstanding_bytes <= 0)
		return;
	for (size_t i = 0; i < envelope->count; i++) {
		double ago_s = ((double)now_ns - (double)envelope->time_ns[i]) / NS;

		if (ago_s <= look->survival_age_s && envelope->bytes[i] < old_bytes)
			old_bytes = envelope->bytes[i];
	}
	old = (double)site->outstanding_count * old_bytes / look->outstanding_bytes;
	for (unsigned int i = 0; i < LEDGER_HISTOGRAM_SLOTS; i++)
		if (ldexp(1, (int)i) / NS >= look->survival_age_s)
			late += histogram_at(&site->lifetime_ns_log2, i);
	if (old + late <= 0)
		return;
	look->survival_known = true;
	look->survival = old / (old + late);
	look->survival_low = estimate_share_low(old, old + late);
}

/*
 * The larger of two ratios, last third to first third: of the slopes, and of the net rises. A
 * staircase of bursts has thirds whose median slope is 0, but whose rises tell. Believed only if
 * as a number of blocks the difference is more than chance.
 */
static void look_deceleration(struct look *look, const struct envelope *envelope)
{
	double first, last, ratio, block_bytes, blocks;

	look->deceleration = 1;
	envelope_thirds(envelope, &first, &last);
	if (envelope->count < VERDICT_WARMING_POINTS || look->observed_s < VERDICT_WARMING_S ||
	    first <= 0)
		return;
	ratio = last / first;
	if (look->trend.first_third_slope > 0) {
		double slopes = look->trend.last_third_slope / look->trend.first_third_slope;

		ratio = slopes > ratio ? slopes : ratio;
	}
	look->deceleration = ratio > 0 ? ratio : 0;
	/* As many as were seen: that is what chance goes by. */
	block_bytes = look->outstanding_bytes / (double)look->site->outstanding_count;
	last = last > 0 ? last : 0;
	blocks = (first + last) / block_bytes;
	look->decelerating = ratio < VERDICT_DECELERATION && blocks > 0 &&
			     (first - last) / block_bytes > VERDICT_Z * sqrt(blocks);
}

/*
 * A rising site holds its least where a window begins. To say so matters for the last window,
 * which may be much shorter than the others: at its end its least would look like a sudden jump.
 */
static uint64_t envelope_time(const struct site_context *context, const struct call_site *site,
			      size_t i)
{
	const struct series_point *points = context->points;
	uint64_t length;

	if (ends_count(site))
		return points[i].time_ns;
	if (i)
		return points[i - 1].time_ns;
	length = points[1].time_ns - points[0].time_ns;
	return points[0].time_ns > length ? points[0].time_ns - length : 0;
}

static void take_envelope(struct site_context *context, const struct call_site *site, site_id id)
{
	struct envelope *e = &context->envelope;

	e->count = series_read(context->series, id, context->points);
	if (e->count < 3)
		return;
	for (size_t i = 0; i < e->count; i++) {
		e->time_ns[i] = envelope_time(context, site, i);
		e->bytes[i] = (double)envelope_bytes(site, &context->points[i]);
	}
}

static bool take_look(struct site_context *context, const struct call_site *site, site_id id,
		      struct look *look)
{
	struct envelope *e = &context->envelope;
	uint64_t since = site->first_ns > context->start_ns ? site->first_ns : context->start_ns;

	*look = (struct look){.site = site, .needed_s = VERDICT_FIRM_GROWTH_S};
	take_envelope(context, site, id);
	if (e->count < 3 || !site->outstanding_count ||
	    trend_fit(e->time_ns, e->bytes, e->count, &look->trend) < 0)
		return false;
	look->outstanding_bytes = outstanding_of(context, site, id);
	look->peak_bytes = peak_of(context, site, e->count);
	look->rise = envelope_rise(e);
	look->rises = envelope_rise_count(e);
	if (look->trend.z <= VERDICT_Z || look->trend.low <= 0 || look->rise <= 0)
		return false;
	if (site->outstanding_count < VERDICT_MIN_BLOCKS && look->rises < VERDICT_MIN_RISES)
		return false;
	look->observed_s = context->now_ns > since ? (double)(context->now_ns - since) / NS : 0;
	look->swings = envelope_swings(e, look->trend.slope_per_second);
	look->swinging = look->swings.range > VERDICT_SWINGING * look->rise;
	look_survival(look, e, context->now_ns);
	look_deceleration(look, e);
	return true;
}

/* How long it must be watched in all before `growing` could be said. */
static void look_needed(struct look *look)
{
	double periods = (double)(look->swings.periods ? look->swings.periods : 1);

	if (look->swinging && look->swings.periods < VERDICT_FIRM_PERIODS) {
		double want = look->observed_s / periods * VERDICT_FIRM_PERIODS;

		look->needed_s = want > look->needed_s ? want : look->needed_s;
	}
	if (!look->survival_known && look->survival_age_s > look->needed_s)
		look->needed_s = look->survival_age_s;
	/* Old blocks do get freed: only more time can tell whether all of them do. */
	if (look->survival_known && look->survival <= VERDICT_SURVIVAL_SHARE)
		look->needed_s = fmax(look->needed_s, 2 * look->observed_s);
}

static void give_evidence(struct finding *f, enum evidence_kind kind, double value,
			  double reference)
{
	if (f->evidence_count < VERDICT_MAX_EVIDENCE)
		f->evidence[f->evidence_count++] = (struct evidence){kind, value, reference};
}

static void explain(const struct site_context *context, const struct look *look, struct finding *f)
{
	give_evidence(f, EVIDENCE_TREND, look->trend.z, (double)context->envelope.count);
	give_evidence(f, EVIDENCE_UNFREED, (double)look->site->outstanding_count,
		      (double)look->site->allocs);
	if (look->decelerating)
		give_evidence(f, EVIDENCE_DECELERATION, look->deceleration, VERDICT_DECELERATION);
	if (look->survival_known)
		give_evidence(f, EVIDENCE_SURVIVAL, look->survival_low, look->survival_age_s);
	if (look->swinging)
		give_evidence(f, EVIDENCE_PERIODS, (double)look->swings.periods,
			      VERDICT_FIRM_PERIODS);
	if (look->swinging && look->swings.period_s > 0)
		give_evidence(f, EVIDENCE_PERIOD, look->swings.period_s, 0);
	give_evidence(f, EVIDENCE_DURATION, look->observed_s, look->needed_s);
	if (context->rss_growth > 0)
		give_evidence(f, EVIDENCE_SHARE,
			      100 * f->growth_bytes_per_second / context->rss_growth, 100);
}

static double confidence_of(const struct look *look, enum verdict_state state)
{
	double logit = LOGIT_GROWING + LOGIT_TREND;
	double missing = 1 - look->observed_s / look->needed_s;

	if (state == VERDICT_WARMING)
		return estimate_logistic(logit + LOGIT_DECELERATION - fmax(0, missing));
	logit += LOGIT_SURVIVAL * (look->survival_known ? look->survival_low : 1);
	return estimate_logistic(logit - LOGIT_SHORT * fmax(0, missing));
}

/*
 * Does it fall back to where it began? The floor of the second half of the time against that of the first; the first
 * window does not count: it began with nothing.
 */
static bool falls_back(const struct site_context *context, const struct look *look)
{
	const struct envelope *e = &context->envelope;
	double first = INFINITY, second = INFINITY;

	if (look->swings.periods < VERDICT_FALL_BACKS)
		return false;
	for (size_t i = 1; i < e->count; i++) {
		double *floor = i < e->count / 2 ? &first : &second;

		*floor = fmin(*floor, e->bytes[i]);
	}
	return second - first < VERDICT_FLOOR * look->peak_bytes;
}

bool site_judge(struct site_context *context, const struct call_site *site, site_id id,
		struct finding *ret)
{
	struct look look;
	double slope, low, high;

	if (!take_look(context, site, id, &look))
		return false;
	if (look.decelerating && look.deceleration < VERDICT_FLAT)
		return false; /* it rose, and it is over */
	if (falls_back(context, &look))
		return false;
	if (look.swinging &&
	    look.trend.slope_per_second * look.observed_s < VERDICT_NOISE * look.outstanding_bytes)
		return false; /* blocks of other sizes come in their places: it wanders */
	look_needed(&look);
	slope = look.trend.slope_per_second;
	estimate_poisson_factors(fmax((double)site->outstanding_count, (double)look.rises), &low,
				 &high);
	*ret = (struct finding){
		.site = id,
		.state = VERDICT_WATCHING,
		.growth_bytes_per_second = slope,
		.growth_low = fmin(look.trend.low, slope * low),
		.growth_high = fmax(look.trend.high, slope * high),
	};
	if (look.decelerating)
		ret->state = VERDICT_WARMING;
	else if (site->class == SITE_STACK && look.observed_s >= VERDICT_FIRM_STACKS_S)
		ret->state = VERDICT_UNTRACED;
	else if (look.observed_s >= look.needed_s)
		ret->state = VERDICT_GROWING;
	else
		ret->seconds_to_firm = look.needed_s - look.observed_s;
	ret->confidence = confidence_of(&look, ret->state);
	explain(context, &look, ret);
	return true;
}
