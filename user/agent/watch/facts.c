/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/watch/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/proc/proc_text.h"

#define CGROUP_MAX_BYTES ((size_t)64 << 10)

static void forget_texts(struct process_facts *facts)
{
	char **texts[] = {&facts->exe, &facts->cmdline, &facts->cgroup, &facts->container,
			  &facts->unit};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
	facts->complete = false;
}

void facts_done(struct process_facts *facts)
{
	forget_texts(facts);
	*facts = (struct process_facts)PROCESS_FACTS_INIT;
}

int facts_read(int pid, struct process_facts *ret)
{
	struct process_stat stat;
	int err = process_stat_read(pid, &stat);

	if (err)
		return err;
	*ret = (struct process_facts){.stat = stat};
	return 0;
}

/* "0::/a/b" is the unified hierarchy's line, "1:name=systemd:/a/b" that of systemd's own. */
static bool path_of_line(struct text line, bool *ret_unified, struct text *ret_path)
{
	struct text rest = line;
	uint64_t number;

	if (!text_take_decimal(&rest, &number) || !text_take_char(&rest, ':'))
		return false;
	*ret_unified = text_take_char(&rest, ':');
	if (!*ret_unified && !text_take_prefix(&rest, "name=systemd:"))
		return false;
	*ret_path = rest;
	return true;
}

/*
 * The path in the unified hierarchy (cgroups(7)) or, where only systemd's own v1 hierarchy has one, in that; "" if there is none.
 */
static int parse_cgroup(const char *text, size_t size, char **ret_path)
{
	struct text rest = {text, text + size}, line, best = {text, text}, path;
	bool unified;

	while (text_next_line(&rest, &line)) {
		if (!path_of_line(line, &unified, &path))
			continue;
		/* In a hybrid the unified one is "/" or the same. */
		if (path.end - path.p > best.end - best.p)
			best = path;
	}
	*ret_path = text_copy(best);
	return *ret_path ? 0 : -ENOMEM;
}

static bool is_unit(struct text part)
{
	static const char *const endings[] = {".service", ".scope", ".slice", ".socket", ".mount"};
	size_t len = (size_t)(part.end - part.p);

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t tail = strlen(endings[i]);

		if (len > tail && !memcmp(part.end - tail, endings[i], tail))
			return true;
	}
	return false;
}

/* The last part that names a unit of systemd. */
static int unit_of_cgroup(const char *path, char **ret_unit)
{
	struct text unit = {path, path};

	while (*path) {
		const char *end = strchrnul(path, '/');
		struct text part = {path, end};

		if (is_unit(part))
			unit = part;
		path = *end ? end + 1 : end;
	}
	*ret_unit = text_copy(unit);
	return *ret_unit ? 0 : -ENOMEM;
}

static int read_groups(struct process_facts *facts)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int err = proc_read(facts->stat.key.pid, "cgroup", CGROUP_MAX_BYTES, &text, &size);

	if (err == -ENOENT) { /* a kernel without */
		text = strdup("");
		size = 0;
		err = text ? 0 : -ENOMEM;
	}
	if (!err)
		err = parse_cgroup(text, size, &facts->cgroup);
	if (!err)
		err = process_container_parse(text, size, &facts->container);
	return err ? err : unit_of_cgroup(facts->cgroup, &facts->unit);
}

static int read_program(struct process_facts *facts)
{
	struct process_status status;
	int pid = facts->stat.key.pid, err = process_exe(pid, &facts->exe);

	/* A kernel thread has none; that of somebody else may be none of our business. */
	facts->exe_unknown = err == -EACCES;
	if (err == -ENOENT || err == -EACCES)
		err = (facts->exe = strdup("")) ? 0 : -ENOMEM;
	if (!err)
		err = process_cmdline(pid, &facts->cmdline);
	if (!err)
		err = process_status_read(pid, &status);
	if (!err)
		facts->uid = status.uid;
	return err;
}

int facts_complete(struct process_facts *facts)
{
	struct process_stat stat;
	int err;

	forget_texts(facts);
	err = read_groups(facts);
	if (!err)
		err = read_program(facts);
	/* All of that was the same process's, if it is still there. */
	if (!err)
		err = process_stat_read(facts->stat.key.pid, &stat);
	if (!err && stat.key.start_ticks != facts->stat.key.start_ticks)
		err = -ESRCH;
	if (!err)
		err = process_start_wall_ns(&stat, &facts->start_wall_ns);
	if (err) {
		forget_texts(facts);
		return err;
	}
	facts->stat = stat;
	facts->complete = true;
	return 0;
}
