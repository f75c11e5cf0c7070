// SPDX-License-Identifier: GPL-2.0-or-later
#include "verdict/leak.h"

#include <math.h>

#include "verdict/estimate.h"
#include "verdict/leak_weights.h"

#define NS 1e9

struct witness {
	const struct lost_entry *entry;
	struct lost_rate rate;
	bool trusted, fresh, unchanged, trend;
	double survival_low;
};

static double survival_of(const struct finding *f)
{
	for (uint8_t i = 0; i < f->evidence_count; i++)
		if (f->evidence[i].kind == EVIDENCE_SURVIVAL)
			return f->evidence[i].value;
	return 0;
}

static double confidence_of(const struct witness *w)
{
	double returned = (double)w->entry->returned;
	double logit = LOGIT_LEAK + LOGIT_LOST * w->fresh + LOGIT_SURVIVAL * w->survival_low +
		       LOGIT_TREND * w->trend + LOGIT_UNCHANGED * w->unchanged +
		       LOGIT_RETURNED * returned / (returned + 1);

	return fmin(estimate_logistic(logit), VERDICT_MOST_CONFIDENCE);
}

static void give_evidence(struct finding *f, struct evidence evidence)
{
	/* What proves a loss comes before what only hints at growth. */
	if (f->evidence_count == VERDICT_MAX_EVIDENCE)
		f->evidence_count--;
	for (uint8_t i = f->evidence_count++; i; i--)
		f->evidence[i] = f->evidence[i - 1];
	f->evidence[0] = evidence;
}

/* How long nothing more was lost, and how long that may be, by the looks with losses. False: these are too few to tell. */
static bool pause_of(const struct lost_evidence *evidence, const struct lost_entry *e,
		     struct evidence *ret)
{
	double known = (double)(evidence->known_until_ns - evidence->first_look_ns) / NS;

	if (e->fresh_looks < VERDICT_LEAK_LOOKS)
		return false;
	*ret = (struct evidence){EVIDENCE_PAUSE,
				 (double)(evidence->known_until_ns - e->last_fresh_ns) / NS,
				 VERDICT_LEAK_PAUSE * known / (double)e->fresh_looks};
	return true;
}

/* Did it go on to the end? What was lost in one go is lost, but no leak that grows. */
static bool goes_on(const struct lost_evidence *evidence, const struct lost_entry *e)
{
	struct evidence pause;

	return pause_of(evidence, e, &pause) && pause.value <= pause.reference;
}

/* Where calls are seen in windows: how long until a loss has its line? */
static void explain_unsampled(const struct ledger *ledger, const struct witness *w,
			      struct finding *f)
{
	struct ledger_counts counts;
	double sampled;

	ledger_counts(ledger, &counts);
	sampled = w->rate.blocks_per_second * counts.live_share;
	if (counts.windows && sampled > 0)
		give_evidence(f, (struct evidence){EVIDENCE_UNSAMPLED, 1 / sampled,
						   counts.live_share});
}

static void explain(const struct leak_context *context, const struct witness *w, struct finding *f)
{
	const struct lost_evidence *evidence = context->evidence;
	const struct lost_entry *e = w->entry;
	struct evidence pause;

	if (pause_of(evidence, e, &pause))
		give_evidence(f, pause);
	if (e->returned)
		give_evidence(f, (struct evidence){EVIDENCE_RETURNED, (double)e->returned,
						   VERDICT_RETURNED_MAX});
	give_evidence(f, (struct evidence){EVIDENCE_LOOKS, (double)evidence->looks, 0});
	if (e->fresh_count)
		give_evidence(f,
			      (struct evidence){EVIDENCE_UNCHANGED,
						(double)e->unchanged_count / (double)e->fresh_count,
						VERDICT_UNCHANGED_SHARE});
	if (!e->site && context->ledger)
		explain_unsampled(context->ledger, w, f);
	if (e->samples)
		give_evidence(f, (struct evidence){EVIDENCE_SAMPLED, (double)e->sampled,
						   (double)e->samples});
	if (e->indirect_count)
		give_evidence(f, (struct evidence){EVIDENCE_FOLLOWS, (double)e->indirect_count,
						   (double)e->count});
	give_evidence(f, (struct evidence){EVIDENCE_UNREACHABLE, (double)e->count,
					   (double)e->fresh_count});
}

/* The growth by losses, unless the growth of the whole site says the same more exactly. */
static void set_growth(const struct witness *w, struct finding *f)
{
	double wide = f->growth_high - f->growth_low;
	bool agrees = f->growth_low <= w->rate.high && f->growth_high >= w->rate.low;

	if (w->trend && agrees && wide < w->rate.high - w->rate.low)
		return;
	f->growth_bytes_per_second = w->rate.bytes_per_second;
	f->growth_low = w->rate.low;
	f->growth_high = w->rate.high;
}

/* How long until the rate is known well enough. */
static double seconds_to_firm(const struct finding *f, double observed_s)
{
	double wide = fmax(f->growth_high - f->growth_bytes_per_second,
			   f->growth_bytes_per_second - f->growth_low);
	double ratio = wide / (VERDICT_FIRM_RATE * f->growth_bytes_per_second);

	if (ratio <= 1)
		return 0;
	/* An interval shrinks with the root of the time. */
	return fmax(0, fmin(VERDICT_FIRM_LEAK_S, observed_s * ratio * ratio) - observed_s);
}

static bool judge_state(const struct lost_evidence *evidence, const struct witness *w,
			double observed_s, struct finding *f)
{
	double confidence = confidence_of(w);

	if (w->fresh && confidence >= VERDICT_LEAK_CONFIDENCE) {
		set_growth(w, f);
		f->state = VERDICT_LEAKING;
		f->confidence = confidence;
		f->seconds_to_firm = seconds_to_firm(f, observed_s);
		/* Others that are lost later have a stack. */
		if (!w->entry->site)
			f->seconds_to_firm =
				fmax(f->seconds_to_firm, VERDICT_FIRM_LEAK_S - observed_s);
		return true;
	}
	if (!w->trusted)
		return w->trend;
	/* Too few looks to tell whether it goes on. */
	if (w->entry->fresh_count >= VERDICT_LEAK_BLOCKS && w->rate.low > 0 &&
	    evidence->fresh_looks < VERDICT_LEAK_LOOKS) {
		set_growth(w, f);
		f->state = VERDICT_WATCHING;
		f->confidence = fmin(confidence, VERDICT_LEAK_CONFIDENCE);
		f->seconds_to_firm = fmax(1, (VERDICT_LEAK_LOOKS - (double)evidence->fresh_looks) *
						     observed_s / (double)evidence->looks);
		return true;
	}
	if (w->entry->count >= VERDICT_LEAK_BLOCKS && (!w->trend || f->state < VERDICT_GROWING)) {
		f->state = VERDICT_LOST;
		f->confidence = fmin(estimate_logistic(LOGIT_LEAK + LOGIT_LOST + LOGIT_UNCHANGED),
				     VERDICT_MOST_CONFIDENCE);
		f->seconds_to_firm = fmax(0, VERDICT_FIRM_STEADY_S - observed_s);
		return true;
	}
	if (!w->trend && w->entry->fresh_count >= VERDICT_WATCH_LOST && w->rate.low > 0) {
		double missing =
			fmax(1, (double)VERDICT_LEAK_BLOCKS - (double)w->entry->fresh_count);

		set_growth(w, f);
		f->state = VERDICT_WATCHING;
		f->confidence = 0.5;
		f->seconds_to_firm = fmax(1, missing / w->rate.blocks_per_second);
		return true;
	}
	return w->trend;
}

/*
 * Some lost blocks look held: an old pointer to them lies in memory that is in use again. So where most of what a site
 * holds is lost, all of it may be, and the rate as high as that.
 */
static void widen(const struct leak_context *context, struct witness *w)
{
	const struct call_site *site =
		context->ledger ? ledger_site(context->ledger, w->entry->site) : NULL;
	double all;

	if (!site || context->observed_s <= 0 ||
	    w->entry->bytes < VERDICT_MOSTLY_LOST * (double)site->outstanding_bytes)
		return;
	all = (double)site->outstanding_bytes / context->observed_s;
	w->rate.high = fmax(w->rate.high, all);
}

bool leak_judge(const struct leak_context *context, size_t entry, struct finding *found)
{
	const struct lost_evidence *evidence = context->evidence;
	const struct lost_entry *e = &context->entries[entry];
	struct witness w = {
		.entry = e,
		.rate = lost_evidence_rate(evidence, e),
		.trusted = e->returned < VERDICT_RETURNED_MAX,
		.trend = found->evidence_count,
		.survival_low = survival_of(found),
	};

	if (!e->count && !e->returned)
		return w.trend;
	w.fresh = w.trusted && e->fresh_count >= VERDICT_LEAK_BLOCKS && w.rate.low > 0 &&
		  goes_on(evidence, e);
	w.unchanged = e->fresh_count && (double)e->unchanged_count >=
						VERDICT_UNCHANGED_SHARE * (double)e->fresh_count;
	widen(context, &w);
	if (!judge_state(evidence, &w, context->observed_s, found))
		return false;
	if (w.trusted) {
		found->lost_count = e->count;
		found->lost_bytes = e->bytes;
		found->lost_entry = (uint32_t)entry + 1;
		found->oldest_s = e->oldest_ns < context->now_ns
					  ? (double)(context->now_ns - e->oldest_ns) / NS
					  : 0;
	}
	found->site = e->site;
	explain(context, &w, found);
	return true;
}
