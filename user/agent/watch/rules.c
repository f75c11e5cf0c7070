/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum {
	MATCH_FOR_CHILDREN = 1, /* by the rules that hold for children, too */
	MATCH_FINAL = 2,        /* what is not known does not fit */
};

struct rule {
	const struct target_rule *config;
	regex_t cmdline;
	bool has_cmdline;
};

struct target_rules {
	struct rule *items;
	size_t count;
	bool has_children;
};

int target_rules_new(const struct target_rule_vec *config, struct target_rules **ret)
{
	_cleanup_(target_rules_freep) struct target_rules *rules = calloc(1, sizeof(*rules));

	if (!rules)
		return -ENOMEM;
	rules->items = calloc(config->count + 1, sizeof(*rules->items));
	if (!rules->items)
		return -ENOMEM;
	for (size_t i = 0; i < config->count; i++) {
		const struct target_rule *from = &config->items[i];
		struct rule *rule = &rules->items[rules->count++];

		rule->config = from;
		rules->has_children |= from->children;
		if (!from->cmdline)
			continue;
		if (regcomp(&rule->cmdline, from->cmdline, REG_EXTENDED | REG_NOSUB))
			return -EINVAL;
		rule->has_cmdline = true;
	}
	*ret = no_free_ptr(rules);
	return 0;
}

void target_rules_free(struct target_rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++)
		if (rules->items[i].has_cmdline)
			regfree(&rules->items[i].cmdline);
	free(rules->items);
	free(rules);
}

static bool glob_fits(const char *glob, const char *text)
{
	return !glob || fnmatch(glob, text, 0) == 0;
}

/* By what one file told: most rules end here for most processes. */
static bool fits_cheaply(const struct target_rule *rule, const struct process_stat *stat)
{
	return glob_fits(rule->comm, stat->comm) &&
	       (!rule->pid || rule->pid == (uint64_t)stat->key.pid) &&
	       stat->rss_bytes >= rule->above_bytes;
}

static bool fits_wholly(const struct rule *rule, const struct process_facts *facts,
			unsigned int how)
{
	const struct target_rule *config = rule->config;
	size_t id_len = config->container ? strlen(config->container) : 0;
	bool exe_may_fit = facts->exe_unknown && !(how & MATCH_FINAL);

	return (exe_may_fit || glob_fits(config->exe, facts->exe)) &&
	       glob_fits(config->cgroup, facts->cgroup) && glob_fits(config->unit, facts->unit) &&
	       (config->uid < 0 || config->uid == (int64_t)facts->uid) &&
	       (!id_len || !strncmp(facts->container, config->container, id_len)) &&
	       (!rule->has_cmdline || !regexec(&rule->cmdline, facts->cmdline, 0, NULL, 0));
}

static bool needs_more(const struct target_rule *rule)
{
	return rule->exe || rule->cmdline || rule->cgroup || rule->container || rule->unit ||
	       rule->uid >= 0;
}

static int match_itself(const struct target_rules *rules, struct process_facts *facts,
			unsigned int how)
{
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->items[i];
		int err;

		if (((how & MATCH_FOR_CHILDREN) && !rule->config->children) ||
		    !fits_cheaply(rule->config, &facts->stat))
			continue;
		if (!needs_more(rule->config))
			return (int)i;
		err = facts->complete ? 0 : facts_complete(facts);
		if (err)
			return err;
		/* What was read meanwhile may be of another program: one that execed. */
		if (fits_cheaply(rule->config, &facts->stat) && fits_wholly(rule, facts, how))
			return (int)i;
	}
	return -ENOENT;
}

static int match_ancestors(const struct target_rules *rules, const struct process_stat *stat,
			   unsigned int how)
{
	int pid = stat->parent_pid;

	for (int depth = 0; depth < RULES_DEPTH && pid > 1; depth++) {
		_cleanup_(facts_done) struct process_facts parent = PROCESS_FACTS_INIT;
		int found = facts_read(pid, &parent);

		if (found)
			return -ENOENT;
		found = match_itself(rules, &parent, how | MATCH_FOR_CHILDREN);
		if (found >= 0)
			return found;
		pid = parent.stat.parent_pid;
	}
	return -ENOENT;
}

static int match(const struct target_rules *rules, struct process_facts *facts, unsigned int how)
{
	int found;

	/* They have no memory of their own. */
	if (facts->stat.kernel_thread || facts->stat.state == 'Z' || facts->stat.state == 'X')
		return -ENOENT;
	found = match_itself(rules, facts, how);
	if (found == -ENOENT && rules->has_children)
		found = match_ancestors(rules, &facts->stat, how);
	return found;
}

int target_rules_match(const struct target_rules *rules, struct process_facts *facts)
{
	return match(rules, facts, 0);
}

int target_rules_match_pid(const struct target_rules *rules, int pid)
{
	_cleanup_(facts_done) struct process_facts facts = PROCESS_FACTS_INIT;
	int err = facts_read(pid, &facts);

	return err ? err : match(rules, &facts, MATCH_FINAL);
}
