// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's choice of a process to kill for memory. On its own: it belongs to no traced process, and is loaded without the rest
 * (user/capture/probe/oom.c). Raw, since the classic tracepoint needs tracefs.
 */
#include "maps.bpf.h"

#include <bpf/bpf_core_read.h>

/* File, anonymous and shared pages, not swap: what /proc calls its RSS. A counter's share on each CPU is left out. */
static __always_inline u64 resident_pages(struct mm_struct *mm)
{
	s64 sum = 0, count;

	if (!mm || !bpf_core_field_exists(mm->rss_stat[0].count))
		return 0;
	count = BPF_CORE_READ(mm, rss_stat[0].count);
	sum += count > 0 ? count : 0;
	count = BPF_CORE_READ(mm, rss_stat[1].count);
	sum += count > 0 ? count : 0;
	count = BPF_CORE_READ(mm, rss_stat[3].count);
	sum += count > 0 ? count : 0;
	return sum;
}

SEC("raw_tp/mark_victim")
int oom_victim(struct bpf_raw_tracepoint_args *ctx)
{
	u64 victim = ctx->args[0];
	struct hf_oom_kills *all;
	struct hf_oom_kill *kill;
	struct task_struct *task = (struct task_struct *)victim;
	u32 zero = 0, pid = victim;
	u64 start_ns = 0, rss_pages = 0;

	all = bpf_map_lookup_elem(&oom_kills, &zero);
	if (!all)
		return 0;
	/* A task from 6.9 on, a pid before. */
	if (victim >> 32) {
		pid = BPF_CORE_READ(task, tgid);
		if (bpf_core_field_exists(task->start_boottime))
			start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
		rss_pages = resident_pages(BPF_CORE_READ(task, mm));
	}
	kill = &all->kills[__sync_fetch_and_add(&all->count, 1) % HF_OOM_KILLS];
	*(volatile u64 *)&kill->time_ns = 0;
	kill->pid = pid;
	kill->start_ns = start_ns;
	kill->rss_pages = rss_pages;
	*(volatile u64 *)&kill->time_ns = bpf_ktime_get_ns();
	return 0;
}
