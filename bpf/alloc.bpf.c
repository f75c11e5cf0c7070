// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes on the functions of allocators. A probe's cookie says which function it is and where its
 * arguments are (struct hf_probe_cookie), so one pair of programs serves every allocator.
 *
 * Releases are sent at entry, before the allocator may hand the address out again; realloc's are
 * tentative until its return. Allocations are sent at return. Calls inside calls are counted once: a
 * block that the inner call hands out is held back until the outer one returns, and dropped if the outer
 * call hands out the same block.
 */
#include "alloc.bpf.h"

/* A kfunc from 6.13 on; weak, so that the object loads where it is absent. */

/* The barrier keeps the compiler from dropping the mask where it knows the range from a branch: the verifiers
 * of kernels such as 6.1 do not. */
static __always_inline struct hf_call *call_at(struct hf_thread *t, u32 index)
{
	barrier_var(index);
	return &t->calls[index & (HF_MAX_CALLS - 1)];
}

/* A call that will not return. One that is seen at its ret instructions was left by an exception: it has handed
 * out nothing. */
static __always_inline void count_missed(const struct hf_call *call)
{
	if (call->hijacked)
		count_loss(HF_LOSS_RETURN_MISSED);
}

/* A block handed out by an inner call becomes known by itself after all. */
static __always_inline void flush_inner(struct hf_call *call)
{
	if (!call->inner.address)
		return;
	send_alloc(call->inner_function, &call->inner);
	call->inner.address = 0;
}

/* Return probes put their own address in place of the caller's: the first byte of the page [uprobes]. */
static __always_inline bool is_trampoline(u64 pc)
{
	return pc && !(pc & 4095);
}

/* Is the call still under way, seen from a stack pointer below it? Its return address is where it was. */
static __always_inline bool is_alive(const struct hf_call *call)
{
	u64 pc;

	if (hf_read_user(&pc, sizeof(pc), call->sp))
		return true;
	return call->hijacked ? is_trampoline(pc) : pc == call->return_pc;
}

/*
 * Is this call one that is followed at its site, which tells of it? The site's call is under way right above, and the
 * allocator returns to where the site says.
 */
static __always_inline bool site_covers(struct hf_thread *t, u64 sp, u64 return_pc)
{
	u32 top = (t->site_call_count - 1) & (HF_MAX_SITE_CALLS - 1);
	struct hf_site_call *call = &t->site_calls[top];
	struct hf_call_site *site;
	u64 there = 0;
	u32 index;

	if (!t->site_call_count || call->sp <= sp)
		return false;
	index = call->site;
	site = bpf_map_lookup_elem(&call_sites, &index);
	if (!site || return_pc != (site->inner_count ? site->inner_pcs[0] : site->return_pc))
		return false;
	/* One that was left by an exception is still listed. */
	return !hf_read_user(&there, sizeof(there), call->sp - 8) &&
	       (there == site->return_pc || is_trampoline(there));
}

/* The calls of an earlier window: their returns were not all seen. */
static __always_inline void begin_window(struct hf_thread *t)
{
	u32 now = *(volatile u32 *)&window;

	if (t->window == now)
		return;
	t->window = now;
	t->call_count = 0;
}

/* Calls whose stack is gone (longjmp, an exception, a missed return): the stack pointer is above theirs, or
 * their caller has made another call meanwhile. */
static __always_inline void drop_dead_calls(struct hf_thread *t, u64 sp)
{
	struct hf_call *top;

	for (int i = 0; i < HF_MAX_CALLS; i++) {
		if (!t->call_count)
			return;
		top = call_at(t, t->call_count - 1);
		if (top->sp == sp || (top->sp > sp && is_alive(top)))
			return;
		flush_inner(top);
		t->call_count--;
		count_missed(top);
	}
}

/*
 * A call at the very place of the newest one: did that one jump on to this function (glibc's realloc(NULL) does to
 * malloc), or was it left by longjmp or an exception, and is this another? After a jump the stack still
 * holds what the first function found there, or its return probe's address.
 */
static __always_inline bool jumped_here(const struct hf_call *top, u64 return_pc, u8 id)
{
	if (top->hijacked)
		return is_trampoline(return_pc);
	return return_pc == top->return_pc && id != top->latest_id;
}

static __always_inline bool is_tail_call(struct hf_thread *t, u64 sp, u64 return_pc,
					 struct hf_probe_cookie cookie)
{
	struct hf_call *top = call_at(t, t->call_count - 1);
	bool ret_insn = cookie.flags & HF_PROBE_RET_INSN;

	if (!t->call_count || top->sp != sp)
		return false;
	if (!jumped_here(top, return_pc, cookie.id)) {
		flush_inner(top);
		t->call_count--;
		count_missed(top);
		return false;
	}
	/* Each return probe will report; of ret instructions just the one that is executed. */
	if (!ret_insn || !top->ret_insn)
		top->tails++;
	top->latest_id = cookie.id;
	top->hijacked |= !ret_insn;
	top->ret_insn |= ret_insn;
	return true;
}

/* A free inside another call: of the block that the outer realloc already gave back it says nothing new. */
static __always_inline bool free_is_internal(struct hf_thread *t, u64 sp, u64 address)
{
	struct hf_call *outer;

	drop_dead_calls(t, sp);
	if (!t->call_count)
		return false;
	outer = call_at(t, t->call_count - 1);
	if (outer->inner.address == address)
		flush_inner(outer);
	return outer->released == address;
}

#define DELETE_HEADER_BYTES \
	64 /* an operator new of the program's own may keep as many before its blocks */

/*
 * Does this free go on with the work of the newest one, which was probed too (operator delete that calls free or
 * jumps to it)? Then that one's return address is still in place; else its frame was used again.
 */
static __always_inline bool free_is_continued(struct hf_thread *t, u64 sp, u64 address, u8 id)
{
	struct hf_release *r = &t->release;
	u64 return_pc = 0;

	if (r->address - address > (r->is_delete ? DELETE_HEADER_BYTES : 0))
		return false;
	if (sp <= r->sp && (sp != r->sp || id != r->id))
		hf_read_user(&return_pc, sizeof(return_pc), r->sp);
	if (return_pc && return_pc == r->return_pc)
		return true;
	r->address = 0;
	return false;
}

static __always_inline void remember_free(u64 sp, u64 address, struct hf_probe_cookie cookie)
{
	struct hf_thread *t = thread_get();

	if (!t)
		return;
	t->release.sp = sp;
	t->release.address = address;
	t->release.id = cookie.id;
	t->release.is_delete = cookie.function == HF_FN_DELETE;
	t->release.return_pc = 0;
	hf_read_user(&t->release.return_pc, sizeof(t->release.return_pc), sp);
}

static __always_inline void enter_free(struct pt_regs *regs, struct hf_probe_cookie cookie)
{
	struct arguments args;
	struct hf_thread *t;
	u64 address;

	arguments_get(regs, &args);
	address = argument(&args, cookie.pointer_arg);
	if (!address || gate_closed)
		return;
	t = thread_find();
	if (t) {
		begin_window(t);
	}
	if (t && t->call_count && free_is_internal(t, regs->sp, address))
		return;
	if (t && free_is_continued(t, regs->sp, address, cookie.id))
		return;
	if (cookie.flags & HF_PROBE_NESTS)
		remember_free(regs->sp, address, cookie);
	send_free(cookie.function, address, 0);
}

/*
 * Probes of calls stand where the stack pointer is as at the entry, so the return address is on top: the walk
 * starts at the caller, one frame less, and allocators without unwind tables (musl) need none.
 */
static __always_inline u64 stack_of_caller(struct hf_thread *t, struct hf_process *process,
					   const struct pt_regs *regs, u64 return_pc)
{
	struct hf_walk_start start = {
		.pc = return_pc, .sp = regs->sp + 8, .bp = regs->bp, .is_return = true};

	return stack_take(t, process, &start);
}

/* 1: nothing to see at the return. */
static __always_inline int enter_alloc(struct pt_regs *regs, struct hf_probe_cookie cookie)
{
	struct hf_process *process = process_current();
	struct arguments args;
	struct hf_thread *t;
	struct hf_call *call;
	u64 released = 0, return_pc = 0;
	bool muted;

	if (!process || gate_closed)
		return 1;
	t = thread_get();
	if (!t)
		return 1;
	begin_window(t);
	drop_dead_calls(t, regs->sp);
	hf_read_user(&return_pc, sizeof(return_pc), regs->sp);
	if (is_tail_call(t, regs->sp, return_pc, cookie))
		return 0;
	if (t->call_count >= HF_MAX_CALLS) {
		count_loss(HF_LOSS_NESTED_TOO_DEEP);
		return 1;
	}
	arguments_get(regs, &args);
	muted = site_covers(t, regs->sp, return_pc);
	if (cookie.op == HF_OP_REALLOC && !muted)
		released = argument(&args, cookie.pointer_arg);
	if (released && !(t->call_count && free_is_internal(t, regs->sp, released)))
		send_free(cookie.function, released, HF_FREE_TENTATIVE);
	call = call_at(t, t->call_count);
	call->sp = regs->sp;
	call->cookie = cookie;
	call->size = requested_bytes(&args, cookie);
	call->released = released;
	call->result_address = argument(&args, cookie.result_arg);
	call->inner.address = 0;
	call->tails = 0;
	call->return_pc = return_pc;
	call->latest_id = cookie.id;
	call->ret_insn = cookie.flags & HF_PROBE_RET_INSN;
	call->hijacked = !call->ret_insn;
	call->muted = muted;
	call->stack = muted ? 0 : stack_of_caller(t, process, regs, return_pc);
	if (span_rules)
		call->spans = t->span_set;
	t->call_count++;
	return 0;
}

static __always_inline void entry_missed(void)
{
	if (!gate_closed)
		count_loss(HF_LOSS_ENTRY_MISSED);
}

/* The call that returns to sp, with those above it dropped as missed; NULL if its entry was not seen. */
static __always_inline struct hf_call *call_returning(struct hf_thread *t, u64 sp)
{
	struct hf_call *call;

	for (int i = 0; i < HF_MAX_CALLS; i++) {
		if (!t->call_count)
			break;
		call = call_at(t, t->call_count - 1);
		if (call->sp > sp)
			break;
		if (call->sp == sp && call->tails) {
			call->tails--;
			return NULL; /* the last of its returns tells */
		}
		t->call_count--;
		if (call->sp == sp)
			return call;
		count_missed(call);
	}
	entry_missed();
	return NULL;
}

static __always_inline void settle_inner(struct hf_call *call, u64 address)
{
	if (call->inner.address && address && address - call->inner.address <= call->inner.size)
		call->inner.address =
			0; /* the outer call hands out (a part of) what the inner one got */
	flush_inner(call);
}

static __always_inline void leave_alloc(u64 sp, u64 result)
{
	struct hf_thread *t = thread_find();
	struct hf_call *call, *outer;
	struct hf_inner block;

	barrier_var(
		result); /* or the load is moved behind an add to the context pointer, which is refused */
	if (!t) {
		entry_missed();
		return;
	}
	begin_window(t);
	call = call_returning(t, sp);
	if (!call)
		return;
	block.address = result_of(result, call->cookie, call->result_address);
	block.size = call->size;
	block.stack = call->stack;
	if (span_rules)
		block.spans = call->spans;
	settle_inner(call, block.address);
	if (call->muted)
		return;
	if (!block.address) {
		/* realloc(p, 0) that answers NULL has freed p; any other NULL has left it alone. */
		if (call->released && call->size)
			send_undo(call->cookie.function, call->released);
		return;
	}
	if (!t->call_count) {
		send_alloc(call->cookie.function, &block);
		return;
	}
	outer = call_at(t, t->call_count - 1);
	flush_inner(outer);
	outer->inner = block;
	outer->inner_function = call->cookie.function;
}

/* uprobe_multi or perf event: entry and return are two programs. */
SEC("uprobe")
int alloc_entry(struct pt_regs *regs)
{
	struct hf_probe_cookie cookie = cookie_get(regs);

	if (cookie.op == HF_OP_FREE)
		enter_free(regs, cookie);
	else
		enter_alloc(regs, cookie);
	return 0;
}

SEC("uprobe")
int alloc_return(struct pt_regs *regs)
{
	leave_alloc(regs->sp - 8, regs->ax);
	return 0;
}

/* On the `ret` instructions of functions that may throw (a return probe there would abort the target) and of those that
 * they jump on to. The stack pointer is as it was at the entry. Other callers of that code are not counted. */
SEC("uprobe")
int alloc_ret_insn(struct pt_regs *regs)
{
	struct hf_thread *t = thread_find();
	struct hf_call *top;

	if (!t)
		return 0;
	begin_window(t);
	if (!t->call_count)
		return 0;
	top = call_at(t, t->call_count - 1);
	if (top->sp == regs->sp && top->ret_insn)
		leave_alloc(regs->sp, regs->ax);
	return 0;
}

/* In one object file only: libbpf 1.1 links no weak kernel function that two of them name. */
extern bool bpf_session_is_return(void) __ksym __weak;

__noinline bool session_is_return(void)
{
	return bpf_session_is_return();
}

/* uprobe_multi session: one program sees both; answering 1 at entry saves the return probe. */
SEC("uprobe")
int alloc_session(struct pt_regs *regs)
{
	struct hf_probe_cookie cookie;

	if (session_is_return()) {
		leave_alloc(regs->sp - 8, regs->ax);
		return 0;
	}
	cookie = cookie_get(regs);
	if (cookie.op != HF_OP_FREE)
		return enter_alloc(regs, cookie);
	enter_free(regs, cookie);
	return 1;
}

/* By number, as struct hf_usdt_operand counts them; those past the last one are 0. */
struct usdt_registers {
	u64 values[32];
};

static __always_inline void usdt_registers_get(const struct pt_regs *regs,
					       struct usdt_registers *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->values[0] = regs->ax;
	ret->values[1] = regs->cx;
	ret->values[2] = regs->dx;
	ret->values[3] = regs->bx;
	ret->values[4] = regs->sp;
	ret->values[5] = regs->bp;
	ret->values[6] = regs->si;
	ret->values[7] = regs->di;
	ret->values[8] = regs->r8;
	ret->values[9] = regs->r9;
	ret->values[10] = regs->r10;
	ret->values[11] = regs->r11;
	ret->values[12] = regs->r12;
	ret->values[13] = regs->r13;
	ret->values[14] = regs->r14;
	ret->values[15] = regs->r15;
}

/* Not inlined: its stack must not lie beneath the unwinder's, all of which kernels before 6.13 limit to 512 bytes. */
static __noinline u64 usdt_value(const struct pt_regs *regs, const struct hf_usdt_operand *operand)
{
	struct usdt_registers registers;
	u64 value, address;
	u32 shift = (64 - operand->bytes * 8) & 63;

	usdt_registers_get(regs, &registers);
	address = value = operand->value + registers.values[operand->base & 31] +
			  registers.values[operand->index & 31] * operand->scale;
	/* Whole words first: what lies behind the value is there, too, nearly always. */
	if (operand->kind == HF_USDT_MEMORY && hf_read_user(&value, 8, address)) {
		value = 0;
		if (operand->bytes == 4)
			hf_read_user(&value, 4, address);
		else if (operand->bytes == 2)
			hf_read_user(&value, 2, address);
		else
			hf_read_user(&value, 1, address);
	}
	value <<= shift;
	return operand->is_signed ? (u64)((s64)value >> shift) : value >> shift;
}

/* The program tells of a block itself: after it was handed out, or before it is taken back. */
SEC("uprobe")
int usdt_block(struct pt_regs *regs)
{
	struct hf_process *process = process_current();
	u32 number = bpf_get_attach_cookie(regs);
	struct hf_usdt_site *site = bpf_map_lookup_elem(&usdt_sites, &number);
	struct hf_walk_start start = {.pc = regs->ip, .sp = regs->sp, .bp = regs->bp};
	struct hf_inner block = {0};
	struct hf_thread *t;

	if (!process || !site || gate_closed)
		return 0;
	block.address = usdt_value(regs, &site->pointer);
	if (!block.address)
		return 0;
	if (site->op == HF_OP_FREE) {
		send_free(site->function, block.address, 0);
		return 0;
	}
	t = thread_get();
	if (!t)
		return 0;
	block.size = usdt_value(regs, &site->size);
	block.stack = stack_take(t, process, &start);
	if (span_rules)
		block.spans = t->span_set;
	send_alloc(site->function, &block);
	return 0;
}
