/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * One step of a stack walk by unwind rules. Pure: the same code runs in the kernel, in the host tests and
 * under the fuzzer. The includer defines, before including:
 *
 *   static inline int hf_unwind_fetch(const struct hf_unwind *u, void *dst, __u32 size, __u64 address);
 *                       reads the target's memory for the walk @u: 0, or non-zero if unreadable
 *   #define HF_INLINE   how to inline (the kernel side: __always_inline)
 *
 * Nothing read from the stack is trusted: the walk ends after HF_MAX_FRAMES steps at the latest, a caller's
 * stack pointer must be above its callee's, and every index is masked.
 *
 * The stack is read in windows that never cross a page: one read of up to 1 KiB replaces dozens of 8-byte
 * ones, and a window that faults means that the wanted page itself is absent (a read across the stack's
 * end costs 5-7 us).
 */
#ifndef HOLDFAST_BPF_CORE_UNWIND_H
#define HOLDFAST_BPF_CORE_UNWIND_H

#include <holdfast/event.h>
#include <holdfast/limits.h>
#include <holdfast/unwind_row.h>

#define HF_WINDOW_BYTES       1024u
#define HF_FP_MAX_FRAME_BYTES (1u << 20) /* a frame-pointer frame larger than this is no frame */
#define HF_HASH_MULTIPLIER    0x9E3779B97F4A7C15ull

/* The registers of a walk and what it has found; the frames go to the caller's record. */
struct hf_unwind {
	__u64 pc, sp, bp;
	__u64 hash;
	__u32 depth;
	__u32 jit_frames; /* frames found by frame pointer for want of a row */
	__u8 end;         /* enum hf_stack_end */
	__u8 is_return;   /* pc is a return address: its row is that of the call, one byte before */
	__u16 window_bytes;
	__u32 cache_misses;
	__u64 window_base;
	__u64 window[HF_WINDOW_BYTES / 8];
};

static HF_INLINE void hf_unwind_begin(struct hf_unwind *u, __u64 pc, __u64 sp, __u64 bp, __u64 seed)
{
	u->pc = pc;
	u->sp = sp;
	u->bp = bp;
	u->hash = seed;
	u->depth = 0;
	u->jit_frames = 0;
	u->end = HF_STACK_TRUNCATED;
	u->is_return = 0;
	u->window_bytes = 0;
	u->window_base = 0;
	u->cache_misses = 0;
}

/* The address whose row rules the current frame. */
static HF_INLINE __u64 hf_unwind_lookup_pc(const struct hf_unwind *u)
{
	return u->pc - u->is_return;
}

static HF_INLINE void hf_unwind_hash(struct hf_unwind *u, __u64 pc)
{
	u->hash = (u->hash ^ pc) * HF_HASH_MULTIPLIER;
	u->hash ^= u->hash >> 29;
}

static HF_INLINE int hf_unwind_read(struct hf_unwind *u, __u64 address, __u64 *ret)
{
	__u64 offset = address - u->window_base;
	__u64 base;
	__u32 size;

	if (address & 7)
		return hf_unwind_fetch(u, ret, 8, address);
	if (offset >= u->window_bytes) {
		base = address & ~63ull;
		size = 4096 - (base & 4095);
		if (size > HF_WINDOW_BYTES)
			size = HF_WINDOW_BYTES;
		u->window_bytes = 0;
		if (hf_unwind_fetch(u, u->window, size, base))
			return 1;
		u->window_base = base;
		u->window_bytes = size;
		offset = address - base;
	}
	*ret = u->window[(offset >> 3) & (HF_WINDOW_BYTES / 8 - 1)];
	return 0;
}

static HF_INLINE int hf_unwind_stop(struct hf_unwind *u, __u8 end)
{
	u->end = end;
	return 1;
}

/* Enters the caller's frame. Returns 1 where the walk is over. */
static HF_INLINE int hf_unwind_enter(struct hf_unwind *u, __u64 pc, __u64 sp)
{
	if (sp <= u->sp)
		return hf_unwind_stop(u, HF_STACK_NOT_RISING);
	u->sp = sp;
	u->pc = pc;
	u->is_return = 1;
	if (!pc)
		return hf_unwind_stop(u, HF_STACK_COMPLETE);
	return 0;
}

/*
 * No row: generated code, or code without call frame information. The frame pointer is believed if it
 * points up the stack by less than HF_FP_MAX_FRAME_BYTES.
 */
static HF_INLINE int hf_unwind_by_frame_pointer(struct hf_unwind *u, __u8 end_if_not)
{
	__u64 bp = u->bp, next_bp, ra;

	if ((bp & 7) || bp < u->sp || bp - u->sp > HF_FP_MAX_FRAME_BYTES)
		return hf_unwind_stop(u, end_if_not);
	if (hf_unwind_read(u, bp, &next_bp) || hf_unwind_read(u, bp + 8, &ra))
		return hf_unwind_stop(u, HF_STACK_FAULT);
	u->jit_frames++;
	u->bp = next_bp;
	return hf_unwind_enter(u, ra, bp + 16);
}

/* rt_sigframe, arch/x86/include/asm/sigframe.h: ucontext at sp, gregs at +40: rbp 10, rsp 15, rip 16. */
static HF_INLINE int hf_unwind_by_signal_frame(struct hf_unwind *u)
{
	__u64 gregs = u->sp + 40;
	__u64 pc, sp, bp;

	if (hf_unwind_read(u, gregs + 80, &bp) || hf_unwind_read(u, gregs + 120, &sp) ||
	    hf_unwind_read(u, gregs + 128, &pc))
		return hf_unwind_stop(u, HF_STACK_FAULT);
	/* A handler may run on an alternate stack: the interrupted sp may lie below. */
	u->bp = bp;
	u->sp = sp;
	u->pc = pc;
	u->is_return = 0;
	return 0;
}

static HF_INLINE int hf_unwind_cfa(struct hf_unwind *u, const struct hf_unwind_rule *rule,
				   __u64 *ret)
{
	__u64 offset = (__u64)(__s64)rule->cfa_offset;

	switch (rule->cfa_kind) {
	case HF_CFA_SP:
		*ret = u->sp + offset;
		return 0;
	case HF_CFA_BP:
		*ret = u->bp + offset;
		return 0;
	case HF_CFA_DEREF_BP:
		return hf_unwind_read(u, u->bp + offset, ret);
	case HF_CFA_DEREF_SP:
		return hf_unwind_read(u, u->sp + offset, ret);
	default: /* HF_CFA_PLT */
		*ret = u->sp + 8 + ((u->pc & 15) >= offset ? 8 : 0);
		return 0;
	}
}

static HF_INLINE int hf_unwind_caller_bp(struct hf_unwind *u, const struct hf_unwind_rule *rule,
					 __u64 cfa)
{
	__u64 offset = (__u64)(__s64)rule->bp_offset;
	__u64 value;

	if (rule->bp_kind == HF_BP_SAME)
		return 0;
	if (rule->bp_kind == HF_BP_UNDEFINED) {
		u->bp = 0;
		return 0;
	}
	if (hf_unwind_read(u, (rule->bp_kind == HF_BP_CFA ? cfa : u->bp) + offset, &value))
		return 1;
	u->bp = value;
	return 0;
}

/*
 * From the current frame to its caller's by @rule (never NULL; kind HF_CFA_NONE is handled by the caller
 * with hf_unwind_by_frame_pointer()). 0: the walk goes on; 1: it ended, u->end tells why.
 */
static HF_INLINE int hf_unwind_by_rule(struct hf_unwind *u, const struct hf_unwind_rule *rule)
{
	__u64 cfa, ra;

	if (rule->cfa_kind == HF_CFA_STOP)
		return hf_unwind_stop(u, HF_STACK_COMPLETE);
	if (rule->cfa_kind == HF_CFA_SIGNAL)
		return hf_unwind_by_signal_frame(u);
	if (rule->cfa_kind >= HF_CFA_UNSUPPORTED)
		return hf_unwind_stop(u, HF_STACK_UNSUPPORTED);
	if (hf_unwind_cfa(u, rule, &cfa) || hf_unwind_read(u, cfa - 8, &ra) ||
	    hf_unwind_caller_bp(u, rule, cfa))
		return hf_unwind_stop(u, HF_STACK_FAULT);
	return hf_unwind_enter(u, ra, cfa);
}

#endif
