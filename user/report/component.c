/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/component.h"

#include <fnmatch.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

static size_t rule_count(const struct component_rules *rules)
{
	return rules->count < COMPONENT_RULES_MAX ? rules->count : COMPONENT_RULES_MAX;
}

static bool fits(const char *pattern, const char *text)
{
	return !fnmatch(pattern, text, 0);
}

/* The whole, or an end of it that begins behind @separator. */
static bool end_fits(const char *pattern, const char *text, char separator)
{
	for (const char *at = text; *at; at++)
		if ((at == text || at[-1] == separator) && fits(pattern, at))
			return true;
	return false;
}

static void cut_tail(struct strbuf *sb, const char *tail)
{
	size_t bytes = strlen(tail);

	if (sb->len >= bytes && !strcmp(sb->buf + sb->len - bytes, tail))
		strbuf_truncate(sb, sb->len - bytes);
}

bool component_python_module_fits(const char *pattern, const char *file)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;

	if (strbuf_addstr(&name, file + (*file == '/')) || !name.len)
		return false;
	cut_tail(&name, ".py");
	cut_tail(&name, "/__init__");
	for (size_t i = 0; i < name.len; i++)
		if (name.buf[i] == '/')
			name.buf[i] = '.';
	return end_fits(pattern, name.buf, '.');
}

static bool has_frame(const struct component_rule *rule)
{
	return rule->function || rule->module || rule->source || rule->python_module;
}

static bool fits_frame(const struct component_rule *rule, const struct report_frame *frame)
{
	if (rule->function && !fits(rule->function, frame->function))
		return false;
	if (rule->module && !end_fits(rule->module, frame->module, '/'))
		return false;
	if (rule->source && !end_fits(rule->source, frame->file, '/'))
		return false;
	return !rule->python_module ||
	       (frame->kind == FRAME_PYTHON &&
		component_python_module_fits(rule->python_module, frame->file));
}

uint64_t component_rules_of_frame(const struct component_rules *rules,
				  const struct report_frame *frame)
{
	uint64_t fit = 0;

	for (size_t i = 0; i < rule_count(rules); i++)
		if (has_frame(&rules->rules[i]) && fits_frame(&rules->rules[i], frame))
			fit |= UINT64_C(1) << i;
	return fit;
}

uint64_t component_rules_without_frame(const struct component_rules *rules)
{
	uint64_t without = 0;

	for (size_t i = 0; i < rule_count(rules); i++)
		if (!has_frame(&rules->rules[i]))
			without |= UINT64_C(1) << i;
	return without;
}

/* Slices hold units, and are none that anything runs in. */
static bool unit_fits(const char *pattern, const char *cgroup)
{
	while (*cgroup) {
		const char *end = strchrnul(cgroup, '/');
		_cleanup_free_ char *part = strndup(cgroup, (size_t)(end - cgroup));
		const char *dot = part ? strrchr(part, '.') : NULL;

		if (dot && strcmp(dot, ".slice") != 0 && fits(pattern, part))
			return true;
		cgroup = end + (*end == '/');
	}
	return false;
}

uint64_t component_rules_of_cgroup(const struct component_rules *rules, const char *cgroup)
{
	uint64_t fit = 0;

	for (size_t i = 0; i < rule_count(rules); i++) {
		const struct component_rule *rule = &rules->rules[i];

		if ((!rule->cgroup || (*cgroup && fits(rule->cgroup, cgroup))) &&
		    (!rule->unit || unit_fits(rule->unit, cgroup)))
			fit |= UINT64_C(1) << i;
	}
	return fit;
}

uint64_t component_rules_by_thread(const struct component_rules *rules)
{
	uint64_t by = 0;

	for (size_t i = 0; i < rule_count(rules); i++)
		if (rules->rules[i].thread)
			by |= UINT64_C(1) << i;
	return by;
}

uint64_t component_rules_of_thread(const struct component_rules *rules, const char *name)
{
	uint64_t fit = 0;

	for (size_t i = 0; i < rule_count(rules); i++)
		if (rules->rules[i].thread && fits(rules->rules[i].thread, name))
			fit |= UINT64_C(1) << i;
	return fit;
}
