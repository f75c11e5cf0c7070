/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * Whom the kernel chose to kill for memory: the newest HF_OOM_KILLS choices of the whole machine, memory cgroups' own included. The kernel
 * side writes a choice when it is made, before the victim gets its SIGKILL: whoever sees a process gone, finds it here.
 */
#ifndef HOLDFAST_OOM_H
#define HOLDFAST_OOM_H

#include <holdfast/types.h>

#define HF_OOM_KILLS 256 /* a power of two */

struct hf_oom_kill {
	__u64 time_ns;   /* CLOCK_MONOTONIC; written last; 0: nothing was written here yet */
	__u64 start_ns;  /* CLOCK_BOOTTIME of the process's beginning; 0: not known (before 6.9) */
	__u64 rss_pages; /* that it held then; 0: not known. Right to some 64 pages a CPU */
	__u32 pid;       /* of the process; before 6.9 of a thread of it */
	__u32 reserved;
};

struct hf_oom_kills {
	__u64 count; /* ever; kill n stands at n % HF_OOM_KILLS */
	struct hf_oom_kill kills[HF_OOM_KILLS];
};

HF_STATIC_ASSERT(sizeof(struct hf_oom_kill) == 32, "both sides see one layout");

#endif
