// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads' scratch memory, loss counters, event headers. */
#include "thread.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct hf_thread);
} threads SEC(".maps");

__hidden void count_loss(u32 reason)
{
	u32 zero = 0;
	struct hf_loss *loss = bpf_map_lookup_elem(&losses, &zero);

	if (loss && reason < HF_LOSS_REASON_COUNT)
		__sync_fetch_and_add(&loss->count[reason], 1);
}

__hidden struct hf_thread *thread_get(void)
{
	struct hf_thread *thread;

	thread = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0,
				      BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread)
		count_loss(HF_LOSS_STORAGE);
	return thread;
}

__hidden struct hf_thread *thread_find(void)
{
	return bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, 0);
}

__hidden struct hf_process *process_current(void)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&processes, &pid);
}

__hidden void event_begin(struct hf_event *event, u32 kind_detail, u32 size)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();

	event->kind = kind_detail & 0xff;
	event->detail = kind_detail >> 8;
	event->cpu = bpf_get_smp_processor_id();
	event->size_bytes = size;
	event->time_ns = bpf_ktime_get_ns();
	event->pid = pid_tgid >> 32;
	event->tid = pid_tgid;
}

/* When the reader was woken last. A reader that cannot keep up needs no second call: each one costs the
 * target an interrupt, 5 us and more. Racy on purpose: a lost update is one call too many. */
static u64 woken_ns;

#define WAKE_PAUSE_NS 1000000

__hidden u64 wake_flags(void)
{
	u64 now;

	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	now = bpf_ktime_get_ns();
	if (now - woken_ns < WAKE_PAUSE_NS)
		return BPF_RB_NO_WAKEUP;
	woken_ns = now;
	return BPF_RB_FORCE_WAKEUP;
}
