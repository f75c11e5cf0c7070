// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes on single calls of an allocator's functions, kept for good where those functions themselves are called
 * too often to be probed all the time: on the call instruction (arguments) and behind it (what came back). The
 * cookie is the site's index, doubled; odd behind the call. A site may be the call of a wrapper (xmalloc): its
 * frames between the site and the allocator are known beforehand, so the stack is the same as one that the
 * probes on the functions find.
 *
 * While those are in too (a window), they leave such calls to the site: see site_covers().
 */
#include "alloc.bpf.h"

static __always_inline struct hf_site_call *site_call_at(struct hf_thread *t, u32 index)
{
	barrier_var(index);
	return &t->site_calls[index & (HF_MAX_SITE_CALLS - 1)];
}

/* Calls at or below the stack pointer are over: by an exception or longjmp, or this is the same call, seen by the
 * links of before and of after a change of the sites. */
static __always_inline void drop_over(struct hf_thread *t, u64 sp)
{
	for (int i = 0; i < HF_MAX_SITE_CALLS; i++) {
		if (!t->site_call_count || site_call_at(t, t->site_call_count - 1)->sp > sp)
			return;
		t->site_call_count--;
	}
}

static __always_inline void enter_free(struct pt_regs *regs, const struct hf_call_site *site,
				       const struct arguments *args)
{
	u64 address = argument(args, site->cookie.pointer_arg);
	struct hf_thread *t;

	if (!address)
		return;
	t = thread_get();
	if (t) {
		/* The function's own probe sees the same call: its return address will be on top of the stack. */
		t->release.sp = regs->sp - 8;
		t->release.return_pc = site->return_pc;
		t->release.address = address;
		t->release.id = HF_RELEASE_AT_SITE;
	}
	send_free(site->cookie.function, address, 0);
}

static __always_inline u64 size_of_call(const struct hf_call_site *site,
					const struct arguments *args)
{
	u64 size = argument(args, site->cookie.size_arg);

	if (site->extension == HF_EXTEND_UNSIGNED)
		size = (u32)size;
	else if (site->extension == HF_EXTEND_SIGNED)
		size = (s64)(s32)size;
	if (site->cookie.count_arg != HF_ARG_NONE)
		size *= argument(args, site->cookie.count_arg);
	return size * site->scale + site->added_bytes;
}

static __always_inline void enter_alloc(struct pt_regs *regs, const struct hf_call_site *site,
					u32 index, const struct arguments *args)
{
	struct hf_thread *t = thread_get();
	struct hf_site_call *call;

	if (!t)
		return;
	drop_over(t, regs->sp);
	if (t->site_call_count >= HF_MAX_SITE_CALLS) {
		count_loss(HF_LOSS_NESTED_TOO_DEEP);
		return;
	}
	call = site_call_at(t, t->site_call_count);
	call->sp = regs->sp;
	call->site = index;
	call->size = size_of_call(site, args);
	call->result_address = argument(args, site->cookie.result_arg);
	call->released = 0;
	if (site->cookie.op == HF_OP_REALLOC)
		call->released = argument(args, site->cookie.pointer_arg);
	if (call->released) {
		call->released += site->pointer_offset;
		send_free(site->cookie.function, call->released, HF_FREE_TENTATIVE);
	}
	t->site_call_count++;
}

static __always_inline struct hf_site_call *call_returning(struct hf_thread *t, u64 sp, u32 index)
{
	struct hf_site_call *call;

	for (int i = 0; i < HF_MAX_SITE_CALLS; i++) {
		if (!t->site_call_count)
			return NULL;
		call = site_call_at(t, t->site_call_count - 1);
		/* The links of before and of after a change of the sites both run here: the newer one takes it. */
		if (call->sp > sp || (call->sp == sp && call->site != index))
			return NULL;
		t->site_call_count--;
		if (call->sp == sp)
			return call;
	}
	return NULL;
}

static __always_inline u64 stack_at_site(struct hf_thread *t, const struct pt_regs *regs,
					 const struct hf_call_site *site)
{
	struct hf_process *process = process_current();
	struct hf_walk_start start = {.pc = site->return_pc,
				      .sp = regs->sp,
				      .bp = regs->bp,
				      .is_return = true,
				      .inner = site->inner_pcs,
				      .inner_count = site->inner_count};

	return process ? stack_take(t, process, &start) : 0;
}

/* Behind the call. A jump may lead there, too: then no call is under way at this stack pointer. */
static __always_inline void leave_call(struct pt_regs *regs, const struct hf_call_site *site,
				       u32 index)
{
	struct hf_thread *t = thread_find();
	struct hf_site_call *call = t ? call_returning(t, regs->sp, index) : NULL;
	struct hf_inner block;

	if (!call)
		return;
	block.address = result_of(regs->ax, site->cookie, call->result_address);
	block.size = call->size;
	if (!block.address) {
		if (call->released && call->size)
			send_undo(site->cookie.function, call->released);
		return;
	}
	block.address -= site->result_offset;
	block.stack = stack_at_site(t, regs, site);
	if (span_rules)
		block.spans = block.stack ? t->span_set : 0;
	send_alloc(site->cookie.function | HF_ALLOC_FOLLOWED, &block);
}

SEC("uprobe")
int call_site(struct pt_regs *regs)
{
	u64 cookie = bpf_get_attach_cookie(regs);
	u32 index = cookie >> 1;
	struct hf_call_site *site = bpf_map_lookup_elem(&call_sites, &index);
	u64 *hits = bpf_map_lookup_elem(&call_site_hits, &index);
	struct arguments args;

	if (!site || !hits)
		return 0;
	if (cookie & 1) {
		leave_call(regs, site, index);
		return 0;
	}
	__sync_fetch_and_add(hits, 1);
	if (gate_closed || !process_current())
		return 0;
	arguments_get(regs, &args);
	if (site->cookie.op == HF_OP_FREE)
		enter_free(regs, site, &args);
	else
		enter_alloc(regs, site, index, &args);
	return 0;
}
