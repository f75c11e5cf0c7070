// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mmap, munmap, mremap and brk, at the system call: no libc wrapper can hide one. Where the kernel can (fentry), at
 * these four functions of it: whoever makes other calls pays nothing. Else by raw tracepoints (the classic ones need
 * tracefs mounted), which run for every system call of the machine, so the first thing they do is to look at the number.
 *
 * Releases are sent at entry (tentative), before another thread can get the range; the return confirms
 * by saying nothing, or undoes.
 */
#include "thread.bpf.h"

#include <bpf/bpf_core_read.h>

#include "core/mapping.h"

enum { NR_MMAP = 9, NR_MUNMAP = 11, NR_BRK = 12, NR_MREMAP = 25 };
enum { PROT_EXEC_BIT = 4, MAP_FIXED_BIT = 0x10, MAP_ANONYMOUS_BIT = 0x20 };

static __always_inline bool is_mapping_call(u64 number)
{
	return number == NR_MMAP || number == NR_MUNMAP || number == NR_BRK || number == NR_MREMAP;
}

static __always_inline bool failed(s64 result)
{
	return result < 0 && result >= -4095;
}

/* Does the process's space have code there? With @cut its mapping ends at once. */
static __noinline int space_has(struct hf_process *process, u64 address, u64 size, bool cut)
{
	struct hf_space *space = space_find(process);
	struct hf_mapping *m;

	if (!space)
		return 0;
	m = (struct hf_mapping *)hf_mapping_find(space, address + size - 1);
	if (m->end <= address)
		return 0;
	if (cut)
		m->end = m->start;
	return 1;
}

/* Was code mapped there that the user side may have read of, but not published? */
static __always_inline bool is_fresh(const struct hf_process *process, u64 address, u64 size)
{
	u64 fresh = process->fresh_count - process->published_count > HF_FRESH_CODE;

#pragma unroll
	for (u32 i = 0; i < HF_FRESH_CODE; i++)
		fresh |= ranges_overlap(process->fresh[i].start, process->fresh[i].end, address,
					size);
	return fresh;
}

/*
 * Code that is unmapped takes its rows with it at once, not only when the user side has read the maps
 * anew: other code may come to the same place. The space is cut again after the change was counted: one
 * that is being published meanwhile is either cut here or refused by space_publish.
 */
static __always_inline void code_gone(struct hf_process *process, u64 address, u64 size)
{
	bool shares = process->flags & HF_PROCESS_SHARES;

	if (!size)
		return;
	if (!space_has(process, address, size, !shares) && !is_fresh(process, address, size))
		return;
	if (shares)
		process->space = HF_SPACE_NONE; /* the parent's code stays where it is */
	__sync_fetch_and_add(&process->code_changes, 1);
	if (!shares)
		space_has(process, address, size, true);
	space_changed(process, true);
}

static __always_inline void code_came(struct hf_process *process, u64 address, u64 size)
{
	struct hf_range *range = &process->fresh[process->fresh_count & (HF_FRESH_CODE - 1)];

	range->start = address;
	range->end = address + size;
	__sync_fetch_and_add(&process->fresh_count, 1);
	__sync_fetch_and_add(&process->code_changes, 1);
}

static __always_inline u32 in_allocator(const struct hf_thread *t, u64 sp)
{
	u32 top = (t->call_count - 1) & (HF_MAX_CALLS - 1);

	return t->call_count && t->window == window && t->calls[top].sp > sp ? HF_MAP_IN_ALLOCATOR
									     : 0;
}

static __always_inline void send_unmap(const struct hf_syscall *call, u8 function, u32 flags)
{
	struct hf_event_unmap *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		count_loss(HF_LOSS_RING_FULL_MAP);
		return;
	}
	event_begin(&e->h, HF_EVENT_UNMAP | function << 8, sizeof(*e));
	e->address = call->args[0];
	e->size = call->args[1];
	e->flags = flags | HF_MAP_TENTATIVE;
	e->reserved = 0;
	bpf_ringbuf_submit(e, wake_flags());
}

static __always_inline void send_unmap_undo(const struct hf_syscall *call, u8 function)
{
	struct hf_event_undo *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		count_loss(HF_LOSS_RING_FULL_MAP);
		return;
	}
	event_begin(&e->h, HF_EVENT_UNDO | function << 8, sizeof(*e));
	e->address = call->args[0];
	bpf_ringbuf_submit(e, wake_flags());
}

static __always_inline void fill_file(struct hf_event_map *e)
{
	struct file *file = file_of(e->fd);

	if (!file)
		return;
	e->inode = BPF_CORE_READ(file, f_inode, i_ino);
	e->device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
}

static __always_inline void send_map(const struct hf_syscall *call, u64 address, u32 flags)
{
	struct hf_event_map *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	bool moved = call->number == NR_MREMAP;

	if (!e) {
		count_loss(HF_LOSS_RING_FULL_MAP);
		return;
	}
	event_begin(&e->h, HF_EVENT_MAP | (moved ? HF_FN_MREMAP : HF_FN_MMAP) << 8, sizeof(*e));
	e->address = address;
	e->size = moved ? call->args[2] : call->args[1];
	e->offset = moved ? 0 : call->args[5];
	e->stack = call->stack;
	e->prot = moved ? 0 : call->args[2];
	e->mmap_flags = moved ? 0 : call->args[3];
	e->fd = moved || call->args[3] & MAP_ANONYMOUS_BIT ? -1 : (s32)call->args[4];
	e->flags = flags;
	e->inode = 0;
	e->device = 0;
	e->reserved = 0;
	if (e->prot & PROT_EXEC_BIT && e->fd >= 0)
		fill_file(e);
	/* New code: the user side must read its rows soon. */
	bpf_ringbuf_submit(e, e->prot & PROT_EXEC_BIT ? BPF_RB_FORCE_WAKEUP : wake_flags());
}

static __always_inline void send_brk(const struct hf_syscall *call, u64 new_break, u32 flags)
{
	struct hf_event_brk *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e) {
		count_loss(HF_LOSS_RING_FULL_MAP);
		return;
	}
	event_begin(&e->h, HF_EVENT_BRK | HF_FN_BRK << 8, sizeof(*e));
	e->old_break = call->args[1];
	e->new_break = new_break;
	e->stack = call->stack;
	e->flags = flags;
	e->reserved = 0;
	bpf_ringbuf_submit(e, wake_flags());
}

static __always_inline void keep_arguments(struct hf_syscall *call, const struct pt_regs *regs,
					   u64 number)
{
	call->number = number;
	call->args[0] = BPF_CORE_READ(regs, di);
	call->args[1] = BPF_CORE_READ(regs, si);
	call->args[2] = BPF_CORE_READ(regs, dx);
	call->args[3] = BPF_CORE_READ(regs, r10);
	call->args[4] = BPF_CORE_READ(regs, r8);
	call->args[5] = BPF_CORE_READ(regs, r9);
}

/* How often a process comes by here, which costs it: by a sample, since to ask for each call whose it is would cost
 * every process of the machine as much again. */
static __always_inline void count_passing(void)
{
	struct hf_process *process;

	if (bpf_get_prandom_u32() % HF_PASSING_SAMPLE)
		return;
	process = process_current();
	if (process)
		__sync_fetch_and_add(&process->passing, HF_PASSING_SAMPLE);
}

static __always_inline int enters(struct pt_regs *regs, u64 number)
{
	struct hf_process *process = process_current();
	struct hf_thread *t = process ? thread_get() : NULL;
	u64 sp;

	if (!t)
		return 0;
	keep_arguments(&t->syscall, regs, number);
	sp = BPF_CORE_READ(regs, sp);
	if (number == NR_BRK)
		t->syscall.args[1] =
			BPF_CORE_READ((struct task_struct *)bpf_get_current_task_btf(), mm, brk);
	if (number != NR_MUNMAP)
		t->syscall.stack = stack_of_user(t, process, regs);
	if (number == NR_MUNMAP || (number == NR_MREMAP && t->syscall.args[1]))
		send_unmap(&t->syscall, number == NR_MUNMAP ? HF_FN_MUNMAP : HF_FN_MREMAP,
			   in_allocator(t, sp));
	if (number == NR_MUNMAP || number == NR_MREMAP)
		code_gone(process, t->syscall.args[0], t->syscall.args[1]);
	return 0;
}

/* Whatever was at that place is gone. */
static __always_inline void note_mapped(struct hf_process *process, const struct hf_syscall *call,
					u64 address)
{
	bool moved = call->number == NR_MREMAP;
	bool code = !moved && call->args[2] & PROT_EXEC_BIT;

	if (moved || code || call->args[3] & MAP_FIXED_BIT)
		code_gone(process, address, moved ? call->args[2] : call->args[1]);
	if (code)
		code_came(process, address, call->args[1]);
}

static __always_inline int returns(struct pt_regs *regs, u64 number, s64 result)
{
	struct hf_process *process = process_current();
	struct hf_thread *t = process ? thread_find() : NULL;
	u32 flags;

	if (!t || t->syscall.number != number)
		return 0;
	t->syscall.number = 0;
	flags = in_allocator(t, BPF_CORE_READ(regs, sp));
	if (number == NR_BRK) {
		if ((u64)result != t->syscall.args[1])
			send_brk(&t->syscall, result, flags);
		return 0;
	}
	if (failed(result)) {
		if (number != NR_MMAP)
			send_unmap_undo(&t->syscall,
					number == NR_MUNMAP ? HF_FN_MUNMAP : HF_FN_MREMAP);
		return 0;
	}
	if (number == NR_MUNMAP)
		return 0;
	t->syscall.number = number; /* send_map tells the two apart by it */
	note_mapped(process, &t->syscall, result);
	send_map(&t->syscall, result, flags);
	t->syscall.number = 0;
	if (number == NR_MMAP && t->syscall.args[2] & PROT_EXEC_BIT &&
	    !(t->syscall.args[3] & MAP_ANONYMOUS_BIT))
		file_send(t->syscall.args[4]);
	return 0;
}

/* ctx of fentry: the function's arguments; of fexit: what it returned behind them. */
#define MAPPING_CALL(name, number)                                                 \
	SEC("?fentry/__x64_sys_" #name)                                            \
	int name##_enter(u64 *ctx)                                                 \
	{                                                                          \
		return gate_closed ? 0 : enters((struct pt_regs *)ctx[0], number); \
	}                                                                          \
	SEC("?fexit/__x64_sys_" #name)                                             \
	int name##_exit(u64 *ctx)                                                  \
	{                                                                          \
		return returns((struct pt_regs *)ctx[0], number, (s64)ctx[1]);     \
	}

MAPPING_CALL(mmap, NR_MMAP)
MAPPING_CALL(munmap, NR_MUNMAP)
MAPPING_CALL(mremap, NR_MREMAP)
MAPPING_CALL(brk, NR_BRK)

SEC("?raw_tp/sys_enter")
int mapping_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u64 number = ctx->args[1];

	if (!is_mapping_call(number) || gate_closed) {
		count_passing();
		return 0;
	}
	return enters((struct pt_regs *)ctx->args[0], number);
}

SEC("?raw_tp/sys_exit")
int mapping_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	u64 number = BPF_CORE_READ(regs, orig_ax);

	return is_mapping_call(number) ? returns(regs, number, ctx->args[1]) : 0;
}
