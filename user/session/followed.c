// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/followed.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/vec.h"
#include "capture/probe/sites.h"
#include "process/code/call_sites.h"
#include "process/code/module_code.h"
#include "process/code/placement.h"
#include "process/code/wrapper.h"
#include "session/session_internal.h"

#define SITES_MAX CALL_CACHE_MAX /* known */
#define FOLLOWED_MAX \
	2000 /* at once: each page of code with a probe is a page of the target's own */
#define FOLLOWED_UNSEEN_MAX 1600
#define GROUP_SITES         512
#define WAY_PCS             (HF_SITE_INNER_FRAMES + 1)
#define ALIASES_MAX         4
/* One call alone may take so much of what is allowed. */
#define ONE_SHARE 0.25

/* A function whose calls are looked for. */
struct goal {
	struct code_goal code;
	const struct module *module;   /* that defines it */
	struct hf_probe_cookie cookie; /* arguments as its caller has them */
	uint64_t inner_pcs[HF_SITE_INNER_FRAMES];
	uint8_t inner_count;
};

enum site_state {
	SITE_KNOWN,
	SITE_FOLLOWED,
	SITE_HOT, /* called too often, or it turned so */
};

struct site {
	const struct module *module;
	uint64_t call, result, place, start, end;
	uint64_t return_pc; /* in the process */
	uint64_t way;       /* hash of its return addresses, innermost first */
	uint64_t hits;      /* at the last check */
	double rate;        /* calls a second, by what windows saw */
	uint32_t goal, index, group;
	uint8_t state; /* enum site_state */
	bool asked;    /* whether its function is a wrapper */
};

struct followed {
	struct session *session;
	struct member *member;
	VEC(struct goal) goals;
	VEC(struct site) sites;
	VEC(uint32_t) looked; /* ids of modules */
	size_t count, dropped;
	uint64_t changes;
	uint64_t checked_ns;
	bool cut; /* there are more calls than are kept */
};

static uint64_t way_add(uint64_t way, uint64_t pc)
{
	return hash_u64(pc, way + 1);
}

static struct code_size size_by(struct hf_probe_cookie cookie)
{
	struct code_size size = {.kind = CODE_SIZE_UNKNOWN, .scale = 1};

	if (cookie.size_arg == HF_ARG_NONE)
		return size;
	size.kind = cookie.count_arg == HF_ARG_NONE ? CODE_SIZE_ARGUMENT : CODE_SIZE_PRODUCT;
	size.argument = cookie.size_arg;
	size.count_argument = cookie.count_arg;
	return size;
}

static int add_functions(struct followed *f)
{
	const struct allocator_set *set = &f->member->allocators;
	int err = 0;

	for (size_t i = 0; !err && i < set->function_count; i++) {
		const struct allocator_function *function = &set->functions[i];
		struct goal goal = {
			.code = {.symbol = function->name,
				 .address = function->address,
				 .id = (uint32_t)f->goals.count,
				 .frees = function->cookie.op == HF_OP_FREE,
				 .returns_none = function->cookie.result_arg != HF_ARG_NONE,
				 .pointer_argument = function->cookie.pointer_arg,
				 .size = size_by(function->cookie)},
			.module = function->module,
			.cookie = function->cookie,
		};

		err = vec_push(&f->goals, goal);
	}
	return err;
}

int followed_new(struct session *session, struct member *member, struct followed **ret)
{
	_cleanup_(followed_freep) struct followed *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	f->session = session;
	f->member = member;
	err = add_functions(f);
	if (err)
		return err;
	*ret = no_free_ptr(f);
	return 0;
}

void followed_free(struct followed *f)
{
	if (!f)
		return;
	vec_done(&f->goals);
	vec_done(&f->sites);
	vec_done(&f->looked);
	free(f);
}

size_t followed_count(const struct followed *f)
{
	return f->count;
}

size_t followed_dropped(const struct followed *f)
{
	return f->dropped;
}

uint64_t followed_changes(const struct followed *f)
{
	return f->changes;
}

static bool bias_of(const struct target *target, const struct module *module, uint64_t *ret)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *m = &target->mappings[i];

		if (m->module != module || m->until_ns != UINT64_MAX)
			continue;
		*ret = m->bias;
		return true;
	}
	return false;
}

/* The cheapest place at which what came back is seen; @found is no jump. */
static uint64_t place_of(const struct direct_call *found)
{
	return found->result_kind != PLACEMENT_EMULATED && found->joined_place
		       ? found->joined_place
		       : found->result_place;
}

static int add_site(struct followed *f, const struct module *module, uint64_t bias,
		    const struct direct_call *found, uint32_t goal_index)
{
	const struct goal *goal = &f->goals.items[goal_index];
	struct site site = {
		.module = module,
		.call = found->call,
		.result = found->result,
		.place = place_of(found),
		.start = found->function_start,
		.end = found->function_end,
		.return_pc = found->result + bias,
		.goal = goal_index,
	};

	if (goal->code.size.kind == CODE_SIZE_UNKNOWN)
		return 0;
	if (f->sites.count >= SITES_MAX) {
		f->cut = true;
		return 0;
	}
	for (uint8_t i = 0; i < goal->inner_count; i++)
		site.way = way_add(site.way, goal->inner_pcs[i]);
	site.way = way_add(site.way, site.return_pc);
	return vec_push(&f->sites, site);
}

VEC_STRUCT(code_goal_vec, struct code_goal);

/* As that module sees them; a goal's id is its index in f->goals. */
static int list_goals(const struct followed *f, const struct module *module, size_t first,
		      bool frees, struct code_goal_vec *ret)
{
	int err = 0;

	for (size_t i = first; !err && i < f->goals.count; i++) {
		struct code_goal goal = f->goals.items[i].code;

		goal.id = (uint32_t)i;
		if (f->goals.items[i].module != module)
			goal.address = 0;
		if ((goal.address || goal.symbol) && (frees || !goal.frees))
			err = vec_push(ret, goal);
	}
	return err;
}

/* Wrappers */

struct symbol_search {
	uint64_t address;
	const char *names[ALIASES_MAX];
	size_t count;
};

static int take_symbol(const struct elf_symbol *symbol, void *user)
{
	struct symbol_search *search = user;

	if (symbol->defined && symbol->dynamic && symbol->address == search->address &&
	    search->count < ALIASES_MAX)
		search->names[search->count++] = symbol->name;
	return 0;
}

/* What its callers call is one more goal; by each of its names. */
static int add_wrapper(struct followed *f, const struct module *module, uint64_t bias,
		       const struct wrapper *wrapper)
{
	const struct wrapper_inner *inner = &wrapper->inner[0];
	struct goal goal = f->goals.items[inner->goal->id];
	struct symbol_search search = {.address = wrapper->start};
	int err = 0;

	if (wrapper->inner_count != 1 || wrapper->size.kind == CODE_SIZE_UNKNOWN ||
	    goal.inner_count + (inner->result != 0) > HF_SITE_INNER_FRAMES)
		return 0;
	elf_file_for_each_symbol(module->elf, take_symbol, &search);
	if (inner->result)
		goal.inner_pcs[goal.inner_count++] = inner->result + bias;
	goal.module = module;
	goal.code = (struct code_goal){.symbol = search.names[0],
				       .address = wrapper->start,
				       .pointer_argument = wrapper->pointer_argument,
				       .pointer_offset = wrapper->pointer_offset,
				       .result_offset = wrapper->result_offset,
				       .size = wrapper->size};
	goal.cookie.op = wrapper->pointer_argument == HF_ARG_NONE ? HF_OP_ALLOC : HF_OP_REALLOC;
	goal.cookie.pointer_arg = wrapper->pointer_argument;
	err = vec_push(&f->goals, goal);
	goal.code.address = 0;
	for (size_t i = 1; !err && i < search.count; i++) {
		goal.code.symbol = search.names[i];
		err = vec_push(&f->goals, goal);
	}
	log_debug("%s+%#lx (%s) is a wrapper", module->path, (long)wrapper->start,
		  search.count ? search.names[0] : "local");
	return err;
}

static bool is_goal(const struct followed *f, const struct module *module, uint64_t address)
{
	for (size_t i = 0; i < f->goals.count; i++)
		if (f->goals.items[i].module == module && f->goals.items[i].code.address == address)
			return true;
	return false;
}

static int ask_wrapper(struct followed *f, const struct module *module, uint64_t start,
		       uint64_t end)
{
	struct code_goal_vec goals = VEC_INIT;
	struct wrapper_finder *finder = NULL;
	struct module_code *code = NULL;
	struct wrapper wrapper;
	uint64_t bias;
	int err;

	if (is_goal(f, module, start) || !bias_of(f->member->target, module, &bias))
		return 0;
	err = list_goals(f, module, 0, true, &goals);
	if (!err)
		err = module_code_new(module->elf, goals.items, goals.count, &code);
	if (!err)
		err = wrapper_finder_new(module_code_view(code), &finder);
	if (!err)
		err = wrapper_find(finder, start, end, &wrapper);
	if (!err)
		err = add_wrapper(f, module, bias, &wrapper);
	wrapper_finder_free(finder);
	module_code_free(code);
	vec_done(&goals);
	return err == -ENOENT ? 0 : err;
}

/* The calls in @module of goals from @first on. */
static int look_at(struct followed *f, const struct module *module, size_t first)
{
	struct code_goal_vec goals = VEC_INIT;
	static const struct call_sites none;
	const struct call_sites *found = &none;
	uint64_t bias, began_ns = clock_now_ns();
	int err;

	if (!module->elf || !bias_of(f->member->target, module, &bias))
		return 0;
	err = list_goals(f, module, first, false, &goals);
	if (!err && goals.count)
		err = call_cache_find(&f->session->calls, module, goals.items, goals.count, &found);
	for (size_t i = 0; !err && i < found->count; i++) {
		const struct direct_call *call = &found->items[i];

		err = call->is_jump
			      ? ask_wrapper(f, module, call->function_start, call->function_end)
			      : add_site(f, module, bias, call, goals.items[call->goal].id);
	}
	log_debug("%zu calls in %s, %.1f ms", found->count, module->path,
		  (double)(clock_now_ns() - began_ns) / NS_PER_MS);
	f->cut |= found->cut;
	vec_done(&goals);
	return err;
}

static bool was_looked_at(const struct followed *f, const struct module *module)
{
	for (size_t i = 0; i < f->looked.count; i++)
		if (f->looked.items[i] == module->id)
			return true;
	return false;
}

/* Calls of goals that came later, in modules that were looked at before: those of a function that nobody else can name
 * are in its own. */
static int look_again(struct followed *f, size_t first)
{
	const struct target *target = f->member->target;
	int err = 0;

	for (size_t i = 0; !err && first < f->goals.count && i < target->mapping_count; i++) {
		const struct module *module = target->mappings[i].module;
		bool seen = false;

		for (size_t k = 0; k < i; k++)
			seen |= target->mappings[k].module == module;
		if (!seen && target->mappings[i].until_ns == UINT64_MAX && was_looked_at(f, module))
			err = look_at(f, module, first);
	}
	return err;
}

/* Where calls within a function are too many, those of that function may be rare. */
static void ask_hot(struct followed *f)
{
	size_t first = f->goals.count, sites = f->sites.count;
	int err = 0;

	for (size_t i = 0; !err && i < sites; i++) {
		struct site *site = &f->sites.items[i];

		if (site->state != SITE_HOT || site->asked)
			continue;
		site->asked = true;
		err = ask_wrapper(f, site->module, site->start, site->end);
	}
	if (!err)
		err = look_again(f, first);
	if (err)
		log_debug_err(err, "wrappers in process %d are not seen through",
			      f->member->target->key.pid);
}

bool followed_look(struct followed *f)
{
	const struct target *target = f->member->target;
	int err;

	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct module *module = target->mappings[i].module;

		if (target->mappings[i].until_ns != UINT64_MAX || was_looked_at(f, module))
			continue;
		err = vec_push(&f->looked, module->id);
		if (!err)
			err = look_at(f, module, 0);
		if (err)
			log_debug_err(err, "calls in %s are not followed", module->path);
		return true;
	}
	return false;
}

/* Counts */

static void count_way(struct map64 *counts, const struct stack_trace *trace, uint64_t allocs)
{
	uint64_t way = 0, *count;

	for (uint16_t i = 0; i < WAY_PCS && i < trace->depth; i++) {
		way = way_add(way, trace->pcs[i]);
		count = map64_find(counts, way);
		if (count)
			*count += allocs;
		else if (map64_put(counts, way, allocs))
			return;
	}
}

void way_counts_take(struct accounts *accounts, void *user)
{
	struct way_counts *ways = user;
	const struct account *account = accounts_find(accounts, ways->pid);
	size_t count = account ? ledger_site_count(account->ledger) : 0;

	for (site_id id = 1; id <= count; id++) {
		const struct call_site *site = ledger_site(account->ledger, id);
		const struct stack_trace *trace =
			stack_table_at(accounts_stacks(accounts), site->stack);

		if (!site->followed && trace)
			count_way(&ways->counts, trace, site->allocs);
	}
}

/* Choice */

/* Ascending, those that no window saw last. */
static int by_rate(const void *a, const void *b)
{
	const struct site *x = *(const struct site *const *)a, *y = *(const struct site *const *)b;

	if ((x->rate > 0) != (y->rate > 0))
		return x->rate > 0 ? -1 : 1;
	if (x->rate != y->rate)
		return x->rate < y->rate ? -1 : 1;
	return x->way < y->way ? -1 : x->way > y->way;
}

static void rate_sites(struct followed *f, const struct way_counts *counts, uint64_t seen_ns)
{
	for (size_t i = 0; i < f->sites.count; i++) {
		struct site *site = &f->sites.items[i];
		uint64_t calls = 0;

		if (site->state == SITE_FOLLOWED)
			continue; /* that is known better */
		map64_get(&counts->counts, site->way, &calls);
		site->rate = (double)calls / ((double)seen_ns / NS_PER_S);
	}
}

static struct probe_site probe_of(const struct followed *f, const struct site *site)
{
	const struct goal *goal = &f->goals.items[site->goal];
	const struct code_size *size = &goal->code.size;
	struct probe_site probe = {
		.module = site->module,
		.call = site->call,
		.result = site->place,
		.how = {.return_pc = site->return_pc,
			.cookie = goal->cookie,
			.added_bytes = size->added_bytes,
			.scale = size->scale,
			.result_offset = goal->code.result_offset,
			.pointer_offset = goal->code.pointer_offset,
			.extension = size->extension,
			.inner_count = goal->inner_count},
	};

	probe.how.cookie.size_arg = size->kind == CODE_SIZE_CONSTANT ? HF_ARG_NONE : size->argument;
	probe.how.cookie.count_arg = size->kind == CODE_SIZE_PRODUCT ? size->count_argument
								     : HF_ARG_NONE;
	for (uint8_t i = 0; i < goal->inner_count; i++)
		probe.how.inner_pcs[i] = goal->inner_pcs[i];
	return probe;
}

static int follow(struct followed *f, struct site **sites, size_t count)
{
	_cleanup_free_ struct probe_site *probes = calloc(count + 1, sizeof(*probes));
	uint32_t group;
	int err;

	if (!probes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		probes[i] = probe_of(f, sites[i]);
	err = probe_sites_add(f->session->probe, f->member->target->key.pid, probes, count, &group);
	f->changes += !err;
	for (size_t i = 0; !err && i < count; i++) {
		sites[i]->state = SITE_FOLLOWED;
		sites[i]->index = probes[i].index;
		sites[i]->group = group;
		sites[i]->hits = 0;
		f->count++;
	}
	return err;
}

/* Of those that a window saw, rare ones first: how many take what is allowed. The rest is hot. */
static size_t fit(const struct followed *f, struct site **seen, size_t count, double allowed)
{
	size_t fits = 0;

	for (; fits < count && f->count + fits < FOLLOWED_MAX; fits++) {
		allowed -= seen[fits]->rate;
		if (allowed < 0)
			break;
	}
	for (size_t i = fits; i < count && allowed < 0; i++)
		seen[i]->state = SITE_HOT;
	return fits;
}

static double followed_rate(const struct followed *f)
{
	double rate = 0;

	for (size_t i = 0; i < f->sites.count; i++)
		if (f->sites.items[i].state == SITE_FOLLOWED)
			rate += f->sites.items[i].rate;
	return rate;
}

static size_t list_candidates(struct followed *f, struct site **ret)
{
	size_t count = 0;

	for (size_t i = 0; i < f->sites.count; i++)
		if (f->sites.items[i].state == SITE_KNOWN)
			ret[count++] = &f->sites.items[i];
	if (count)
		qsort(ret, count, sizeof(*ret), by_rate);
	return count;
}

static int follow_all(struct followed *f, struct site **sites, size_t count)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i += GROUP_SITES)
		err = follow(f, sites + i, count - i < GROUP_SITES ? count - i : GROUP_SITES);
	return err;
}

/*
 * One round: those that are rare, of all that are known now. Those that no window has seen leave room for some that one
 * will: most calls of a large program are never made.
 */
static int choose_round(struct followed *f, double allowed)
{
	_cleanup_free_ struct site **candidates = calloc(f->sites.count + 1, sizeof(*candidates));
	size_t count, seen = 0, unseen;
	int err = candidates ? 0 : -ENOMEM;

	if (err)
		return err;
	count = list_candidates(f, candidates);
	while (seen < count && candidates[seen]->rate > 0)
		seen++;
	err = follow_all(f, candidates, fit(f, candidates, seen, allowed - followed_rate(f)));
	unseen = f->count < FOLLOWED_UNSEEN_MAX ? FOLLOWED_UNSEEN_MAX - f->count : 0;
	if (unseen > count - seen)
		unseen = count - seen;
	return err ? err : follow_all(f, candidates + seen, unseen);
}

/* Each round may find calls that are too many, and so calls of the functions that make them. */
size_t followed_choose(struct followed *f, const struct way_counts *counts, uint64_t seen_ns,
		       double allowed_hits_per_second)
{
	size_t known = SIZE_MAX;
	int err = 0;

	for (int i = 0; !err && seen_ns && i <= HF_SITE_INNER_FRAMES && known != f->sites.count;
	     i++) {
		ask_hot(f);
		known = f->sites.count;
		rate_sites(f, counts, seen_ns);
		err = choose_round(f, allowed_hits_per_second);
		ask_hot(f);
	}
	if (err)
		log_debug_err(err, "not all rare calls of process %d are followed",
			      f->member->target->key.pid);
	if (!f->checked_ns)
		f->checked_ns = clock_now_ns();
	return f->count;
}

/* Change */

/* What is left of the group gets probes anew before the old ones go, so none of its calls is missed: the kernel side
 * takes a call that two links show for one. */
static void regroup(struct followed *f, uint32_t group)
{
	struct site *left[GROUP_SITES];
	size_t count = 0;

	for (size_t i = 0; i < f->sites.count && count < GROUP_SITES; i++) {
		struct site *site = &f->sites.items[i];

		if (site->group != group || site->state != SITE_FOLLOWED)
			continue;
		site->state = SITE_KNOWN;
		f->count--;
		left[count++] = site;
	}
	if (count && follow(f, left, count))
		log_debug("%zu calls are followed no more", count);
	probe_sites_remove(f->session->probe, group);
}

static void drop(struct followed *f, struct site *site)
{
	uint32_t group = site->group;

	site->state = SITE_HOT;
	f->count--;
	f->dropped++;
	f->changes++;
	log_info("pid %d: a call at %#lx in %s is made %.0f times a second: followed no more",
		 f->member->target->key.pid, (long)site->call, site->module->path, site->rate);
	regroup(f, group);
}

static struct site *hottest(const struct followed *f)
{
	struct site *found = NULL;

	for (size_t i = 0; i < f->sites.count; i++) {
		struct site *site = &f->sites.items[i];

		if (site->state == SITE_FOLLOWED && (!found || site->rate > found->rate))
			found = site;
	}
	return found;
}

uint64_t followed_check(struct followed *f, uint64_t now_ns, double allowed_hits_per_second)
{
	double seconds = (double)(now_ns - f->checked_ns) / NS_PER_S, all = 0;
	uint64_t made = 0;
	struct site *site;

	for (size_t i = 0; i < f->sites.count && seconds > 0; i++) {
		uint64_t hits;

		site = &f->sites.items[i];
		if (site->state != SITE_FOLLOWED)
			continue;
		hits = probe_site_hits(f->session->probe, site->index);
		made += hits - site->hits;
		site->rate = (double)(hits - site->hits) / seconds;
		site->hits = hits;
		all += site->rate;
	}
	f->checked_ns = now_ns;
	while ((site = hottest(f)) && (all > allowed_hits_per_second ||
				       site->rate > ONE_SHARE * allowed_hits_per_second)) {
		all -= site->rate;
		drop(f, site);
	}
	return made;
}

void followed_pause(struct followed *f)
{
	for (size_t i = 0; i < f->sites.count; i++)
		if (f->sites.items[i].state == SITE_FOLLOWED)
			f->sites.items[i].state = SITE_KNOWN;
	f->count = 0;
	f->checked_ns = 0;
}
