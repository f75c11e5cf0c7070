// SPDX-License-Identifier: GPL-2.0-or-later
/* From a session's state to the builder of the report. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "session/build_heap.h"
#include "session/build_python.h"
#include "session/build_quality.h"
#include "session/build_threads.h"
#include "session/resolve.h"
#include "session/session_internal.h"
#include "session/spans.h"

#define SNAPSHOT_MAX_BYTES (16u << 20)

/* One report in the making. */
struct build {
	struct session *session;
	const struct build_options *options;
	struct report_builder *builder;
	struct resolver *resolver;
	struct map64 findings; /* process index << 32 | site id -> finding index */
	struct site_part_vec parts;
};

static const char *class_name(const struct session *session, uint8_t class)
{
	static const char *const names[] = {
		[SITE_HEAP] = "malloc", [SITE_NEW] = "new",     [SITE_MAPPING] = "mmap",
		[SITE_BREAK] = "brk",   [SITE_STACK] = "stack",
	};
	size_t custom = class - SITE_CUSTOM;

	if (class < SITE_CUSTOM)
		return names[class];
	for (size_t i = 0; i < session->options.spec_count; i++) {
		const struct allocator_spec *spec = &session->options.specs[i];

		if (spec->cookie.function == HF_FN_CUSTOM + custom && spec->cookie.op != HF_OP_FREE)
			return spec->symbol;
	}
	return "private";
}

/* The trace without the allocator itself: stacks start at its caller. */
static void cut_allocator(struct build *build, uint8_t class, struct stack_trace *trace)
{
	uint16_t cut = 0;

	/* Those of heap blocks begin there already: the kernel side starts its walk at the caller. */
	if (!site_is_range(class))
		return;
	while (cut + 1 < trace->depth &&
	       report_is_mapping_call(resolver_function(build->resolver, trace, cut)))
		cut++;
	trace->pcs += cut;
	trace->depth -= cut;
}

static const struct process_verdict *verdict_of(const struct build *build, size_t process)
{
	const struct verdict *verdict = build->options->verdict;

	return verdict && process < verdict->process_count ? &verdict->processes[process] : NULL;
}

static const struct finding *finding_of(const struct build *build, size_t process, site_id site)
{
	uint64_t index;

	if (!map64_get(&build->findings, (uint64_t)process << 32 | site, &index))
		return NULL;
	return &build->options->verdict->findings[index];
}

static int index_findings(struct build *build)
{
	const struct verdict *verdict = build->options->verdict;
	int err = 0;

	for (size_t i = 0; !err && verdict && i < verdict->finding_count; i++) {
		const struct finding *f = &verdict->findings[i];

		err = map64_put(&build->findings, (uint64_t)f->process << 32 | f->site, i);
	}
	return err;
}

/* A site as the report takes it: borrowed from the accounts, or a frozen copy of it. */
struct chosen {
	uint64_t bytes; /* outstanding: the order */
	size_t process; /* in accounts and verdict */
	site_id id;
	int pid;
	const struct call_site *site;
	const struct stack_trace *trace; /* NULL: none */
	bool estimated;
	struct ledger_estimate estimate;
	size_t first_part, part_count; /* by threads: of build.parts */
};

VEC_STRUCT(chosen_vec, struct chosen);

/* What fell into windows stands for all. */
static void scale(const struct call_site *site, const struct ledger_estimate *estimate,
		  struct call_site *ret)
{
	*ret = *site;
	ret->allocs = (uint64_t)llround(estimate->allocs);
	ret->alloc_bytes = (uint64_t)llround(estimate->alloc_bytes);
	ret->outstanding_count = (uint64_t)llround(estimate->outstanding_count);
	ret->outstanding_bytes = (uint64_t)llround(estimate->outstanding_bytes);
	ret->frees = ret->allocs > ret->outstanding_count ? ret->allocs - ret->outstanding_count
							  : 0;
	if (ret->peak_bytes < ret->outstanding_bytes)
		ret->peak_bytes = ret->outstanding_bytes;
}

static int add_site(struct build *build, const struct chosen *chosen)
{
	const struct process_verdict *verdict = verdict_of(build, chosen->process);
	const struct call_site *site = chosen->site;
	struct stack_trace trace = {0};
	struct call_site scaled;
	_cleanup_(strbuf_done) struct strbuf type = STRBUF_INIT, held_by = STRBUF_INIT;
	struct report_site_input input = {
		.pid = chosen->pid,
		.site = chosen->estimated ? &scaled : site,
		.estimated = chosen->estimated,
		.interval_low = chosen->estimate.outstanding_low,
		.interval_high = chosen->estimate.outstanding_high,
		.trace = &trace,
		.allocator = class_name(build->session, site->class),
		.finding = finding_of(build, chosen->process, chosen->id),
		.age_s = (double)(build->options->now_ns - site->first_ns) / 1e9,
		.parts = chosen->part_count ? build->parts.items + chosen->first_part : NULL,
		.part_count = chosen->part_count,
	};

	if (!site->allocs && !site->inherited_count)
		return 0;
	if (chosen->estimated)
		scale(site, &chosen->estimate, &scaled);
	if (verdict && chosen->id <= verdict->site_count)
		input.verdict = &verdict->sites[chosen->id - 1];
	if (chosen->trace)
		trace = *chosen->trace;
	cut_allocator(build, site->class, &trace);
	if (input.finding)
		build_heap_finding(build->session, chosen->pid, input.finding, &type, &held_by);
	if (type.failed || held_by.failed)
		return -ENOMEM;
	input.type = type.buf;
	input.held_by = held_by.buf;
	return report_builder_add_site(build->builder, &input);
}

static int most_bytes_first(const void *a, const void *b)
{
	const struct chosen *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

static double factor_of(const struct chosen *chosen)
{
	return chosen->estimated && chosen->site->outstanding_bytes
		       ? chosen->estimate.outstanding_bytes /
				 (double)chosen->site->outstanding_bytes
		       : 1;
}

static int list_sites(struct build *build, size_t process, struct chosen_vec *ret)
{
	const struct session *session = build->session;
	const struct accounts *accounts = session->accounts;
	const struct account *account = accounts_at(accounts, process);
	size_t count = ledger_site_count(account->ledger);
	_cleanup_free_ struct ledger_estimate *estimates = NULL;
	const struct member *member = members_newest(session, account->pid);
	_cleanup_(thread_parts_done) struct thread_part_vec parts = VEC_INIT;
	size_t at = 0;
	int err = vec_reserve(ret, count);

	if (!err)
		err = thread_parts_list(account->ledger, &parts);
	if (!err)
		err = verdict_estimate(account->ledger, member ? &member->look.evidence : NULL,
				       &estimates);
	for (site_id id = 1; !err && id <= count; id++) {
		const struct call_site *site = ledger_site(account->ledger, id);
		struct chosen chosen = {
			.bytes = site->outstanding_bytes,
			.process = process,
			.id = id,
			.pid = account->pid,
			.site = site,
			.trace = stack_table_at(accounts_stacks(accounts), site->stack),
			.estimated = estimates && !site->followed,
			.first_part = build->parts.count,
		};

		if (chosen.estimated) {
			chosen.estimate = estimates[id - 1];
			chosen.bytes = (uint64_t)llround(chosen.estimate.outstanding_bytes);
		}
		err = thread_parts_take(&parts, id, factor_of(&chosen), &at, &build->parts);
		chosen.part_count = build->parts.count - chosen.first_part;
		if (!err)
			err = vec_push(ret, chosen);
	}
	return err;
}

/* All sites, or those that hold most and those with findings. */
static int choose_sites(struct build *build, struct chosen_vec *ret)
{
	const struct accounts *accounts = build->session->accounts;
	/* Components are told of all that is held: the builder leaves out the lesser sites. */
	size_t max = build->session->options.components.count ? 0 : build->options->site_max;
	size_t kept = 0;
	int err = 0;

	for (size_t p = 0; !err && p < accounts_count(accounts); p++) {
		if (!accounts_at(accounts, p)->execed)
			err = list_sites(build, p, ret);
	}
	if (err || !max || ret->count <= max)
		return err;
	qsort(ret->items, ret->count, sizeof(*ret->items), most_bytes_first);
	for (size_t i = 0; i < ret->count; i++) {
		if (i < max || finding_of(build, ret->items[i].process, ret->items[i].id))
			ret->items[kept++] = ret->items[i];
	}
	ret->count = kept;
	return 0;
}

static int freeze_trace(struct chosen *chosen, struct arena *arena)
{
	struct stack_trace *trace = arena_memdup(arena, chosen->trace, sizeof(*trace));

	if (!trace)
		return -ENOMEM;
	trace->pcs = arena_memdup(arena, trace->pcs, trace->depth * sizeof(*trace->pcs));
	chosen->trace = trace;
	return trace->pcs ? 0 : -ENOMEM;
}

/* Copies what the ledger may move or change as soon as its thread goes on. */
static int freeze(struct chosen_vec *sites, struct arena *arena)
{
	for (size_t i = 0; i < sites->count; i++) {
		struct chosen *chosen = &sites->items[i];
		struct call_site *site = arena_memdup(arena, chosen->site, sizeof(*site));

		if (!site)
			return -ENOMEM;
		site->lifetime_ns_log2 = site->size_log2 = (struct histogram){0};
		chosen->site = site;
		if (chosen->trace && freeze_trace(chosen, arena))
			return -ENOMEM;
	}
	return 0;
}

static int add_sites(struct build *build, const struct chosen_vec *sites)
{
	int err = report_builder_reserve(build->builder, sites->count);

	for (size_t i = 0; !err && i < sites->count; i++)
		err = add_site(build, &sites->items[i]);
	return err;
}

struct fault_visit {
	struct build *build;
	const struct account *account;
};

static int add_fault(const struct fault_count *fault, void *user)
{
	struct fault_visit *visit = user;
	struct report_fault_input input = {
		.pid = visit->account->pid,
		.trace = stack_table_at(accounts_stacks(visit->build->session->accounts),
					fault->stack),
		.kind = fault_kind_name(fault->kind),
		.count = fault->count,
	};

	return report_builder_add_fault(visit->build->builder, &input);
}

static int add_faults(struct build *build)
{
	const struct accounts *accounts = build->session->accounts;
	int err = 0;

	resolver_set_leaf_is_pc(build->resolver, true);
	for (size_t i = 0; !err && i < accounts_count(accounts); i++) {
		struct fault_visit visit = {build, accounts_at(accounts, i)};

		err = account_for_each_fault(visit.account, add_fault, &visit);
	}
	resolver_set_leaf_is_pc(build->resolver, false);
	return err;
}

/* Symbols that were looked up once are known until the session's end. */
int build_prepare_resolver(struct session *session)
{
	const struct replayed *replayed = session->replayed;
	int err = session->resolver
			  ? 0
			  : resolver_new(replayed ? replayed->names : NULL, &session->resolver);

	if (err)
		return err;
	resolver_refresh(session->resolver);
	pythons_take(session);
	resolver_set_python(session->resolver, session->python_names);
	while (!err && session->resolver_targets < session->members.count)
		err = resolver_add_target(
			session->resolver,
			session->members.items[session->resolver_targets++]->target);
	return err;
}

static int build_begin(struct build *build)
{
	struct report_builder_options builder = {
		.resolve = resolver_frames,
		.era = resolver_era,
		.memory_bytes = build->session->options.memory_bytes,
		.tool_version = build->session->options.tool_version,
		.components = build->session->options.components,
		.site_max = build->session->options.components.count ? build->options->site_max : 0,
	};
	int err = build_prepare_resolver(build->session);

	map64_init(&build->findings, hash_seed_random());
	build->resolver = builder.user = build->session->resolver;
	if (!err)
		err = index_findings(build);
	if (!err)
		err = report_builder_new(&builder, &build->builder);
	if (!err && build->options->verdict)
		err = report_builder_set_verdict(build->builder, build->options->verdict);
	return err;
}

static void build_done(struct build *build)
{
	report_builder_free(build->builder);
	map64_done(&build->findings);
	vec_done(&build->parts);
}

/* All that is in it. While the accounts rest: the ingest thread has ended, or runs this. */
static int fill(struct build *build)
{
	struct session *session = build->session;
	const struct verdict *verdict = build->options->verdict;
	struct chosen_vec sites = VEC_INIT;
	int err = build_facts(session, build->options, build->builder);

	if (!err)
		err = choose_sites(build, &sites);
	if (!err)
		err = add_sites(build, &sites);
	if (!err)
		err = spans_build(session, build->builder);
	if (!err)
		err = thread_parts_add_notes(session, build->builder);
	if (!err)
		err = build_heap(session, verdict, build->builder);
	if (!err)
		err = build_python(session, verdict, build->builder);
	if (!err)
		err = add_faults(build);
	vec_done(&sites);
	return err;
}

int build_report(struct session *session, const struct build_options *options, struct report **ret)
{
	_cleanup_(build_done) struct build build = {.session = session, .options = options};
	int err = build_begin(&build);

	if (!err)
		err = fill(&build);
	return err ? err : report_builder_finish(build.builder, ret);
}

struct interim {
	struct build build;
	int err;
};

static void fill_interim(struct accounts *accounts, void *user)
{
	struct interim *interim = user;

	(void)accounts;
	interim->err = fill(&interim->build);
}

int build_interim_report(struct session *session, const struct build_options *options,
			 struct report **ret)
{
	struct interim interim = {.build = {.session = session, .options = options}, .err = -EBUSY};
	int err = build_begin(&interim.build);

	if (!err) {
		ingest_call(session->ingest, fill_interim, &interim);
		err = interim.err;
	}
	if (!err)
		err = report_builder_finish(interim.build.builder, ret);
	build_done(&interim.build);
	return err;
}

/* What must be read while the accounts rest. */
struct snapshot {
	struct build build;
	struct chosen_vec sites;
	struct arena arena;
	int err;
};

static void take_snapshot(struct accounts *accounts, void *user)
{
	struct snapshot *snapshot = user;

	(void)accounts;
	snapshot->err = build_facts(snapshot->build.session, snapshot->build.options,
				    snapshot->build.builder);
	if (!snapshot->err)
		snapshot->err = spans_build(snapshot->build.session, snapshot->build.builder);
	if (!snapshot->err)
		snapshot->err = choose_sites(&snapshot->build, &snapshot->sites);
	if (!snapshot->err)
		snapshot->err = freeze(&snapshot->sites, &snapshot->arena);
}

int build_snapshot(struct session *session, const struct build_options *options,
		   struct report **ret)
{
	struct snapshot snapshot = {.build = {.session = session, .options = options},
				    .err = -EBUSY};
	int err = build_begin(&snapshot.build);

	arena_init(&snapshot.arena, SNAPSHOT_MAX_BYTES);
	if (!err) {
		ingest_call(session->ingest, take_snapshot, &snapshot);
		err = snapshot.err;
	}
	/* Names take their time: the ingest thread goes on meanwhile. */
	if (!err)
		err = add_sites(&snapshot.build, &snapshot.sites);
	if (!err)
		err = report_builder_finish(snapshot.build.builder, ret);
	vec_done(&snapshot.sites);
	arena_done(&snapshot.arena);
	build_done(&snapshot.build);
	return err;
}
