/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this kernel, this user and a target allow. Each thing is tried, not looked up by version; each
 * finding says what is lost without it and what to do.
 */
#ifndef HOLDFAST_SESSION_DOCTOR_H
#define HOLDFAST_SESSION_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/vec.h"

enum check_state {
	CHECK_OK,
	CHECK_LIMITED, /* works, with less */
	CHECK_MISSING, /* something that holdfast does is not possible */
};

const char *check_state_name(enum check_state state);

struct check {
	enum check_state state;
	const char *name;   /* "uprobes" */
	struct strbuf text; /* what was found */
	struct strbuf fix;  /* what to do; empty if nothing */
};

VEC_STRUCT(check_vec, struct check);

/* Fills in the checks of the machine, then those of each PID. -ENOMEM. */
int doctor_examine(const int *pids, size_t pid_count, struct check_vec *ret);
void doctor_done(struct check_vec *checks);

/* Tracing wants CAP_SYS_ADMIN besides CAP_BPF and CAP_PERFMON: the kernel has no uprobe_multi (before 6.6). Tried, in 0.1 ms. */
bool doctor_needs_admin(void);
/*
 * What probes cost here is measured, unless kept figures hold, and kept (capture/probe/cost_cache.h): for processes that may
 * not write where they are kept. Some 0.1 s; of this process alone.
 */
void doctor_calibrate(void);

#endif
