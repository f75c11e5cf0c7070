/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verdict/verdict.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "account/gauge/trend.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "verdict/cause.h"
#include "verdict/held.h"
#include "verdict/leak.h"
#include "verdict/lost.h"
#include "verdict/objects.h"
#include "verdict/site.h"

#define NS             1e9
#define MAX_RSS_POINTS 256
#define BOUND_READINGS 6 /* looks that tell how the heap grows */
/* Nothing rises: certain in proportion to the time that a rise had to show itself (.95 at 60 s). */
#define LOGIT_STEADY      (-1.0)
#define LOGIT_STEADY_SEEN 4.0

VEC_STRUCT(finding_vec, struct finding);

struct candidate {
	site_id site;
	uint64_t rise_bytes;
};

VEC_STRUCT(candidate_vec, struct candidate);

DEFINE_CLEANUP(struct verdict *, verdict_free);

static const char *const state_names[] = {
#define X(upper, name) name,
	VERDICT_STATES(X)
#undef X
};

static const char *const evidence_names[] = {
#define X(upper, name) name,
	VERDICT_EVIDENCE(X)
#undef X
};

const char *verdict_state_name(enum verdict_state state)
{
	return (unsigned int)state < VERDICT_STATE_COUNT ? state_names[state] : "";
}

int verdict_state_parse(const char *name, enum verdict_state *ret_state)
{
	for (unsigned int i = 0; i < VERDICT_STATE_COUNT; i++) {
		if (!strcmp(state_names[i], name)) {
			*ret_state = (enum verdict_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *evidence_kind_name(enum evidence_kind kind)
{
	return (unsigned int)kind < EVIDENCE_KIND_COUNT ? evidence_names[kind] : "";
}

static int by_rise(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->rise_bytes != y->rise_bytes)
		return x->rise_bytes < y->rise_bytes ? 1 : -1;
	return x->site < y->site ? -1 : x->site > y->site;
}

static int by_severity(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? 1 : -1;
	if (x->growth_bytes_per_second != y->growth_bytes_per_second)
		return x->growth_bytes_per_second < y->growth_bytes_per_second ? 1 : -1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->site < y->site ? -1 : x->site > y->site;
}

/* Evenly taken readings: a trend needs no more. */
static bool judge_rss(const struct gauge *gauge, uint64_t start_ns, struct process_verdict *p)
{
	size_t all = gauge ? gauge_count(gauge) : 0, first = 0, count = 0;
	size_t step;
	uint64_t time_ns[MAX_RSS_POINTS];
	double rss[MAX_RSS_POINTS];
	struct trend trend;
	const struct sample *last;

	while (first < all && gauge_at(gauge, first)->time_ns < start_ns)
		first++;
	step = (all - first + MAX_RSS_POINTS - 1) / MAX_RSS_POINTS;
	for (size_t i = first; i < all; i += step) {
		time_ns[count] = gauge_at(gauge, i)->time_ns;
		rss[count++] = (double)gauge_at(gauge, i)->rss_bytes;
	}
	if (count < 3 || trend_fit(time_ns, rss, count, &trend) < 0)
		return false;
	p->rss_growth_bytes_per_second = trend.slope_per_second;
	p->rss_growth_low = trend.low;
	p->rss_growth_high = trend.high;
	last = gauge_at(gauge, all - 1);
	p->limit_is_system = last->limit_is_system;
	if (trend.low > 0 && last->limit_bytes > last->limit_usage_bytes)
		p->limit_eta_seconds = (double)(last->limit_bytes - last->limit_usage_bytes) /
				       trend.slope_per_second;
	/* What a warm-up took is not missed once it is over. */
	if (trend.first_third_slope > 0 &&
	    trend.last_third_slope < VERDICT_RSS_OVER * trend.first_third_slope)
		return false;
	return rss[count - 1] - rss[0] >= VERDICT_MIN_RSS_BYTES && trend.low > 0;
}

static int find_candidates(const struct ledger *ledger, struct site_context *context,
			   struct process_verdict *out, struct candidate_vec *ret)
{
	for (size_t i = 0; i < out->site_count; i++) {
		site_id id = (site_id)(i + 1);
		const struct call_site *site = ledger_site(ledger, id);
		bool goes_on = ledger_heir(ledger, id) != 0;
		enum verdict_state flat;
		uint64_t rise = site_survey(context, site, id, &flat);

		if (goes_on)
			flat = VERDICT_STEADY; /* it holds less since its calls count elsewhere */
		out->sites[i].state = (uint8_t)flat;
		if (rise && !goes_on && vec_push(ret, (struct candidate){id, rise}) < 0)
			return -ENOMEM;
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_rise);
	if (ret->count > VERDICT_MAX_FITS)
		ret->count = VERDICT_MAX_FITS;
	return 0;
}

static int judge_sites(const struct ledger *ledger, struct site_context *context,
		       struct process_verdict *out, struct finding_vec *findings)
{
	struct candidate_vec candidates = VEC_INIT;
	int err = find_candidates(ledger, context, out, &candidates);

	for (size_t i = 0; !err && i < candidates.count; i++) {
		site_id id = candidates.items[i].site;
		struct finding f;

		if (!site_judge(context, ledger_site(ledger, id), id, &f))
			continue;
		out->sites[id - 1].state = (uint8_t)f.state;
		out->sites[id - 1].growth_bytes_per_second = f.growth_bytes_per_second;
		err = vec_push(findings, f);
	}
	vec_done(&candidates);
	return err;
}

/* Among those in [first, end). */
static struct finding *finding_of_site(struct finding_vec *findings, size_t first, size_t end,
				       site_id site)
{
	for (size_t i = first; site && i < end; i++)
		if (findings->items[i].site == site)
			return &findings->items[i];
	return NULL;
}

/* What was proved to be lost: into the finding of its site's growth, or one of its own. */
static int judge_lost(const struct verdict_process *in, const struct site_context *context,
		      struct process_verdict *out, struct finding_vec *findings, size_t first)
{
	struct leak_context leak = {
		.evidence = in->lost,
		.ledger = in->ledger,
		.observed_s = (double)(context->now_ns - context->start_ns) / NS,
		.now_ns = context->now_ns,
	};
	size_t growing = findings->count;
	_cleanup_free_ struct lost_entry *entries =
		calloc((in->lost ? in->lost->entries.count : 0) + 1, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	leak.entries = entries;
	if (in->lost)
		lost_evidence_share(in->lost, in->ledger, entries);
	for (size_t i = 0; in->lost && i < in->lost->entries.count; i++) {
		site_id site = in->lost->entries.items[i].site;
		/* A site has one entry: what is added here is not looked for again. */
		struct finding *known = finding_of_site(findings, first, growing, site);
		struct finding f = known ? *known : (struct finding){0};

		if (!leak_judge(&leak, i, &f))
			continue;
		if (site && site <= out->site_count) {
			out->sites[site - 1].state = (uint8_t)f.state;
			out->sites[site - 1].growth_bytes_per_second = f.growth_bytes_per_second;
		}
		if (known)
			*known = f;
		else if (vec_push(findings, f) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Is it growth of a site that only the site itself tells of? Blocks that looks have missed are none that took over. */
static bool is_unproven(const struct verdict_process *in, const struct finding *f)
{
	return f->site && f->state < VERDICT_LOST && f->state != VERDICT_UNTRACED &&
	       f->lost_count < VERDICT_WATCH_LOST &&
	       !site_is_range(ledger_site(in->ledger, f->site)->class);
}

/* The sizes that a good part of its blocks have, as the heap has them: a little more than was asked for. */
static uint64_t sizes_of(const struct call_site *site)
{
	uint64_t sizes = 0, all = 0;

	for (unsigned int i = 0; i < HEAP_SIZE_SLOTS; i++)
		all += histogram_at(&site->size_log2, i);
	for (unsigned int i = 0; i < HEAP_SIZE_SLOTS; i++)
		if ((double)histogram_at(&site->size_log2, i) > VERDICT_SIZE_SHARE * (double)all)
			sizes |= 3ULL << i;
	/* The smallest block has 24 bytes. */
	return sizes & 15 ? sizes | 1 << 4 : sizes;
}

/* How fast the heap's blocks of some sizes grow: a fit costs a millisecond, and many sites share their sizes. */
struct size_growth {
	uint64_t sizes;
	double bytes_per_second;
};

VEC_STRUCT(size_growth_vec, struct size_growth);

/* In the sizes of a finding, whose highest bits no size has. */
#define TOOK_OVER (1ULL << 63)

/* What is known while the findings of a process are looked through. */
struct takeover {
	const struct verdict_process *in;
	const struct finding *findings;
	uint64_t *sizes; /* of each finding's site; 0: it has none */
	size_t count;
	struct size_growth_vec known;
};

/* 1, 0: too few looks, -ENOMEM. */
static int heap_growth(struct takeover *t, uint64_t sizes, double *ret)
{
	struct trend trend;

	for (size_t i = 0; i < t->known.count; i++)
		if (t->known.items[i].sizes == sizes) {
			*ret = t->known.items[i].bytes_per_second;
			return 1;
		}
	if (!cause_heap_trend(t->in->lost, sizes, &trend))
		return 0;
	*ret = trend.slope_per_second;
	return vec_push(&t->known, (struct size_growth){sizes, *ret}) < 0 ? -ENOMEM : 1;
}

/*
 * Blocks from before attach are freed and traced ones come in their place: their sites rise from nothing to what they
 * always held. The heap tells: if its blocks of such sizes, beside those that are lost, do not grow as the sites do, these
 * only took over. 1, 0, -ENOMEM.
 */
static int took_over(struct takeover *t, size_t index)
{
	const struct finding *f = &t->findings[index];
	uint64_t sizes = t->sizes[index];
	double heap, growth = 0, lost = 0;
	int got = heap_growth(t, UINT64_MAX, &heap);

	if (got <= 0)
		return got;
	/* All of it stays as it is: blocks of other sizes made room. */
	if (heap < VERDICT_HEAP_FLAT * f->growth_bytes_per_second)
		return 1;
	got = heap_growth(t, sizes, &heap);
	if (got <= 0)
		return got;
	for (size_t i = 0; i < t->count; i++) {
		const struct finding *other = &t->findings[i];

		if (!(t->sizes[i] & sizes))
			continue;
		if (is_unproven(t->in, other))
			growth += other->growth_bytes_per_second;
		else if (other->state == VERDICT_LEAKING)
			lost += other->growth_bytes_per_second;
	}
	return heap - lost < VERDICT_TAKEOVER * growth;
}

static int takeover_init(struct takeover *t, const struct verdict_process *in,
			 const struct finding_vec *findings, size_t first)
{
	*t = (struct takeover){
		.in = in, .findings = findings->items + first, .count = findings->count - first};
	t->sizes = calloc(t->count ? t->count : 1, sizeof(*t->sizes));
	if (!t->sizes)
		return -ENOMEM;
	for (size_t i = 0; i < t->count; i++)
		if (t->findings[i].site)
			t->sizes[i] = sizes_of(ledger_site(in->ledger, t->findings[i].site));
	return 0;
}

static int drop_takeovers(const struct verdict_process *in, struct process_verdict *out,
			  struct finding_vec *findings, size_t first)
{
	struct ledger_counts counts = {0};
	size_t kept = first;
	struct takeover t;
	int err;

	if (in->ledger)
		ledger_counts(in->ledger, &counts);
	if (!counts.unmatched_frees)
		return 0;
	err = takeover_init(&t, in, findings, first);
	for (size_t i = 0; !err && i < t.count; i++) {
		int over = is_unproven(in, &t.findings[i]) ? took_over(&t, i) : 0;

		err = over < 0 ? over : 0;
		/* Marked only: each is held against all of them. */
		if (over > 0)
			out->sites[t.findings[i].site - 1] =
				(struct site_verdict){.state = VERDICT_STEADY};
		t.sizes[i] |= over > 0 ? TOOK_OVER : 0;
	}
	for (size_t i = 0; !err && i < t.count; i++)
		if (!(t.sizes[i] & TOOK_OVER))
			findings->items[kept++] = t.findings[i];
	if (!err)
		findings->count = kept;
	vec_done(&t.known);
	free(t.sizes);
	return err;
}

/*
 * Where calls are seen in windows, and no look at the heap tells what of the sampled blocks is there still, those may be
 * freed that look held: growth that the resident memory does not show is none.
 */
static void drop_unseen(const struct verdict_process *in, struct process_verdict *out,
			struct finding_vec *findings, size_t first)
{
	struct ledger_counts counts = {0};
	size_t kept = first;

	if (in->ledger)
		ledger_counts(in->ledger, &counts);
	if (!counts.windows || (in->lost && in->lost->reading_count))
		return;
	for (size_t i = first; i < findings->count; i++) {
		const struct finding *f = &findings->items[i];
		bool sampled = is_unproven(in, f) && !ledger_site(in->ledger, f->site)->followed;

		if (!sampled || f->growth_low <= out->rss_growth_high)
			findings->items[kept++] = *f;
		else
			out->sites[f->site - 1] = (struct site_verdict){.state = VERDICT_STEADY};
	}
	findings->count = kept;
}

static void add_point(struct envelope *points, uint64_t time_ns, uint64_t bytes)
{
	points->time_ns[points->count] = time_ns;
	points->bytes[points->count++] = (double)bytes;
}

/* What is held goes up and down with every window where it is estimated: looks count it. */
static void read_live(const struct verdict_process *in, bool estimated, struct envelope *ret)
{
	size_t all = in->gauge ? gauge_count(in->gauge) : 0, step = all / SERIES_MAX_POINTS + 1;

	ret->count = 0;
	for (size_t i = 0; !estimated && i < all; i += step)
		add_point(ret, gauge_at(in->gauge, i)->time_ns,
			  gauge_at(in->gauge, i)->heap_live_bytes);
	for (size_t i = 0; estimated && in->lost && i < in->lost->reading_count; i++)
		add_point(ret, in->lost->readings[i].time_ns, in->lost->readings[i].live_bytes);
}

/*
 * No site grows by more than the heap does, which looks count block by block; what is estimated goes by it. One that was
 * filled anew where blocks of before went looks as if it grew.
 */
static void bound_by_heap(const struct verdict_process *in, struct envelope *scratch,
			  struct finding_vec *findings, size_t first)
{
	struct trend heap;

	if (!in->lost || in->lost->reading_count < BOUND_READINGS)
		return;
	read_live(in, true, scratch);
	if (trend_fit(scratch->time_ns, scratch->bytes, scratch->count, &heap) || heap.low <= 0)
		return;
	for (size_t i = first; i < findings->count; i++) {
		struct finding *f = &findings->items[i];

		if (!is_unproven(in, f) || ledger_site(in->ledger, f->site)->followed)
			continue;
		f->growth_bytes_per_second = fmin(f->growth_bytes_per_second, heap.high);
		f->growth_low = fmin(f->growth_low, heap.low);
		f->growth_high = fmax(f->growth_bytes_per_second, fmin(f->growth_high, heap.high));
	}
}

/* Do the live bytes go up and down again, as a whole? */
static bool live_bytes_swing(const struct verdict_process *in, bool estimated,
			     struct envelope *scratch)
{
	double most = 0;
	struct swings swings;

	read_live(in, estimated, scratch);
	for (size_t i = 0; i < scratch->count; i++)
		most = fmax(most, scratch->bytes[i]);
	swings = envelope_swings(scratch, 0);
	return most >= VERDICT_CYCLIC_PEAK_BYTES && swings.range >= VERDICT_CYCLIC_SWING * most &&
	       swings.periods >= VERDICT_FIRM_PERIODS;
}

/* What the sites that hold a good part of it do: swing, or let go in one go. */
static enum verdict_state flat_state(const struct verdict_process *in,
				     const struct process_verdict *out)
{
	enum verdict_state state = VERDICT_STEADY;
	struct ledger_counts counts;

	if (!in->ledger)
		return state;
	ledger_counts(in->ledger, &counts);
	for (size_t i = 0; i < out->site_count; i++) {
		const struct call_site *site = ledger_site(in->ledger, (site_id)(i + 1));

		if (out->sites[i].state <= VERDICT_BACKLOG && out->sites[i].state > state &&
		    (double)site->peak_bytes >= VERDICT_CYCLIC_SWING * (double)counts.peak_bytes)
			state = (enum verdict_state)out->sites[i].state;
	}
	return state;
}

static void overall_evidence(struct verdict *v, enum evidence_kind kind, struct evidence what)
{
	what.kind = kind;
	if (v->evidence_count < VERDICT_MAX_EVIDENCE)
		v->evidence[v->evidence_count++] = what;
}

/* Sums of the findings; their errors are independent, so the half widths add as squares. */
static void sum_findings(struct verdict *v, const struct finding *findings, size_t count,
			 double *ret_growth)
{
	double low = 0, high = 0;

	for (size_t i = 0; i < count; i++) {
		const struct finding *f = &findings[i];
		double below = f->growth_bytes_per_second - f->growth_low;
		double above = f->growth_high - f->growth_bytes_per_second;

		/* Worst first: beside what is sure, what may be is not added up. */
		if (findings[0].state > VERDICT_WATCHING && f->state <= VERDICT_WATCHING)
			break;
		*ret_growth += f->growth_bytes_per_second;
		low += below * below;
		high += above * above;
	}
	v->growth_bytes_per_second = *ret_growth;
	v->growth_low = *ret_growth - sqrt(low);
	v->growth_high = *ret_growth + sqrt(high);
}

static bool is_any_running(const struct verdict *v)
{
	for (size_t i = 0; i < v->process_count; i++)
		if (!v->processes[i].ended)
			return true;
	return false;
}

/* What children held that came and went says nothing of what becomes of their parent. */
static bool counts(const struct verdict *v, const struct process_verdict *p)
{
	return !p->ended || !is_any_running(v);
}

static void sum_processes(struct verdict *v)
{
	double below = 0, above = 0;

	for (size_t i = 0; i < v->process_count; i++) {
		const struct process_verdict *p = &v->processes[i];
		double share = v->observed_seconds > 0 ? p->observed_seconds / v->observed_seconds
						       : 0;
		double low = share * (p->rss_growth_bytes_per_second - p->rss_growth_low);
		double high = share * (p->rss_growth_high - p->rss_growth_bytes_per_second);

		if (!counts(v, p))
			continue;
		v->rss_growth_bytes_per_second += share * p->rss_growth_bytes_per_second;
		below += low * low;
		above += high * high;
		if (p->limit_eta_seconds > 0 &&
		    (!v->limit_eta_seconds || p->limit_eta_seconds < v->limit_eta_seconds)) {
			v->limit_eta_seconds = p->limit_eta_seconds;
			v->limit_is_system = p->limit_is_system;
		}
	}
	v->rss_growth_low = v->rss_growth_bytes_per_second - sqrt(below);
	v->rss_growth_high = v->rss_growth_bytes_per_second + sqrt(above);
}

static double steady_confidence(double observed_seconds)
{
	double seen = fmin(1, observed_seconds / VERDICT_FIRM_STEADY_S);

	return estimate_logistic(LOGIT_STEADY + LOGIT_STEADY_SEEN * seen);
}

static void judge_flat(struct verdict *v)
{
	v->state = VERDICT_STEADY;
	for (size_t i = 0; i < v->process_count; i++)
		if (v->processes[i].state > v->state)
			v->state = v->processes[i].state;
	v->confidence = steady_confidence(v->observed_seconds);
	v->seconds_to_firm = fmax(0, VERDICT_FIRM_STEADY_S - v->observed_seconds);
	overall_evidence(v, EVIDENCE_DURATION,
			 (struct evidence){.value = v->observed_seconds,
					   .reference = VERDICT_FIRM_STEADY_S});
}

/* What else explains it is a word of its own, and firm as soon as steady would be. */
static void judge_causes(struct verdict *v)
{
	const struct process_verdict *worst = NULL;

	for (size_t i = 0; i < v->process_count; i++) {
		const struct process_verdict *p = &v->processes[i];

		if (p->cause_known && counts(v, p) &&
		    (!worst || p->rss_growth_bytes_per_second > worst->rss_growth_bytes_per_second))
			worst = p;
	}
	if (!worst)
		return;
	v->state = worst->cause;
	v->confidence = steady_confidence(v->observed_seconds);
	v->seconds_to_firm = fmax(0, VERDICT_FIRM_STEADY_S - v->observed_seconds);
	overall_evidence(v, worst->cause_evidence.kind, worst->cause_evidence);
}

/* RSS that grows while the sites do not say why must not pass as steady. */
static void judge_unexplained(struct verdict *v)
{
	double rss = v->rss_growth_bytes_per_second, told = v->growth_bytes_per_second;
	bool rose = false;

	/* What was lost once does not grow: what is only watched explains it. */
	for (size_t i = 0; v->state == VERDICT_LOST && i < v->finding_count; i++)
		if (v->findings[i].state == VERDICT_WATCHING)
			told += v->findings[i].growth_bytes_per_second;
	v->explained_percent = 100;
	for (size_t i = 0; i < v->process_count; i++)
		rose |= v->processes[i].rss_rose && counts(v, &v->processes[i]);
	if (!rose || v->rss_growth_low <= 0)
		return;
	v->explained_percent = fmin(100, 100 * told / rss);
	if (v->explained_percent >= VERDICT_MIN_EXPLAINED_PERCENT)
		return;
	overall_evidence(v, EVIDENCE_UNEXPLAINED, (struct evidence){.value = rss - told});
	if (v->state < VERDICT_WATCHING) {
		v->state = VERDICT_WATCHING;
		v->seconds_to_firm = fmax(0, VERDICT_FIRM_GROWTH_S - v->observed_seconds);
		v->confidence = 0.5;
	}
	if (v->state == VERDICT_WATCHING)
		judge_causes(v);
}

/* What was lost once is sure soon, and is no last word while something else is being lost of which that is not yet so. */
static void wait_for_losses(struct verdict *v)
{
	for (size_t i = 0; i < v->finding_count; i++) {
		const struct finding *f = &v->findings[i];

		if (f->state == VERDICT_WATCHING && f->lost_count)
			v->seconds_to_firm = fmax(v->seconds_to_firm, f->seconds_to_firm);
	}
}

static void judge_overall(struct verdict *v)
{
	double growth = 0;

	sum_findings(v, v->findings, v->finding_count, &growth);
	sum_processes(v);
	if (v->finding_count) {
		const struct finding *worst = &v->findings[0];

		v->state = worst->state;
		v->confidence = worst->confidence;
		v->seconds_to_firm = worst->seconds_to_firm;
		if (worst->state == VERDICT_WARMING)
			v->seconds_to_firm = fmax(0, VERDICT_FIRM_STEADY_S - v->observed_seconds);
		if (worst->state == VERDICT_LOST)
			wait_for_losses(v);
		v->evidence_count = worst->evidence_count;
		memcpy(v->evidence, worst->evidence, sizeof(v->evidence));
	} else {
		judge_flat(v);
	}
	judge_unexplained(v);
}

/* Pieces that a runtime's allocator maps for itself: what is in them has types. */
static bool is_arena(const struct verdict_process *in, const struct finding *f)
{
	const struct call_site *site = f->site ? ledger_site(in->ledger, f->site) : NULL;

	return site && site->class == SITE_MAPPING && in->objects->arena_bytes &&
	       site->alloc_bytes == site->allocs * in->objects->arena_bytes;
}

/* Types that grow, in place of the arenas that they lie in. */
static int judge_objects(const struct verdict_process *in, struct site_context *context,
			 struct process_verdict *out, struct finding_vec *findings, size_t first)
{
	const struct object_context objects = {in->objects, in->start_ns, context->now_ns};
	size_t kept = first;
	int err = 0;

	if (!in->objects)
		return 0;
	for (size_t i = first; i < findings->count; i++) {
		const struct finding *f = &findings->items[i];

		if (is_arena(in, f))
			out->sites[f->site - 1] = (struct site_verdict){.state = VERDICT_STEADY};
		else
			findings->items[kept++] = *f;
	}
	findings->count = kept;
	for (size_t i = 0; !err && i < in->objects->type_count; i++) {
		struct finding finding;

		if (object_judge(&objects, i, &finding))
			err = vec_push(findings, finding);
	}
	return err;
}

static int judge_process(const struct verdict_process *in, struct site_context *context,
			 struct process_verdict *out, struct finding_vec *findings)
{
	size_t first = findings->count, sites = in->ledger ? ledger_site_count(in->ledger) : 0;
	_cleanup_free_ struct ledger_estimate *estimates = NULL;
	bool rose;
	int err;

	out->pid = in->pid;
	out->ended = in->ended;
	if (context->now_ns > in->start_ns)
		out->observed_seconds = (double)(context->now_ns - in->start_ns) / NS;
	out->sites = calloc(sites ? sites : 1, sizeof(*out->sites));
	if (!out->sites)
		return -ENOMEM;
	out->site_count = sites;
	rose = judge_rss(in->gauge, in->start_ns, out);
	out->rss_rose = rose;
	context->series = in->series;
	context->start_ns = in->start_ns;
	context->rss_growth = rose ? out->rss_growth_bytes_per_second : 0;
	err = verdict_estimate(in->ledger, in->lost, &estimates);
	context->estimates = estimates;
	out->held = held_by_sites(in->ledger, estimates);
	if (!err)
		err = judge_sites(in->ledger, context, out, findings);
	context->estimates = NULL;
	if (!err)
		err = judge_lost(in, context, out, findings, first);
	if (!err)
		err = drop_takeovers(in, out, findings, first);
	if (err)
		return err;
	drop_unseen(in, out, findings, first);
	if (estimates)
		bound_by_heap(in, &context->envelope, findings, first);
	err = judge_objects(in, context, out, findings, first);
	if (err)
		return err;
	for (size_t i = first; i < findings->count; i++)
		if (findings->items[i].state > out->state)
			out->state = findings->items[i].state;
	if (rose)
		out->cause_known = cause_find(in, out->rss_growth_bytes_per_second, &out->cause,
					      &out->cause_evidence);
	if (findings->count == first)
		out->state = live_bytes_swing(in, out->held.estimated, &context->envelope)
				     ? VERDICT_CYCLIC
				     : flat_state(in, out);
	return 0;
}

static int judge_all(struct verdict *v, const struct verdict_process *in, uint64_t now_ns)
{
	struct site_context context = {.now_ns = now_ns};
	struct finding_vec findings = VEC_INIT;
	int err = 0;

	for (size_t i = 0; i < v->process_count && !err; i++) {
		size_t first = findings.count;

		err = judge_process(&in[i], &context, &v->processes[i], &findings);
		v->observed_seconds = fmax(v->observed_seconds, v->processes[i].observed_seconds);
		for (size_t j = first; j < findings.count; j++)
			findings.items[j].process = (uint32_t)i;
	}
	if (findings.count)
		qsort(findings.items, findings.count, sizeof(*findings.items), by_severity);
	v->findings = findings.items;
	v->finding_count = findings.count;
	if (!err)
		judge_overall(v);
	return err;
}

int verdict_judge(const struct verdict_process *processes, size_t process_count, uint64_t now_ns,
		  struct verdict **ret_verdict)
{
	_cleanup_(verdict_freep) struct verdict *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->processes = calloc(process_count ? process_count : 1, sizeof(*v->processes));
	if (!v->processes)
		return -ENOMEM;
	v->process_count = process_count;
	err = judge_all(v, processes, now_ns);
	if (err)
		return err;
	*ret_verdict = no_free_ptr(v);
	return 0;
}

void verdict_free(struct verdict *verdict)
{
	if (!verdict)
		return;
	for (size_t i = 0; verdict->processes && i < verdict->process_count; i++)
		free(verdict->processes[i].sites);
	free(verdict->processes);
	free(verdict->findings);
	free(verdict);
}

enum verdict_state verdict_state_so_far(enum verdict_state state, double observed_seconds)
{
	return state == VERDICT_STEADY && steady_confidence(observed_seconds) < 0.5
		       ? VERDICT_WATCHING
		       : state;
}

bool verdict_is_firm(const struct verdict *verdict)
{
	return verdict->state != VERDICT_WATCHING && verdict->seconds_to_firm <= 0;
}
