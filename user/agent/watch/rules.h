/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which processes are targets, by the rules of the configuration (config/agent_config.h): the first rule all of whose conditions a process
 * meets. Made once, asked for every process; the agent and its broker have their own.
 *
 * Where we may not know what program a process runs (facts.exe_unknown), a rule that asks for it may match: the broker has the last word.
 *
 * A rule with children: true also holds for the descendants of those that it matches: their ancestors are looked at, as far up as RULES_DEPTH.
 */
#ifndef HOLDFAST_WATCH_RULES_H
#define HOLDFAST_WATCH_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/watch/facts.h"
#include "base/cleanup.h"
#include "config/agent_config.h"

#define RULES_DEPTH 64

struct target_rules;

/* Copies nothing: @rules must outlive them. -ENOMEM; -EINVAL: a regular expression that does not compile. */
int target_rules_new(const struct target_rule_vec *rules, struct target_rules **ret);
void target_rules_free(struct target_rules *rules);
DEFINE_CLEANUP(struct target_rules *, target_rules_free);

/*
 * The index of the rule, or -ENOENT: none; -ESRCH: it is gone. @facts: from facts_read(); completed where the rules
 * need that.
 */
int target_rules_match(const struct target_rules *rules, struct process_facts *facts);
/* The last word on a process, as target_rules_match(). A program that even this caller may not know fits no rule that asks for it. */
int target_rules_match_pid(const struct target_rules *rules, int pid);

#endif
