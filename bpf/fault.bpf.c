// SPDX-License-Identifier: GPL-2.0-or-later
/* User page faults: who makes the resident set grow. Raw, since the classic tracepoint needs tracefs. */
#include "thread.bpf.h"

#include <bpf/bpf_core_read.h>

SEC("raw_tp/page_fault_user")
int page_fault(struct bpf_raw_tracepoint_args *ctx)
{
	struct hf_process *process = process_current();
	struct pt_regs *regs = (struct pt_regs *)ctx->args[1];
	struct task_struct *task;
	struct hf_event_fault *e;
	struct hf_thread *t;
	u64 stack;

	if (!process || gate_closed || !(process->flags & HF_PROCESS_FAULTS))
		return 0;
	__sync_fetch_and_add(&process->faults, 1);
	t = thread_get();
	if (!t)
		return 0;
	stack = stack_of_user(t, process, regs);
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(HF_LOSS_RING_FULL_FAULT);
		return 0;
	}
	task = (struct task_struct *)bpf_get_current_task_btf();
	event_begin(&e->h, HF_EVENT_FAULT | (ctx->args[2] & 7) << 8, sizeof(*e));
	e->address = ctx->args[0];
	e->stack = stack;
	e->major_faults = BPF_CORE_READ(task, maj_flt);
	bpf_ringbuf_submit(e, wake_flags());
	return 0;
}
