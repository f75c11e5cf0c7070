// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/rules.h"

#include <errno.h>
#include <stdlib.h>

void rules_done(struct rules *rules)
{
	for (size_t i = 0; i < rules->components.count; i++)
		component_spec_done(&rules->component_specs[i]);
	for (size_t i = 0; i < rules->spans.count; i++)
		span_spec_done(&rules->span_specs[i]);
	free(rules->component_specs);
	free(rules->span_specs);
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
	};
}

static int make_components(const struct string_vec *texts, struct rules *rules)
{
	struct component_rule *list = calloc(texts->count + 1, sizeof(*list));

	rules->components.rules = list;
	rules->component_specs = calloc(texts->count + 1, sizeof(*rules->component_specs));
	if (!list || !rules->component_specs)
		return -ENOMEM;
	for (size_t i = 0; i < texts->count; i++) {
		int err = component_spec_parse(texts->items[i], &rules->component_specs[i]);

		if (err)
			return err;
		rules->components.count++;
		list[i] = component_of(&rules->component_specs[i]);
	}
	return 0;
}

static int make_spans(const struct string_vec *texts, struct rules *rules)
{
	struct span_rule *list = calloc(texts->count + 1, sizeof(*list));

	rules->spans.rules = list;
	rules->span_specs = calloc(texts->count + 1, sizeof(*rules->span_specs));
	if (!list || !rules->span_specs)
		return -ENOMEM;
	for (size_t i = 0; i < texts->count; i++) {
		struct span_spec *spec = &rules->span_specs[i];
		int err = span_spec_parse(texts->items[i], spec);

		if (err)
			return err;
		rules->spans.count++;
		list[i] = (struct span_rule){spec->name, spec->enter, spec->leave, spec->key,
					     spec->is_number};
	}
	return 0;
}

static int refuse_many(const char *option, size_t count, int most, struct hf_error *error)
{
	error_set(error, HF_E_USAGE, "too many rules: %zu", count);
	return error_fix(error, "give %s at most %d times", option, most);
}

int rules_make(const struct config *config, struct rules *ret, struct hf_error *error)
{
	int err;

	if (config->component_specs.count > COMPONENT_RULES_MAX)
		return refuse_many("--component", config->component_specs.count,
				   COMPONENT_RULES_MAX, error);
	if (config->span_specs.count > HF_MAX_SPAN_RULES)
		return refuse_many("--span", config->span_specs.count, HF_MAX_SPAN_RULES, error);
	err = make_components(&config->component_specs, ret);
	if (!err)
		err = make_spans(&config->span_specs, ret);
	return err ? error_set_errno(error, HF_E_INTERNAL, -err, "the rules can't be kept") : 0;
}
