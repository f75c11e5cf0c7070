/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom the kernel kills for memory (tracepoint oom:mark_victim), of the whole machine and of each memory cgroup.
 *
 *	oom_watch_new(&watch, &err)		from now on
 *	oom_watch_find(watch, key, &kill)	was that process chosen?
 *	oom_watch_free(watch)
 *
 * The kernel writes a choice before the victim gets its SIGKILL: who has seen a process gone gets the final answer, without waiting. The
 * newest HF_OOM_KILLS choices are known. One small program without the rest of the kernel side: CAP_BPF and CAP_PERFMON suffice, tracefs is not
 * needed; it takes some 20 KiB, and costs nothing but at a kill. One owner; a forked child may look as well.
 */
#ifndef HOLDFAST_PROBE_OOM_H
#define HOLDFAST_PROBE_OOM_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "process/proc/process.h"

struct oom_watch;

struct oom_kill {
	uint64_t time_ns;   /* CLOCK_MONOTONIC */
	uint64_t rss_bytes; /* that the kernel counted then; 0: not known */
};

/* Errors: HF_E_PERM; HF_E_NOKERNEL: no such tracepoint, no BTF, no BPF; HF_E_INTERNAL. */
int oom_watch_new(struct oom_watch **ret, struct hf_error *error);
void oom_watch_free(struct oom_watch *watch);
DEFINE_CLEANUP(struct oom_watch *, oom_watch_free);

/* 0; -ENOENT: the kernel did not choose it since oom_watch_new(), or HF_OOM_KILLS others after it. */
int oom_watch_find(const struct oom_watch *watch, struct process_key key, struct oom_kill *ret);

#endif
