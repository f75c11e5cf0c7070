// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stack walk in the kernel: bpf/core does the steps, this file finds their rules (cached), resolves
 * return probes' trampolines and sends each distinct stack's frames once.
 */
#include "thread.bpf.h"

#include <bpf/bpf_core_read.h>

static __always_inline const struct hf_row_block *hf_row_block(u32 block)
{
	u32 chunk = block >> HF_ROW_CHUNK_SHIFT, index = block & (HF_ROW_CHUNK_BLOCKS - 1);
	void *blocks = bpf_map_lookup_elem(&row_chunks, &chunk);

	return blocks ? bpf_map_lookup_elem(blocks, &index) : NULL;
}

#include "core/mapping.h"
#include "core/rows.h"

/* Test knob, a constant 0 (and its code gone) in the product: every n-th stack stops its thread, so that a
 * debugger's view of the same stack can be compared. */
const volatile __u32 test_stop_every = 0;

struct walk {
	struct hf_thread *thread;
	struct hf_process *process;
	u32 most; /* words of the stack */
};

/* In place of a rule's number. */
#define RULE_OUTSIDE HF_MAX_RULES /* no file's code is known there */
#define RULE_UNKNOWN (~0u) /* nothing is known of the process, or it is just being rewritten */

HF_STATIC_ASSERT(RULE_OUTSIDE < 1u << 16, "fits a slot of the pc cache");

/* The rule for @pc: 0 where its file has none. */
static __noinline u32 rule_find(struct hf_process *process, u64 pc)
{
	const struct hf_space *space = space_find(process);
	const struct hf_mapping *mapping;
	u32 rule;

	if (!space)
		return RULE_UNKNOWN;
	mapping = hf_mapping_find(space, pc);
	rule = hf_mapping_covers(mapping, pc) ? hf_row_find(mapping, pc) : RULE_OUTSIDE;
	return space_still(space, process) ? rule : RULE_UNKNOWN;
}

/* One atomic word a slot: pc salted by process and space in the upper 48 bits, rule in the lower 16. The
 * salt is part of what is compared, so another process's or an older space's entry never matches. */
static __always_inline u32 rule_cached(struct hf_process *process, u64 pc, u32 *misses)
{
	u64 key = (pc ^ process->cache_salt) << 16;
	u32 slot = (key * HF_HASH_MULTIPLIER) >> 50;
	u64 *entry, value;
	u32 rule;

	slot &= HF_PC_CACHE_SLOTS - 1;
	entry = bpf_map_lookup_elem(&pc_cache, &slot);
	if (!entry)
		return RULE_UNKNOWN;
	value = *(volatile u64 *)entry;
	if ((value & ~0xffffull) == key)
		return value & 0xffff;
	rule = rule_find(process, pc);
	if (rule == RULE_UNKNOWN) /* rewritten meanwhile? It is not, again and again. */
		rule = rule_find(process, pc);
	(*misses)++;
	if (rule != RULE_UNKNOWN)
		*(volatile u64 *)entry = key | rule;
	return rule;
}

/*
 * A return probe put the trampoline's address in place of a return address; the true one is in the task's
 * list of return instances, whose stack field is the slot's address (kernel/events/uprobes.c). Several
 * instances of one slot are chained: the last holds the address that the program pushed.
 */
static __noinline int trampoline_resolve(struct hf_unwind *u)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct return_instance *instance;
	struct xol_area *area;
	u64 trampoline, stack, slot = u->sp - 8;

	area = BPF_CORE_READ(task, mm, uprobes_state.xol_area);
	if (!area)
		return 0;
	trampoline = BPF_CORE_READ(area, vaddr);
	if (!trampoline || u->pc != trampoline)
		return 0;
	instance = BPF_CORE_READ(task, utask, return_instances);
	for (int i = 0; i < 64 && instance; i++) {
		stack = BPF_CORE_READ(instance, stack);
		u64 original = BPF_CORE_READ(instance, orig_ret_vaddr);

		if (stack == slot && original != trampoline) {
			u->pc = original;
			return 1;
		}
		instance = BPF_CORE_READ(instance, next);
	}
	return -1;
}

/* Generated code, as a rule; but code of a file that just came has rows soon. */
static __always_inline int step_outside(struct walk *w, struct hf_unwind *u, u32 number)
{
	if (number == RULE_UNKNOWN || code_is_unpublished(w->process, hf_unwind_lookup_pc(u)))
		return hf_unwind_stop(u, HF_STACK_NO_ROW);
	return hf_unwind_by_frame_pointer(u, HF_STACK_JIT);
}

/* To the caller's frame. */
static __always_inline int step(struct walk *w, struct hf_unwind *u, u32 number)
{
	struct hf_unwind_rule *rule;

	if (number >= RULE_OUTSIDE)
		return step_outside(w, u, number);
	rule = bpf_map_lookup_elem(&rules, &number);
	if (!rule)
		return hf_unwind_stop(u, HF_STACK_NO_ROW);
	if (rule->cfa_kind == HF_CFA_NONE)
		return hf_unwind_by_frame_pointer(u, HF_STACK_NO_ROW);
	return hf_unwind_by_rule(u, rule);
}

static long walk_step(u32 index, void *context)
{
	struct walk *w = context;
	struct hf_thread *t = w->thread;
	struct hf_unwind *u = &t->unwind;
	u32 number, depth = u->depth;
	u64 sp = u->sp, pc;
	int resolved, over;

	(void)index;
	if (depth >= w->most)
		return hf_unwind_stop(u, HF_STACK_TRUNCATED);
	number = rule_cached(w->process, hf_unwind_lookup_pc(u), &u->cache_misses);
	if (number >= RULE_OUTSIDE) {
		resolved = trampoline_resolve(u);
		if (resolved < 0)
			return hf_unwind_stop(u, HF_STACK_TRAMPOLINE);
		if (resolved)
			number = rule_cached(w->process, hf_unwind_lookup_pc(u), &u->cache_misses);
	}
	t->record_pcs[depth & (HF_STACK_SLOTS - 1)] = u->pc;
	hf_unwind_hash(u, u->pc);
	u->depth = depth + 1;
	pc = hf_unwind_lookup_pc(u);
	over = step(w, u, number);
	if (span_rules && u->sp != sp)
		spans_pass(t, pc, u->sp, u->pc);
	if (t->python.run_count && hf_python_is_loop(&t->python, sp, u->sp)) {
		t->record_pcs[depth & (HF_STACK_SLOTS - 1)] |= HF_PYTHON_LOOP;
		hf_unwind_hash(u, HF_PYTHON_LOOP);
	}
	return over;
}

/* Sends the frames unless this id was sent and its slot not taken since. The slot is written only after
 * the ring took the frames: a full ring means that they are sent with the next event. */
static __always_inline void stack_send(struct hf_thread *t, u64 id)
{
	struct hf_unwind *u = &t->unwind;
	u32 slot = id & stacks_sent_mask;
	u64 *sent = bpf_map_lookup_elem(&stacks_sent, &slot);
	u32 depth = u->depth, size;
	u64 flags;

	if (!sent || *(volatile u64 *)sent == id)
		return;
	if (depth > HF_MAX_STACK_WORDS)
		depth = HF_MAX_STACK_WORDS;
	size = sizeof(t->record) + depth * 8;
	event_begin(&t->record.h, HF_EVENT_STACK | u->end << 8, size);
	t->record.stack = id;
	t->record.depth = depth;
	t->record.jit_frames = u->jit_frames;
	/* Code that Python makes and runs once is gone in a moment: its name is read at once or never. */
	flags = t->python.count ? BPF_RB_FORCE_WAKEUP : wake_flags();
	if (bpf_ringbuf_output(&ring, &t->record, size, flags)) {
		count_loss(HF_LOSS_RING_FULL_STACK);
		return;
	}
	*(volatile u64 *)sent = id;
}

static __always_inline void stop_for_test(struct hf_thread *t, u64 id)
{
	u32 slot = id & stacks_sent_mask;
	u64 *sent = bpf_map_lookup_elem(&stacks_sent, &slot);
	struct hf_event_mark *mark;

	if (bpf_get_prandom_u32() % test_stop_every || !sent)
		return;
	*(volatile u64 *)sent = 0;
	stack_send(t, id);
	mark = bpf_ringbuf_reserve(&ring, sizeof(*mark), 0);
	if (!mark)
		return;
	event_begin(&mark->h, HF_EVENT_MARK, sizeof(*mark));
	mark->code = id;
	bpf_send_signal_thread(19 /* SIGSTOP */);
	bpf_ringbuf_submit(mark, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void inner_frames(struct hf_thread *t, const struct hf_walk_start *start)
{
	const u64 *inner = start->inner;

	if (!inner)
		return;
	for (u32 i = 0; i < HF_SITE_INNER_FRAMES && i < start->inner_count; i++) {
		t->record_pcs[t->unwind.depth & (HF_STACK_SLOTS - 1)] = inner[i];
		hf_unwind_hash(&t->unwind, inner[i]);
		t->unwind.depth++;
	}
}

/* Its frames are the first words. */
static __always_inline void python_frames(struct hf_thread *t)
{
	u32 count = python_take(t);

	t->unwind.depth = count > 2 * HF_MAX_PYTHON_FRAMES ? 2 * HF_MAX_PYTHON_FRAMES : count;
}

__hidden u64 stack_take(struct hf_thread *t, struct hf_process *process,
			const struct hf_walk_start *start)
{
	struct walk w = {.thread = t, .process = process};
	u64 id;

	hf_unwind_begin(&t->unwind, start->pc, start->sp, start->bp, process->stack_salt);
	t->unwind.is_return = start->is_return;
	if (span_rules) {
		t->span_walk = t->open_span_count;
		t->span_count = t->span_frame_count = 0;
		t->span_rules_found = 0;
		/* A function that went on to the allocator by a jump has no frame any more. */
		if (start->is_return)
			spans_pass(t, start->pc, start->sp, start->pc);
	}
	t->python.count = t->python.run_count = t->python.truncated = 0;
	if (pythons_known)
		python_frames(t);
	if (span_rules && t->span_frame_count)
		spans_python(t);
	w.most = t->unwind.depth + HF_MAX_FRAMES;
	inner_frames(t, start);
	bpf_loop(HF_MAX_FRAMES + 1, walk_step, &w, 0);
	if (t->python.truncated && t->unwind.end == HF_STACK_COMPLETE)
		t->unwind.end = HF_STACK_TRUNCATED;
	if (span_rules)
		spans_end(t);
	id = t->unwind.hash ^ t->unwind.depth;
	if (!id)
		id = 1;
	stack_send(t, id);
	if (test_stop_every)
		stop_for_test(t, id);
	return id;
}

__hidden u64 stack_of_user(struct hf_thread *t, struct hf_process *process, struct pt_regs *regs)
{
	struct hf_walk_start start = {
		.pc = BPF_CORE_READ(regs, ip),
		.sp = BPF_CORE_READ(regs, sp),
		.bp = BPF_CORE_READ(regs, bp),
	};

	return stack_take(t, process, &start);
}
