// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/rules.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(COMPONENT_SPECS_MAX == COMPONENT_RULES_MAX, "those of a file are all used");
_Static_assert(SPAN_SPECS_MAX == HF_MAX_SPAN_RULES, "likewise");

void rules_done(struct rules *rules)
{
	for (size_t i = 0; i < rules->component_specs.count; i++)
		component_spec_done(&rules->component_specs.items[i]);
	for (size_t i = 0; i < rules->span_specs.count; i++)
		span_spec_done(&rules->span_specs.items[i]);
	vec_done(&rules->component_specs);
	vec_done(&rules->span_specs);
	free((void *)rules->components.rules);
	free((void *)rules->spans.rules);
	*rules = (struct rules){0};
}

static struct component_rule component_of(const struct component_spec *spec)
{
	return (struct component_rule){
		.name = spec->name,
		.function = spec->function,
		.module = spec->module,
		.source = spec->source,
		.python_module = spec->python_module,
		.cgroup = spec->cgroup,
		.unit = spec->unit,
		.thread = spec->thread,
	};
}

static struct span_rule span_of(const struct span_spec *spec)
{
	return (struct span_rule){
		.name = spec->name,
		.enter = spec->enter,
		.leave = spec->leave,
		.key = spec->key,
		.is_number = spec->type == SPAN_TYPE_INT,
		.argument = (uint8_t)spec->argument,
		.python = spec->python,
	};
}

static int parse_components(const struct string_vec *texts, struct component_spec_vec *ret)
{
	int err = 0;

	for (size_t i = 0; !err && i < texts->count; i++) {
		struct component_spec spec;

		err = component_spec_parse(texts->items[i], &spec);
		if (!err && vec_push(ret, spec)) {
			component_spec_done(&spec);
			err = -ENOMEM;
		}
	}
	return err;
}

static int parse_spans(const struct string_vec *texts, struct span_spec_vec *ret)
{
	int err = 0;

	for (size_t i = 0; !err && i < texts->count; i++) {
		struct span_spec spec;

		err = span_spec_parse(texts->items[i], &spec);
		if (!err && vec_push(ret, spec)) {
			span_spec_done(&spec);
			err = -ENOMEM;
		}
	}
	return err;
}

static int make_components(const struct config *config, struct rules *rules)
{
	const struct component_spec_vec *lists[] = {&rules->component_specs,
						    &config->agent.components};
	int err = parse_components(&config->component_specs, &rules->component_specs);
	struct component_rule *made;

	if (err)
		return err;
	made = calloc(lists[0]->count + lists[1]->count + 1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	rules->components.rules = made;
	for (size_t list = 0; list < 2; list++)
		for (size_t i = 0; i < lists[list]->count; i++)
			made[rules->components.count++] = component_of(&lists[list]->items[i]);
	return 0;
}

static int make_spans(const struct config *config, struct rules *rules)
{
	const struct span_spec_vec *lists[] = {&rules->span_specs, &config->agent.spans};
	int err = parse_spans(&config->span_specs, &rules->span_specs);
	struct span_rule *made;

	if (err)
		return err;
	made = calloc(lists[0]->count + lists[1]->count + 1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	rules->spans.rules = made;
	for (size_t list = 0; list < 2; list++)
		for (size_t i = 0; i < lists[list]->count; i++)
			made[rules->spans.count++] = span_of(&lists[list]->items[i]);
	return 0;
}

static int refuse_many(const char *what, size_t count, int most, struct hf_error *error)
{
	error_set(error, HF_E_USAGE, "too many %s: %zu", what, count);
	return error_fix(error, "at most %d are told apart", most);
}

int rules_make(const struct config *config, struct rules *ret, struct hf_error *error)
{
	size_t components = config->component_specs.count + config->agent.components.count;
	size_t spans = config->span_specs.count + config->agent.spans.count;
	int err;

	*ret = (struct rules){0};
	if (components > COMPONENT_RULES_MAX)
		return refuse_many("components", components, COMPONENT_RULES_MAX, error);
	if (spans > HF_MAX_SPAN_RULES)
		return refuse_many("spans", spans, HF_MAX_SPAN_RULES, error);
	err = make_components(config, ret);
	if (!err)
		err = make_spans(config, ret);
	if (!err)
		return 0;
	rules_done(ret);
	return error_set_errno(error, HF_E_INTERNAL, -err, "the rules can't be kept");
}
