/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Components: parts of a program, by rule. What a site holds belongs to the component of the first rule, in their
 * order, that fits it, else to COMPONENT_OTHER: so the components' sum is the whole.
 *
 * A rule fits if all of its patterns do; of those about a frame one and the same frame of the stack, wherever in it,
 * must fit all. Several rules may have one name: they are one component. Patterns are globs (fnmatch(3)), in which *
 * also covers a '/'. What a site holds may come from any number of threads: one by thread takes that part of it which those
 * threads allocated that it fits (struct report_site_part).
 *
 * Pure; any thread.
 */
#ifndef HOLDFAST_REPORT_COMPONENT_H
#define HOLDFAST_REPORT_COMPONENT_H

#include <stdint.h>

#include "report/report.h"

#define COMPONENT_OTHER     "other"
#define COMPONENT_RULES_MAX 64

/* Borrowed; NULL patterns: any. */
struct component_rule {
	const char *name;
	/* Of a frame: */
	const char *function; /* "engine_*" */
	const char *
		module; /* path of the file, or an end of it that begins behind a '/': "libpq.so*" */
	const char *source; /* the same of the source file: "src/engine/?*" */
	const char *
		python_module; /* of Python only: "app.engine", see component_python_module_fits() */
	/* Of the process: */
	const char *cgroup; /* path, from the root of the hierarchy */
	const char *unit;   /* of systemd: "nginx.service" */
	/* Of the thread that allocated: */
	const char *thread; /* its name, as in comm: "engine-*" */
};

struct component_rules {
	const struct component_rule
		*rules; /* at most COMPONENT_RULES_MAX, those beyond fit nothing */
	size_t count;
};

/* One bit a rule: those whose patterns about frames this frame fits; rules that have none are not among them. */
uint64_t component_rules_of_frame(const struct component_rules *rules,
				  const struct report_frame *frame);
/* Those that have no pattern about frames. */
uint64_t component_rules_without_frame(const struct component_rules *rules);
/* Those whose patterns about the process it fits, or that have none; @cgroup: "" if it is not known. */
uint64_t component_rules_of_cgroup(const struct component_rules *rules, const char *cgroup);

/* Those with a pattern about threads; and those of them that a thread of this name fits. */
uint64_t component_rules_by_thread(const struct component_rules *rules);
uint64_t component_rules_of_thread(const struct component_rules *rules, const char *name);

/*
 * The module that a file of Python stands for is its path without ".py" and without "/__init__", with dots for slashes, from
 * wherever the interpreter's search began: which that was is not told by the path, so any will do: app/engine.py is
 * "engine", "app.engine" and so on.
 */
bool component_python_module_fits(const char *pattern, const char *file);

#endif
