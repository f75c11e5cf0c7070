/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/limits.h>

#include "base/hashmap.h"
#include "base/vec.h"
#include "process/elf/unwind_table.h"

VEC_STRUCT(rule_vec, struct hf_unwind_rule);

struct unwind_rules {
	struct rule_vec rules;
	struct map64 number_by_rule;
};

static uint64_t key_of(struct hf_unwind_rule rule)
{
	uint64_t key;

	memcpy(&key, &rule, sizeof(key));
	return key;
}

int unwind_rules_intern(struct unwind_rules *rules, struct hf_unwind_rule rule,
			uint16_t *ret_number)
{
	size_t next = rules->rules.count;
	uint64_t number;

	if (!map64_get(&rules->number_by_rule, key_of(rule), &number)) {
		if (next >= HF_MAX_RULES)
			return -ENOSPC;
		if (vec_reserve(&rules->rules, 1) ||
		    map64_put(&rules->number_by_rule, key_of(rule), next))
			return -ENOMEM;
		rules->rules.items[rules->rules.count++] = rule;
		number = next;
	}
	*ret_number = (uint16_t)number;
	return 0;
}

int unwind_rules_new(struct unwind_rules **ret)
{
	const struct hf_unwind_rule none = {.cfa_kind = HF_CFA_NONE};
	const struct hf_unwind_rule unsupported = {.cfa_kind = HF_CFA_UNSUPPORTED};
	struct unwind_rules *rules = calloc(1, sizeof(*rules));
	uint16_t zero, one;

	if (!rules)
		return -ENOMEM;
	map64_init(&rules->number_by_rule, hash_seed_random());
	if (unwind_rules_intern(rules, none, &zero) ||
	    unwind_rules_intern(rules, unsupported, &one)) {
		unwind_rules_free(rules);
		return -ENOMEM;
	}
	*ret = rules;
	return 0;
}

void unwind_rules_free(struct unwind_rules *rules)
{
	if (!rules)
		return;
	vec_done(&rules->rules);
	map64_done(&rules->number_by_rule);
	free(rules);
}

size_t unwind_rules_count(const struct unwind_rules *rules)
{
	return rules->rules.count;
}

const struct hf_unwind_rule *unwind_rules_at(const struct unwind_rules *rules, size_t number)
{
	return number < rules->rules.count ? &rules->rules.items[number] : NULL;
}
