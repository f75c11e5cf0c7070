// SPDX-License-Identifier: GPL-2.0-or-later
/* From a session's state to the builder of the report. The accounts must be at rest (or this be their thread). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "session/build_quality.h"
#include "session/resolve.h"
#include "session/session_internal.h"

/* One report in the making. */
struct build {
	struct session *session;
	const struct build_options *options;
	struct report_builder *builder;
	struct resolver *resolver;
	struct map64 findings; /* process index << 32 | site id -> finding index */
};

static const char *class_name(const struct session *session, uint8_t class)
{
	static const char *const names[] = {
		[SITE_HEAP] = "malloc",
		[SITE_NEW] = "new",
		[SITE_MAPPING] = "mmap",
		[SITE_BREAK] = "brk",
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

/* Wrappers around the system calls: they are not the caller that a mapping belongs to. */
static bool is_mapping_wrapper(const char *function)
{
	static const char *const names[] = {"mmap",   "mmap64",   "__mmap",  "__mmap64",
					    "mremap", "__mremap", "brk",     "__brk",
					    "sbrk",   "__sbrk",   "syscall", "shmat"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(function, names[i]))
			return true;
	}
	return false;
}

/* The trace without the allocator itself: stacks start at its caller. */
static void cut_allocator(struct build *build, uint8_t class, struct stack_trace *trace)
{
	uint16_t cut = 0;

	if (class != SITE_MAPPING && class != SITE_BREAK) {
		cut = trace->depth > 0;
	} else {
		while (cut + 1 < trace->depth &&
		       is_mapping_wrapper(resolver_function(build->resolver, trace, cut)))
			cut++;
	}
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

static int add_site(struct build *build, size_t process, const struct account *account, site_id id)
{
	const struct call_site *site = ledger_site(account->ledger, id);
	const struct process_verdict *verdict = verdict_of(build, process);
	const struct stack_trace *known =
		stack_table_at(accounts_stacks(build->session->accounts), site->stack);
	struct stack_trace trace = known ? *known : (struct stack_trace){0};
	struct report_site_input input = {
		.pid = account->pid,
		.site = site,
		.trace = &trace,
		.allocator = class_name(build->session, site->class),
		.finding = finding_of(build, process, id),
		.age_s = (double)(build->options->now_ns - site->first_ns) / 1e9,
	};

	if (!site->allocs)
		return 0;
	if (verdict && id - 1 < verdict->site_count)
		input.verdict = &verdict->sites[id - 1];
	cut_allocator(build, site->class, &trace);
	return report_builder_add_site(build->builder, &input);
}

/* A site worth showing, by what it holds. */
struct ranked {
	uint64_t bytes;
	size_t process;
	site_id site;
};

VEC_STRUCT(ranked_vec, struct ranked);

static int most_bytes_first(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : 0;
}

static int rank_sites(const struct build *build, struct ranked_vec *ret)
{
	const struct accounts *accounts = build->session->accounts;
	int err = 0;

	for (size_t p = 0; p < accounts_count(accounts); p++) {
		const struct ledger *ledger = accounts_at(accounts, p)->ledger;
		size_t count = ledger_site_count(ledger);

		err = vec_reserve(ret, count);
		if (err)
			return err;
		for (site_id id = 1; id <= count; id++)
			vec_push(ret, (struct ranked){ledger_site(ledger, id)->outstanding_bytes, p,
						      id});
	}
	if (build->options->site_max && ret->count > build->options->site_max)
		qsort(ret->items, ret->count, sizeof(*ret->items), most_bytes_first);
	return 0;
}

static int add_sites(struct build *build)
{
	const struct accounts *accounts = build->session->accounts;
	struct ranked_vec ranked = VEC_INIT;
	size_t shown = 0;
	int err = rank_sites(build, &ranked);

	for (size_t i = 0; !err && i < ranked.count; i++) {
		const struct ranked *r = &ranked.items[i];
		bool found = finding_of(build, r->process, r->site);

		if (build->options->site_max && shown >= build->options->site_max && !found)
			continue;
		err = add_site(build, r->process, accounts_at(accounts, r->process), r->site);
		shown++;
	}
	vec_done(&ranked);
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

	if (build->options->site_max)
		return 0; /* a snapshot shows what is held */
	resolver_set_leaf_is_pc(build->resolver, true);
	for (size_t i = 0; !err && i < accounts_count(accounts); i++) {
		struct fault_visit visit = {build, accounts_at(accounts, i)};

		err = account_for_each_fault(visit.account, add_fault, &visit);
	}
	resolver_set_leaf_is_pc(build->resolver, false);
	return err;
}

static int add_targets(struct build *build)
{
	const struct session *session = build->session;
	int err = resolver_new(&build->resolver);

	for (size_t i = 0; !err && i < session->members.count; i++)
		err = resolver_add_target(build->resolver, session->members.items[i]->target);
	return err;
}

static int fill(struct build *build)
{
	int err = index_findings(build);

	if (!err)
		err = build_facts(build->session, build->options, build->builder);
	if (!err && build->options->verdict)
		err = report_builder_set_verdict(build->builder, build->options->verdict);
	if (!err)
		err = add_sites(build);
	if (!err)
		err = add_faults(build);
	return err;
}

int build_report(struct session *session, const struct build_options *options, struct report **ret)
{
	struct build build = {.session = session, .options = options};
	struct report_builder_options builder = {
		.resolve = resolver_frames,
		.memory_bytes = session->options.memory_bytes,
		.tool_version = session->options.tool_version,
	};
	int err = add_targets(&build);

	map64_init(&build.findings, hash_seed_random());
	builder.user = build.resolver;
	if (!err)
		err = report_builder_new(&builder, &build.builder);
	if (!err)
		err = fill(&build);
	if (!err)
		err = report_builder_finish(build.builder, ret);
	report_builder_free(build.builder);
	resolver_free(build.resolver);
	map64_done(&build.findings);
	return err;
}
