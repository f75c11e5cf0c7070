/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verdict/objects.h"

#include <math.h>

#include "account/gauge/trend.h"
#include "verdict/estimate.h"
#include "verdict/verdict.h"

#define NS 1e9
/* As for sites (site.c): what a trend alone is worth, what is taken off for time that is missing. */
#define LOGIT_GROWING 0.75
#define LOGIT_SHORT   3.0
#define LOGIT_WARMING 1.75
/* Objects proved lost in so many looks: as sure as the leak's formula gets for blocks. */
#define LOGIT_LOST 3.0
#define LOGIT_LOOK 0.3

/* What is fitted: a number of each point. */
struct fit {
	struct envelope envelope;
	struct trend trend;
};

static uint64_t lost_at(const struct object_evidence *evidence, const struct object_point *p)
{
	return p->overcounted + (evidence->collects ? 0 : p->circles);
}

static bool fit_bytes(const struct object_type *type, struct fit *fit)
{
	fit->envelope.count = type->count;
	for (size_t i = 0; i < type->count; i++) {
		fit->envelope.time_ns[i] = type->points[i].time_ns;
		fit->envelope.bytes[i] = (double)type->points[i].bytes;
	}
	return !trend_fit(fit->envelope.time_ns, fit->envelope.bytes, type->count, &fit->trend) &&
	       fit->trend.z > VERDICT_Z && fit->trend.low > 0;
}

static bool fit_lost(const struct object_evidence *evidence, const struct object_type *type,
		     struct fit *fit)
{
	fit->envelope.count = type->count;
	for (size_t i = 0; i < type->count; i++) {
		const struct object_point *p = &type->points[i];

		fit->envelope.time_ns[i] = p->time_ns;
		fit->envelope.bytes[i] = (double)lost_at(evidence, p);
	}
	return !trend_fit(fit->envelope.time_ns, fit->envelope.bytes, type->count, &fit->trend) &&
	       fit->trend.low > 0;
}

static void give(struct finding *f, enum evidence_kind kind, double value, double reference)
{
	if (f->evidence_count < VERDICT_MAX_EVIDENCE)
		f->evidence[f->evidence_count++] = (struct evidence){kind, value, reference};
}

static double observed_s(const struct object_context *context)
{
	return context->now_ns > context->start_ns
		       ? (double)(context->now_ns - context->start_ns) / NS
		       : 0;
}

static void tell_lost(const struct object_evidence *evidence, const struct object_point *last,
		      struct finding *f)
{
	if (last->overcounted)
		give(f, EVIDENCE_OVERCOUNTED, (double)last->overcounted, 0);
	if (last->circles && !evidence->collects)
		give(f, EVIDENCE_CIRCLES, (double)last->circles, 0);
}

/* What nothing holds, and becomes more from look to look. */
static bool judge_lost(const struct object_context *context, const struct object_type *type,
		       struct finding *f)
{
	const struct object_point *first = &type->points[0], *last = &type->points[type->count - 1];
	uint64_t before = lost_at(context->evidence, first), now = lost_at(context->evidence, last);
	double each = last->count ? (double)last->bytes / (double)last->count : 0, low, high;
	struct fit fit;

	if (now < VERDICT_LEAK_BLOCKS)
		return false;
	f->lost_count = now;
	f->lost_bytes = (uint64_t)(each * (double)now);
	tell_lost(context->evidence, last, f);
	give(f, EVIDENCE_LOOKS, (double)type->count, 0);
	f->state = VERDICT_LOST;
	f->confidence = VERDICT_LEAK_CONFIDENCE;
	f->seconds_to_firm = fmax(0, VERDICT_FIRM_LEAK_S - observed_s(context));
	if (type->count < VERDICT_LEAK_LOOKS + 1 || now < before + VERDICT_LEAK_BLOCKS ||
	    !fit_lost(context->evidence, type, &fit))
		return last->overcounted >= VERDICT_LEAK_BLOCKS;
	estimate_poisson_factors((double)(now - before), &low, &high);
	f->growth_bytes_per_second = fit.trend.slope_per_second * each;
	f->growth_low = fmin(fit.trend.low, fit.trend.slope_per_second * low) * each;
	f->growth_high = fmax(fit.trend.high, fit.trend.slope_per_second * high) * each;
	f->state = VERDICT_LEAKING;
	if (!type->unplaced)
		f->seconds_to_firm = 0;
	f->confidence = fmin(VERDICT_MOST_CONFIDENCE,
			     estimate_logistic(LOGIT_LOST + LOGIT_LOOK * (double)type->count));
	return true;
}

/* In its last third it rises far slower than in its first. */
static bool is_slowing(const struct fit *fit, double observed)
{
	double first, last;

	envelope_thirds(&fit->envelope, &first, &last);
	return fit->envelope.count >= VERDICT_WARMING_POINTS && observed >= VERDICT_WARMING_S &&
	       first > 0 && last < VERDICT_DECELERATION * first;
}

static bool judge_growth(const struct object_context *context, const struct object_type *type,
			 struct finding *f)
{
	const struct object_point *first = &type->points[0], *last = &type->points[type->count - 1];
	double observed = observed_s(context), missing, low, high;
	struct fit fit;

	if (last->count < first->count + VERDICT_MIN_BLOCKS || !fit_bytes(type, &fit) ||
	    envelope_rise_count(&fit.envelope) < VERDICT_MIN_RISES)
		return false;
	missing = fmax(0, 1 - observed / VERDICT_FIRM_GROWTH_S);
	estimate_poisson_factors((double)(last->count - first->count), &low, &high);
	f->growth_bytes_per_second = fit.trend.slope_per_second;
	f->growth_low = fmin(fit.trend.low, fit.trend.slope_per_second * low);
	f->growth_high = fmax(fit.trend.high, fit.trend.slope_per_second * high);
	f->state = VERDICT_WATCHING;
	f->confidence = estimate_logistic(LOGIT_GROWING - LOGIT_SHORT * missing);
	if (is_slowing(&fit, observed)) {
		f->state = VERDICT_WARMING;
		f->confidence = estimate_logistic(LOGIT_WARMING - missing);
	} else if (!missing) {
		f->state = VERDICT_GROWING;
	} else {
		f->seconds_to_firm = VERDICT_FIRM_GROWTH_S - observed;
	}
	give(f, EVIDENCE_TREND, fit.trend.z, (double)type->count);
	give(f, EVIDENCE_DURATION, observed, VERDICT_FIRM_GROWTH_S);
	return true;
}

bool object_judge(const struct object_context *context, size_t index, struct finding *ret)
{
	const struct object_type *type = &context->evidence->types[index];
	struct finding finding = {.object_type = (uint32_t)index + 1};

	if (!type->count || type->count > SERIES_MAX_POINTS)
		return false;
	if (!judge_lost(context, type, &finding)) {
		finding = (struct finding){.object_type = (uint32_t)index + 1};
		if (!judge_growth(context, type, &finding))
			return false;
	}
	*ret = finding;
	return true;
}
