/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/build.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fixed, so that an id is the same in every run. */
#define ID_SEED 0x686f6c6466617374ull

/* What names a frame in every run of the same binaries: no load address, no folder, no pid. */
static uint64_t hash_frame(const struct report_frame *frame, uint64_t hash)
{
	const char *module = report_basename(frame->module);
	uint64_t place = *frame->function ? frame->line : frame->address;

	hash = hash_bytes(module, strlen(module), hash);
	hash = hash_bytes(frame->function, strlen(frame->function), hash);
	hash = hash_bytes(frame->file, strlen(frame->file), hash);
	return hash_u64(place, hash);
}

static int make_id(struct report_builder *b, struct report_finding *f)
{
	uint64_t hash = hash_bytes(f->allocator, strlen(f->allocator), ID_SEED);
	char text[17];

	/* Without a stack a type and a size are all that names it. */
	if (!f->stack.depth) {
		hash = hash_bytes(f->type, strlen(f->type), hash);
		hash = hash_u64(f->outstanding_count ? f->outstanding_bytes / f->outstanding_count
						     : 0,
				hash);
	}
	for (uint32_t i = 0; i < f->stack.depth; i++)
		hash = hash_frame(&b->store.frames.items[f->stack.frames[i]], hash);
	snprintf(text, sizeof(text), "%016" PRIx64, hash);
	return report_store_string(&b->store, text, &f->id);
}

static int by_outstanding(const void *a, const void *b)
{
	const struct report_site *x = a, *y = b;

	if (x->outstanding_bytes != y->outstanding_bytes)
		return x->outstanding_bytes < y->outstanding_bytes ? 1 : -1;
	if (x->alloc_bytes != y->alloc_bytes)
		return x->alloc_bytes < y->alloc_bytes ? 1 : -1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return strcmp(x->allocator, y->allocator);
}

static int by_severity(const void *a, const void *b)
{
	const struct report_finding *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? 1 : -1;
	if (x->growth_bytes_per_second != y->growth_bytes_per_second)
		return x->growth_bytes_per_second < y->growth_bytes_per_second ? 1 : -1;
	if (x->outstanding_bytes != y->outstanding_bytes)
		return x->outstanding_bytes < y->outstanding_bytes ? 1 : -1;
	return strcmp(x->id, y->id);
}

static int by_census_bytes(const void *a, const void *b)
{
	const struct report_census *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	return strcmp(x->type, y->type);
}

static int by_span_bytes(const void *a, const void *b)
{
	const struct report_span *x = a, *y = b;
	int order = strcmp(x->span, y->span);

	if (x->outstanding_bytes != y->outstanding_bytes)
		return x->outstanding_bytes < y->outstanding_bytes ? 1 : -1;
	if (!order)
		order = strcmp(x->key, y->key);
	return order ? order : x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int by_fault_count(const void *a, const void *b)
{
	const struct report_fault *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->kind, y->kind);
}

static int finish_sites(struct report_builder *b)
{
	struct report_site *sites = arena_zalloc(&b->store.arena, b->sites.count * sizeof(*sites));

	if (!sites)
		return -ENOMEM;
	for (size_t i = 0; i < b->sites.count; i++) {
		const struct build_site *s = &b->sites.items[i];

		sites[i] = (struct report_site){
			.pid = s->pid,
			.state = (enum verdict_state)s->state,
			.stack = b->store.stacks.items[s->stack],
			.allocator = s->allocator,
			.allocs = s->allocs,
			.frees = s->frees,
			.alloc_bytes = s->alloc_bytes,
			.outstanding_bytes = s->outstanding_bytes,
			.outstanding_count = s->outstanding_count,
			.peak_bytes = s->peak_bytes,
			.temporary_count = s->temporary_count,
			.growth_bytes_per_second = s->growth,
			.estimated = s->estimated,
			.interval_low = s->interval_low,
			.interval_high = s->interval_high,
			.lifetime_ns_log2 = s->lifetime.slots,
			.lifetime_slots = s->lifetime.count,
			.size_log2 = s->size.slots,
			.size_slots = s->size.count,
		};
	}
	if (b->sites.count)
		qsort(sites, b->sites.count, sizeof(*sites), by_outstanding);
	b->store.report->sites = sites;
	b->store.report->site_count = b->options.site_max && b->options.site_max < b->sites.count
					      ? b->options.site_max
					      : b->sites.count;
	return 0;
}

/* What of a finding comes from its site. */
static void take_site(struct report_builder *b, const struct build_finding *in,
		      struct report_finding *f)
{
	const struct build_site *s = &b->sites.items[in->site];

	f->outstanding_bytes = s->outstanding_bytes;
	f->outstanding_count = s->outstanding_count;
	f->oldest_s = s->age_s;
	f->estimated = s->estimated;
	f->allocator = s->allocator;
	f->stack = b->store.stacks.items[s->stack];
}

static int finish_finding(struct report_builder *b, const struct build_finding *in,
			  struct report_finding *f)
{
	_cleanup_(strbuf_done) struct strbuf sb = STRBUF_INIT;
	struct report view = *b->store.report; /* its lists are finished, its frames not */
	uint64_t allocs = in->site == NO_SITE ? 0 : b->sites.items[in->site].allocs;
	int err;

	view.frames = b->store.frames.items;
	view.frame_count = b->store.frames.count;
	*f = (struct report_finding){
		.pid = in->pid,
		.state = in->of.state,
		.confidence = report_finite(in->of.confidence),
		.growth_bytes_per_second = in->growth,
		.growth_low = in->growth - sqrt(in->below2),
		.growth_high = in->growth + sqrt(in->above2),
		.seconds_to_firm = report_finite(in->of.seconds_to_firm),
		.outstanding_bytes = in->outstanding_bytes,
		.outstanding_count = in->outstanding_count,
		.lost_count = in->lost_count,
		.lost_bytes = in->lost_bytes,
		.oldest_s = in->oldest_s,
		.component = in->component ? in->component : "",
		.allocator = in->allocator,
		.type = in->type,
		.held_by = in->held_by,
		.evidence_count = in->of.evidence_count,
	};
	if (in->site != NO_SITE)
		take_site(b, in, f);
	else
		f->stack = b->store.stacks.items[in->stack];
	/* A site may hold older blocks than those that are lost. */
	if (f->lost_count && in->oldest_s > 0)
		f->oldest_s = in->oldest_s;
	err = report_copy_evidence(b, in->of.evidence, in->of.evidence_count, &f->evidence);
	if (err)
		return err;
	advice_add_recommendation(&sb, &view, f, allocs);
	err = sb.failed ? -ENOMEM : report_store_string(&b->store, sb.buf, &f->recommendation);
	return err ? err : make_id(b, f);
}

static int finish_findings(struct report_builder *b)
{
	struct report_finding *findings =
		arena_zalloc(&b->store.arena, b->findings.count * sizeof(*findings));

	if (!findings)
		return -ENOMEM;
	for (size_t i = 0; i < b->findings.count; i++) {
		int err = finish_finding(b, &b->findings.items[i], &findings[i]);

		if (err)
			return err;
	}
	if (b->findings.count)
		qsort(findings, b->findings.count, sizeof(*findings), by_severity);
	b->store.report->findings = findings;
	b->store.report->finding_count = b->findings.count;
	return 0;
}

static int finish_faults(struct report_builder *b)
{
	struct report_fault *faults =
		arena_zalloc(&b->store.arena, b->faults.count * sizeof(*faults));

	if (!faults)
		return -ENOMEM;
	for (size_t i = 0; i < b->faults.count; i++)
		faults[i] = (struct report_fault){
			.pid = b->faults.items[i].pid,
			.stack = b->store.stacks.items[b->faults.items[i].stack],
			.kind = b->faults.items[i].kind,
			.count = b->faults.items[i].count,
		};
	if (b->faults.count)
		qsort(faults, b->faults.count, sizeof(*faults), by_fault_count);
	b->store.report->faults = faults;
	b->store.report->fault_count = b->faults.count;
	return 0;
}

/* Share of the distinct frames that have a name. */
static double symbols_percent(const struct report_builder *b)
{
	size_t named = 0;

	if (!b->store.frames.count)
		return 100;
	for (size_t i = 0; i < b->store.frames.count; i++)
		named += *b->store.frames.items[i].function != '\0';
	return 100.0 * (double)named / (double)b->store.frames.count;
}

static int finish_lists(struct report_builder *b)
{
	struct report *r = b->store.report;
	const void *array;
	int err;

#define FINISH(vec, field, counter)                                                          \
	err = report_store_array(&b->store, (vec).items, (vec).count * sizeof(*(vec).items), \
				 &array);                                                    \
	if (err)                                                                             \
		return err;                                                                  \
	(field) = array;                                                                     \
	(counter) = (vec).count

	FINISH(b->processes, r->processes, r->process_count);
	FINISH(b->plan, r->capture.plan, r->capture.plan_count);
	FINISH(b->notes, r->quality.notes, r->quality.note_count);
	FINISH(b->samples, r->memory.series, r->memory.series_count);
	if (b->census.count)
		qsort(b->census.items, b->census.count, sizeof(*b->census.items), by_census_bytes);
	FINISH(b->census, r->census, r->census_count);
	FINISH(b->pythons, r->pythons, r->python_count);
	if (b->spans.count)
		qsort(b->spans.items, b->spans.count, sizeof(*b->spans.items), by_span_bytes);
	FINISH(b->spans, r->spans, r->span_count);
#undef FINISH
	return 0;
}

int report_builder_finish(struct report_builder *b, struct report **ret_report)
{
	int err = finish_lists(b);

	if (!err)
		err = report_assign_components(b);
	if (!err)
		err = finish_sites(b);
	if (!err)
		err = finish_findings(b);
	if (!err)
		err = finish_faults(b);
	if (err)
		return err;
	b->store.report->quality.symbols_percent = symbols_percent(b);
	return report_store_finish(&b->store, ret_report);
}
