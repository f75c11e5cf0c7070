/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/*
 * What the kernel side knows of a traced process: its address space as far as unwinding needs it, and
 * how its allocator's functions take their arguments. Written by the user side (capture/probe).
 */
#ifndef HOLDFAST_SPACE_H
#define HOLDFAST_SPACE_H

#include <holdfast/limits.h>
#include <holdfast/types.h>
#include <holdfast/unwind_row.h>

/* One executable mapping with an unwind table. */
struct hf_mapping {
	__u64 start,
		end; /* [start, end); the kernel side sets end = start when it sees it unmapped */
	__u64 bias;  /* pc - bias = module address */
	__u32 first_block; /* of the module's table: bpf/core/rows.h */
	__u32 page_count;  /* of its page index */
};

/*
 * Sorted by start. Entry 0 is all zero; entries past the last have HF_MAPPING_UNUSED as start and end 0.
 *
 * A process has two slots in the table of spaces: the one that its entry names, and the other, which the user
 * side rewrites (id 0 first, then all, id last) before HF's program space_publish names it. Whoever reads one
 * looks at the id before and after: a slot that was rewritten meanwhile is not believed.
 */
#define HF_MAPPING_UNUSED 0x7fffffffffffffffull

struct hf_space {
	__u64 id; /* slot in the lower half, a serial number in the upper: no two contents have the same */
	struct hf_mapping mappings[HF_MAX_MAPPINGS];
};

/* 64 bytes of a module's table: 16 page-index words or 16 rows. */
struct hf_row_block {
	union {
		__u32 words[HF_ROWS_PER_BLOCK];
		struct hf_unwind_row rows[HF_ROWS_PER_BLOCK];
	};
};

#define HF_SPACE_NONE     0ull /* nothing is known yet */
#define HF_PROCESS_FAULTS 1u   /* record page faults */
#define HF_PROCESS_SHARES 2u   /* a forked child that still goes by its parent's space */

struct hf_range {
	__u64 start, end;
};

/*
 * Made by the user side (or copied at fork); from then on only the kernel side writes it, the user side through
 * space_publish: what both wrote, one of them would undo.
 */
struct hf_process {
	__u64 cache_salt; /* keys the pc cache: changes whenever the space does */
	__u64 stack_salt; /* seeds stack ids: changes when code was unmapped, and at exec */
	__u64 space;      /* hf_space.id */
	__u32 flags;
	__u32 code_changes; /* code came or went: what was read of the maps before is not to be published */
	/* Ring of the code that was mapped last: published or not, it counts when it goes. */
	__u32 fresh_count, published_count;
	struct hf_range fresh[HF_FRESH_CODE];
	__u64 passing; /* system calls that our tracepoints let pass, as estimated */
	__u64 faults;  /* that were recorded */
};

/* Argument of the program space_publish. It returns 0, HF_PUBLISH_OLD, or HF_PUBLISH_GONE (no such process). */
struct hf_publish {
	__u64 space;
	__u32 pid;
	__u32 flags;
	__u32 code_changes; /* as it was before the maps were read */
	__u32 new_stacks;   /* ids of stacks seen before are not reused */
};

#define HF_PUBLISH_OLD  1u
#define HF_PUBLISH_GONE 2u

/* What a probe's cookie says: which function this is and where its arguments are. */
enum hf_probe_op {
	HF_OP_ALLOC = 0,
	HF_OP_FREE = 1,
	HF_OP_REALLOC = 2,
};

#define HF_ARG_NONE 7u

#define HF_PROBE_RET_INSN \
	1u /* its return is seen at ret instructions: its return address stays as it is */
#define HF_PROBE_NESTS 2u /* FREE: may go on to another function that is probed too */

struct hf_probe_cookie {
	__u8 function;    /* enum hf_function */
	__u8 op;          /* enum hf_probe_op */
	__u8 size_arg;    /* 0-5: rdi rsi rdx rcx r8 r9; HF_ARG_NONE */
	__u8 count_arg;   /* size is multiplied by it; HF_ARG_NONE */
	__u8 pointer_arg; /* FREE, REALLOC: the block; HF_ARG_NONE */
	__u8 result_arg; /* the block's address is stored through this argument and 0 returned; HF_ARG_NONE: returned */
	__u8 flags; /* HF_PROBE_* */
	__u8 id;    /* tells the functions of a process apart, modulo 256 */
};

#define HF_EXTEND_NONE     0u
#define HF_EXTEND_UNSIGNED 1u /* its low 32 bits */
#define HF_EXTEND_SIGNED   2u

/* A call that is followed for good, in one process. */
struct hf_call_site {
	__u64 return_pc; /* behind the call */
	__u64 inner_pcs
		[HF_SITE_INNER_FRAMES]; /* return addresses of the calls that it leads to, innermost first */
	struct hf_probe_cookie cookie; /* where the arguments are, as the call has them */
	__s64 added_bytes; /* to the size by its arguments, times scale; all of it if that is constant */
	__u32 scale;
	__s32 result_offset;  /* what is returned is so far into the block */
	__s32 pointer_offset; /* what is passed on to realloc + this is the block */
	__u8 extension;       /* of the size's argument: HF_EXTEND_* */
	__u8 inner_count;
	__u16 reserved;
};

HF_STATIC_ASSERT(sizeof(struct hf_call_site) == 64, "map layout");

/* A probe that the program itself declares (USDT): where the block and its size are when it is reached. */
enum hf_usdt_kind {
	HF_USDT_VALUE = 0,  /* value + base + index * scale */
	HF_USDT_MEMORY = 1, /* what lies there */
};

#define HF_USDT_NO_REGISTER 16u

struct hf_usdt_operand {
	__s64 value;
	__u8 kind;  /* enum hf_usdt_kind */
	__u8 base;  /* 0 rax rcx rdx rbx rsp rbp rsi rdi r8 ... 15 r15; HF_USDT_NO_REGISTER */
	__u8 index; /* the same */
	__u8 scale;
	__u8 bytes;     /* 1, 2, 4, 8 */
	__u8 is_signed; /* what is shorter than 8 bytes */
	__u8 reserved[2];
};

struct hf_usdt_site {
	struct hf_usdt_operand pointer, size;
	__u8 function; /* enum hf_function */
	__u8 op;       /* HF_OP_ALLOC or HF_OP_FREE */
	__u8 reserved[6];
};

HF_STATIC_ASSERT(sizeof(struct hf_usdt_site) == 40, "map layout");
HF_STATIC_ASSERT(sizeof(struct hf_mapping) == 32, "map layout");
HF_STATIC_ASSERT(sizeof(struct hf_row_block) == 64, "map layout");
HF_STATIC_ASSERT(sizeof(struct hf_process) == 56 + 16 * HF_FRESH_CODE, "map layout");
HF_STATIC_ASSERT(sizeof(struct hf_publish) == 24, "program argument");
HF_STATIC_ASSERT(sizeof(struct hf_probe_cookie) == 8, "a cookie is one 64-bit word");

#endif
