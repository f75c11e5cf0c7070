/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The builder's components and spans: what each site and finding belongs to. */
#include "report/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/saturate.h"

/* By component: the rules' names, each once and in their order, and the rest. */
struct assignment {
	struct report_component *components;
	size_t count;
	uint32_t by_rule[COMPONENT_RULES_MAX + 1]; /* index; the last: of what no rule fits */
	uint64_t *by_frame;                        /* rules that it fits */
	uint64_t without_frame, by_thread;
};

static void assignment_done(struct assignment *a)
{
	free(a->by_frame);
}

static int add_component(struct report_builder *b, struct assignment *a, const char *name,
			 uint32_t *ret_index)
{
	const char *own;
	int err = report_store_string(&b->store, name, &own);

	for (uint32_t i = 0; !err && i < a->count; i++) {
		if (a->components[i].name == own) {
			*ret_index = i;
			return 0;
		}
	}
	if (err)
		return err;
	*ret_index = (uint32_t)a->count;
	a->components[a->count++].name = own;
	return 0;
}

static int prepare(struct report_builder *b, struct assignment *a)
{
	const struct component_rules *rules = &b->options.components;
	size_t count = rules->count < COMPONENT_RULES_MAX ? rules->count : COMPONENT_RULES_MAX;
	int err = 0;

	a->components = arena_zalloc(&b->store.arena, (count + 1) * sizeof(*a->components));
	a->by_frame = calloc(b->store.frames.count + 1, sizeof(*a->by_frame));
	if (!a->components || !a->by_frame)
		return -ENOMEM;
	a->without_frame = component_rules_without_frame(rules);
	a->by_thread = component_rules_by_thread(rules);
	for (size_t i = 0; i < b->store.frames.count; i++)
		a->by_frame[i] = component_rules_of_frame(rules, &b->store.frames.items[i]);
	for (size_t i = 0; !err && i < count; i++)
		err = add_component(b, a, rules->rules[i].name, &a->by_rule[i]);
	return err ? err : add_component(b, a, COMPONENT_OTHER, &a->by_rule[COMPONENT_RULES_MAX]);
}

/* A pid that was given anew: the process that came last. */
static const char *cgroup_of(const struct report_builder *b, int pid)
{
	for (size_t i = b->processes.count; i--;)
		if (b->processes.items[i].pid == pid)
			return b->processes.items[i].cgroup;
	return "";
}

/* The rules that fit process and stack, those by thread as if any thread did. */
static uint64_t rules_of(const struct report_builder *b, const struct assignment *a, int pid,
			 uint32_t stack)
{
	const struct report_stack *frames = &b->store.stacks.items[stack];
	uint64_t fit = a->without_frame;

	for (uint32_t i = 0; i < frames->depth; i++)
		fit |= a->by_frame[frames->frames[i]];
	return fit & component_rules_of_cgroup(&b->options.components, cgroup_of(b, pid));
}

/* @threads: the rules by thread that whoever allocated it fits. */
static struct report_component *choose(const struct assignment *a, uint64_t fit, uint64_t threads)
{
	fit &= ~a->by_thread | threads;
	return &a->components[a->by_rule[fit ? __builtin_ctzll(fit) : COMPONENT_RULES_MAX]];
}

/* What a component gets of a site; peak and growth as its part of the bytes. */
static void give(struct report_component *c, const struct build_site *site,
		 const struct report_site_part *part)
{
	double share = site->outstanding_bytes
			       ? (double)part->outstanding_bytes / (double)site->outstanding_bytes
			       : 1;

	add_saturating(&c->outstanding_bytes, part->outstanding_bytes);
	add_saturating(&c->outstanding_count, part->outstanding_count);
	add_saturating(&c->peak_bytes,
		       share < 1 ? (uint64_t)((double)site->peak_bytes * share) : site->peak_bytes);
	c->growth_bytes_per_second += site->growth * share;
	c->estimated |= site->estimated;
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

/* Its parts, then the rest; the one that gets most of it is what its finding belongs to. */
static struct report_component *share_out(const struct report_builder *b, struct assignment *a,
					  const struct build_site *site)
{
	uint64_t fit = rules_of(b, a, site->pid, site->stack), most_bytes = 0;
	struct report_site_part rest = {0, site->outstanding_bytes, site->outstanding_count};
	struct report_component *most = choose(a, fit, 0);

	for (uint32_t i = site->part; i; i = b->parts.items[i - 1].next) {
		struct report_site_part part = b->parts.items[i - 1].of;
		struct report_component *c = choose(a, fit, part.rules);

		part.outstanding_bytes = at_most(part.outstanding_bytes, rest.outstanding_bytes);
		part.outstanding_count = at_most(part.outstanding_count, rest.outstanding_count);
		if (!part.outstanding_bytes)
			continue;
		give(c, site, &part);
		rest.outstanding_bytes -= part.outstanding_bytes;
		rest.outstanding_count -= part.outstanding_count;
		if (part.outstanding_bytes > most_bytes) {
			most_bytes = part.outstanding_bytes;
			most = c;
		}
	}
	if (rest.outstanding_bytes || !most_bytes)
		give(choose(a, fit, 0), site, &rest);
	return rest.outstanding_bytes > most_bytes ? choose(a, fit, 0) : most;
}

int report_assign_components(struct report_builder *b)
{
	_cleanup_(assignment_done) struct assignment a = {0};
	int err;

	b->store.report->components = NULL;
	if (!b->options.components.count)
		return 0;
	err = prepare(b, &a);
	if (err)
		return err;
	for (size_t i = 0; i < b->sites.count; i++) {
		const struct build_site *site = &b->sites.items[i];
		const struct report_component *c = share_out(b, &a, site);

		if (site->finding)
			b->findings.items[site->finding - 1].component = c->name;
	}
	for (size_t i = 0; i < b->findings.count; i++) {
		struct build_finding *finding = &b->findings.items[i];

		if (finding->site == NO_SITE)
			finding->component =
				choose(&a, rules_of(b, &a, finding->pid, finding->stack), 0)->name;
	}
	b->store.report->components = a.components;
	b->store.report->component_count = a.count;
	return 0;
}

int report_builder_add_span(struct report_builder *b, const struct report_span *in)
{
	struct report_span new = *in;
	struct {
		const char *span, *key;
		int64_t pid;
	} key = {.pid = in->pid};
	uint64_t hash, index;
	int err = report_store_string(&b->store, in->span, &new.span);

	if (!err)
		err = report_store_string(&b->store, in->key, &new.key);
	if (err)
		return err;
	key.span = new.span;
	key.key = new.key;
	hash = hash_bytes(&key, sizeof(key), b->store.seed);
	for (; map64_get(&b->span_by_key, hash, &index); hash++) {
		struct report_span *s = &b->spans.items[index];

		if (s->pid != new.pid || s->span != new.span || s->key != new.key)
			continue;
		add_saturating(&s->outstanding_bytes, in->outstanding_bytes);
		add_saturating(&s->outstanding_count, in->outstanding_count);
		add_saturating(&s->allocs, in->allocs);
		add_saturating(&s->alloc_bytes, in->alloc_bytes);
		add_saturating(&s->peak_bytes, in->peak_bytes);
		s->estimated |= in->estimated;
		return 0;
	}
	err = vec_push(&b->spans, new);
	return err ? err : map64_put(&b->span_by_key, hash, b->spans.count - 1);
}
