// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Life of processes and threads. A forked child is known from its first instruction on, with its parent's
 * space (it is a copy of it), so that its mappings and faults are seen at once; its allocator probes come
 * with links of its own, a little later, which the user side counts as a gap.
 */
#include "thread.bpf.h"

#include <bpf/bpf_core_read.h>

const volatile bool follow_children = true;

static __always_inline void add_child(const struct hf_process *parent, u32 pid)
{
	struct hf_process child = *parent;

	child.flags |= HF_PROCESS_SHARES;
	bpf_map_update_elem(&processes, &pid, &child, BPF_ANY);
}

/* A fork's interpreter is a copy. */
static __always_inline void share_python(u32 pid)
{
	u32 parent = bpf_get_current_pid_tgid() >> 32;
	struct hf_python *python = pythons_known ? bpf_map_lookup_elem(&pythons, &parent) : NULL;

	if (python)
		bpf_map_update_elem(&pythons, &pid, python, BPF_ANY);
}

static __always_inline void forget_python(u32 pid)
{
	if (pythons_known)
		bpf_map_delete_elem(&pythons, &pid);
}

/* The stack that they were open on is gone. */
static __always_inline void forget_spans(void)
{
	struct hf_thread *t = thread_find();

	if (t)
		t->open_span_count = t->held_span_count = 0;
}

SEC("raw_tp/sched_process_fork")
int process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[1];
	struct hf_process *process = process_current();
	u32 child_pid, child_tid;
	struct hf_event_fork *e;
	bool is_thread;

	if (!process)
		return 0;
	child_pid = BPF_CORE_READ(child, tgid);
	child_tid = BPF_CORE_READ(child, pid);
	is_thread = child_pid == (u32)(bpf_get_current_pid_tgid() >> 32);
	if (!is_thread && follow_children) {
		add_child(process, child_pid);
		share_python(child_pid);
	}
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(HF_LOSS_RING_FULL_LIFE);
		return 0;
	}
	event_begin(&e->h, HF_EVENT_FORK | (is_thread ? HF_FORK_THREAD << 8 : 0), sizeof(*e));
	e->child_pid = child_pid;
	e->child_tid = child_tid;
	bpf_ringbuf_submit(e, is_thread ? wake_flags() : BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* After exec nothing of the old space holds: no mapping is known until the user side has looked. */
SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct hf_process *process = process_current();
	struct hf_event_exec *e;

	(void)ctx;
	if (!process)
		return 0;
	process->space = HF_SPACE_NONE;
	__sync_fetch_and_add(&process->code_changes, 1);
	space_changed(process, true);
	forget_python(bpf_get_current_pid_tgid() >> 32);
	if (span_rules)
		forget_spans();
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(HF_LOSS_RING_FULL_LIFE);
		return 0;
	}
	event_begin(&e->h, HF_EVENT_EXEC, sizeof(*e));
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct hf_event_exit *e;
	struct hf_thread *t;
	bool last;

	(void)ctx;
	if (!process_current())
		return 0;
	last = BPF_CORE_READ(task, signal, live.counter) == 0;
	t = thread_find();
	if (last) {
		bpf_map_delete_elem(&processes, &pid);
		forget_python(pid);
	}
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		count_loss(HF_LOSS_RING_FULL_LIFE);
		return 0;
	}
	event_begin(&e->h, HF_EVENT_EXIT | (last ? HF_EXIT_GROUP_DEAD << 8 : 0), sizeof(*e));
	e->exit_code = BPF_CORE_READ(task, exit_code);
	e->calls_open = t ? t->call_count : 0;
	bpf_ringbuf_submit(e, last ? BPF_RB_FORCE_WAKEUP : wake_flags());
	return 0;
}

/*
 * Names the space that the user side has filled, unless code came or went since it read the maps. The change
 * count is looked at again once the space is named: code_gone() counts first and then cuts what is named, so
 * one of the two sees the other.
 */
SEC("syscall")
int space_publish(struct hf_publish *request)
{
	u32 pid = request->pid;
	struct hf_process *process = bpf_map_lookup_elem(&processes, &pid);
	u64 before;

	if (!process)
		return HF_PUBLISH_GONE;
	if (*(volatile u32 *)&process->code_changes != request->code_changes)
		return HF_PUBLISH_OLD;
	before = process->space;
	*(volatile u64 *)&process->space = request->space;
	space_changed(process, request->new_stacks); /* atomic: a full barrier */
	if (*(volatile u32 *)&process->code_changes != request->code_changes) {
		process->space = before;
		space_changed(process, request->new_stacks);
		return HF_PUBLISH_OLD;
	}
	process->published_count = process->fresh_count;
	process->flags = request->flags;
	return 0;
}
