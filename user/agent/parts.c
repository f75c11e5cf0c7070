/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a target hold, by the newest report of it: components and spans. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent_internal.h"
#include "base/hashmap.h"

static struct agent_component *find_component(struct agent_target *target, const char *name)
{
	struct agent_component component = {.name = NULL};

	for (size_t i = 0; i < target->components.count; i++)
		if (!strcmp(target->components.items[i].name, name))
			return &target->components.items[i];
	component.name = strdup(name);
	if (!component.name || vec_push(&target->components, component)) {
		free(component.name);
		return NULL;
	}
	return &target->components.items[target->components.count - 1];
}

static void take_components(struct agent_target *target, const struct report *report)
{
	for (size_t i = 0; i < target->components.count; i++)
		target->components.items[i].outstanding_bytes = 0;
	for (size_t i = 0; i < report->component_count; i++) {
		const struct report_component *from = &report->components[i];
		struct agent_component *component = find_component(target, from->name);

		if (!component)
			return;
		component->outstanding_bytes = from->outstanding_bytes;
		component->growth_bytes_per_second = from->growth_bytes_per_second;
		component->estimated = from->estimated;
		if (component->peak_bytes < from->outstanding_bytes)
			component->peak_bytes = from->outstanding_bytes;
	}
}

static void span_done(struct agent_span *span)
{
	free(span->name);
	*span = (struct agent_span){.name = NULL};
}

static void spans_done(struct agent_span_vec *spans)
{
	for (size_t i = 0; i < spans->count; i++)
		span_done(&spans->items[i]);
	vec_done(spans);
}

/* "session", NUL, "ann", NUL; NULL: no memory. */
static char *name_of(const struct report_span *from, size_t *ret_rule_bytes)
{
	size_t rule = strlen(from->span) + 1, key = strlen(from->key) + 1;
	char *name = malloc(rule + key);

	if (!name)
		return NULL;
	memcpy(name, from->span, rule);
	memcpy(name + rule, from->key, key);
	*ret_rule_bytes = rule;
	return name;
}

static int make_span(const struct report_span *from, uint64_t wall_ns, struct agent_span *ret)
{
	size_t rule;
	char *name = name_of(from, &rule);

	if (!name)
		return -1;
	*ret = (struct agent_span){
		.name = name,
		.key = name + rule,
		.outstanding_bytes = from->outstanding_bytes,
		.outstanding_count = from->outstanding_count,
		.allocs = from->allocs,
		.peak_bytes = from->peak_bytes,
		.estimated = from->estimated,
		.first_wall_ns = wall_ns,
		.last_wall_ns = wall_ns,
	};
	return 0;
}

static uint64_t hash_of(const struct agent_span *span, uint64_t seed)
{
	return hash_bytes(span->name, (size_t)(span->key - span->name) + strlen(span->key), seed);
}

/* It was there before: since when, and has anything been allocated in it since? */
static void remember(struct agent_span *span, const struct agent_span *old)
{
	if (strcmp(old->name, span->name) != 0 || strcmp(old->key, span->key) != 0)
		return;
	span->first_wall_ns = old->first_wall_ns;
	if (old->allocs == span->allocs)
		span->last_wall_ns = old->last_wall_ns;
	if (span->peak_bytes < old->peak_bytes)
		span->peak_bytes = old->peak_bytes;
}

static int add_span(struct agent_span_vec *all, struct agent_span *span)
{
	if (!vec_push(all, *span))
		return 0;
	span_done(span);
	return -1;
}

/* Those of an earlier trace are gone: nobody knows what is left of them. */
static void take_spans(struct agent_target *target, const struct report *report, uint64_t wall_ns)
{
	struct agent_span_vec fresh = VEC_INIT, *old = &target->spans;
	struct map64 places; /* of the old ones */
	uint64_t at;

	map64_init(&places, hash_seed_random());
	for (size_t i = 0; i < old->count; i++)
		if (map64_put(&places, hash_of(&old->items[i], places.seed), i))
			break; /* no memory: it counts as new */
	for (size_t i = 0; i < report->span_count && i < AGENT_SPANS_MAX; i++) {
		struct agent_span span;

		if (make_span(&report->spans[i], wall_ns, &span))
			break;
		if (map64_get(&places, hash_of(&span, places.seed), &at))
			remember(&span, &old->items[at]);
		if (add_span(&fresh, &span))
			break;
	}
	target->spans_left_out = report->span_count - fresh.count;
	map64_done(&places);
	spans_done(old);
	*old = fresh;
}

void target_take_parts(struct agent_target *target, const struct report *report, uint64_t wall_ns)
{
	take_components(target, report);
	take_spans(target, report, wall_ns);
}

void target_forget_parts(struct agent_target *target)
{
	for (size_t i = 0; i < target->components.count; i++)
		free(target->components.items[i].name);
	vec_done(&target->components);
	spans_done(&target->spans);
}
