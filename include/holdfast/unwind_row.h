/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * Unwind rows: the compact form of a module's .eh_frame that the kernel side walks.
 *
 * A row says: from this pc on (module virtual address) the frame is found by rule N. Rows are sorted
 * by pc; a row holds until the next one. Rules are interned over all modules and named by a 16-bit
 * number; number 0 is "no row".
 *
 * Follows: System V ABI AMD64, 3.7 (stack unwind), DWARF 4 section 6.4, LSB 5.0 (.eh_frame).
 */
#ifndef HOLDFAST_UNWIND_ROW_H
#define HOLDFAST_UNWIND_ROW_H

#include <holdfast/types.h>

/* How the canonical frame address is found. */
enum hf_cfa_kind {
	HF_CFA_NONE = 0, /* outside every FDE: fall back to the frame pointer */
	HF_CFA_SP,       /* rsp + cfa_offset */
	HF_CFA_BP,       /* rbp + cfa_offset */
	HF_CFA_DEREF_BP, /* *(rbp + cfa_offset): realigned stacks, alloca */
	HF_CFA_DEREF_SP, /* *(rsp + cfa_offset) */
	HF_CFA_PLT,    /* rsp + 8, and 8 more once (pc & 15) >= cfa_offset: the PLT's expression */
	HF_CFA_STOP,   /* return address undefined: the outermost frame */
	HF_CFA_SIGNAL, /* rt_sigframe: registers are read from the ucontext at rsp + 40 */
	HF_CFA_UNSUPPORTED, /* an expression or register that we do not follow */
};

/* How the caller's rbp is found. */
enum hf_bp_kind {
	HF_BP_SAME = 0,
	HF_BP_CFA, /* *(cfa + bp_offset) */
	HF_BP_BP,  /* *(rbp + bp_offset) */
	HF_BP_UNDEFINED,
};

struct hf_unwind_rule {
	__u8 cfa_kind; /* enum hf_cfa_kind */
	__u8 bp_kind;  /* enum hf_bp_kind */
	__s16 bp_offset;
	__s32 cfa_offset;
};

struct hf_unwind_row {
	__u16 pc_low; /* low 16 bits of the module address */
	__u16 rule;
};

HF_STATIC_ASSERT(sizeof(struct hf_unwind_rule) == 8, "rules are copied as one 64-bit word");
HF_STATIC_ASSERT(sizeof(struct hf_unwind_row) == 4, "16 rows fill one 64-byte array element");

#endif
