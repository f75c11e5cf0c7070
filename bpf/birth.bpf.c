// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Objects of Python as they are made: at what the functions return that make one of a given type (PyType_GenericAlloc() and the like,
 * whose first argument is the type). Only types that are asked for, and only while somebody wants to know (a window).
 */
#include "thread.bpf.h"

#define TYPE_OF_OBJECT 8 /* PyObject.ob_type */

static __always_inline bool is_wanted(u64 type)
{
	struct hf_birth_type key = {.type = type, .pid = bpf_get_current_pid_tgid() >> 32};

	return bpf_map_lookup_elem(&birth_types, &key) != NULL;
}

static __always_inline int made(struct pt_regs *regs)
{
	struct hf_process *process = process_current();
	struct hf_walk_start start = {
		.pc = regs->ip, .sp = regs->sp, .bp = regs->bp, .is_return = true};
	struct hf_event_birth *e;
	struct hf_thread *t;
	u64 type = 0, stack;

	if (!process || !regs->ax ||
	    bpf_probe_read_user(&type, sizeof(type), (void *)(regs->ax + TYPE_OF_OBJECT)) ||
	    !is_wanted(type))
		return 0;
	t = thread_get();
	if (!t)
		return 0;
	stack = stack_take(t, process, &start);
	e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&birth_losses, 1);
		return 0;
	}
	event_begin(&e->h, HF_EVENT_BIRTH, sizeof(*e));
	e->address = regs->ax;
	e->type = type;
	e->stack = stack;
	bpf_ringbuf_submit(e, wake_flags());
	return 0;
}

SEC("uprobe")
int birth_return(struct pt_regs *regs)
{
	__sync_fetch_and_add(&birth_hits, 1);
	return made(regs);
}

/* Answering 1 at the entry saves the return probe. */
SEC("uprobe")
int birth_session(struct pt_regs *regs)
{
	if (session_is_return())
		return made(regs);
	__sync_fetch_and_add(&birth_hits, 1);
	return !is_wanted(regs->di);
}
