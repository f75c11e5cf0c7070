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
		end;  /* [start, end); the kernel side sets end = start when it sees it unmapped */
	__u64 bias;   /* pc - bias = module address */
	__u32 module; /* index into the table of unwind tables */
	__u32 page_count; /* of the module's page index */
};

/*
 * Sorted by start. Entry 0 is all zero; entries past the last have HF_MAPPING_UNUSED as start and end 0.
 * Replaced as a whole, so a reader never sees half of a change.
 */
#define HF_MAPPING_UNUSED 0x7fffffffffffffffull

struct hf_space {
	struct hf_mapping mappings[HF_MAX_MAPPINGS];
};

/* 64 bytes of a module's table: 16 page-index words or 16 rows. */
struct hf_row_block {
	union {
		__u32 words[HF_ROWS_PER_BLOCK];
		struct hf_unwind_row rows[HF_ROWS_PER_BLOCK];
	};
};

#define HF_SPACE_NONE     0u /* space 0 is never filled: nothing is known yet */
#define HF_PROCESS_FAULTS 1u /* record page faults */

struct hf_process {
	__u64 cache_salt; /* keys the pc cache: changes whenever the space does */
	__u64 stack_salt; /* seeds stack ids: changes when code was unmapped, and at exec */
	__u32 space; /* index into the table of spaces; a forked child shares its parent's at first */
	__u32 flags;
};

/* What a probe's cookie says: which function this is and where its arguments are. */
enum hf_probe_op {
	HF_OP_ALLOC = 0,
	HF_OP_FREE = 1,
	HF_OP_REALLOC = 2,
};

#define HF_ARG_NONE 7u

struct hf_probe_cookie {
	__u8 function;    /* enum hf_function */
	__u8 op;          /* enum hf_probe_op */
	__u8 size_arg;    /* 0-5: rdi rsi rdx rcx r8 r9; HF_ARG_NONE */
	__u8 count_arg;   /* size is multiplied by it; HF_ARG_NONE */
	__u8 pointer_arg; /* FREE, REALLOC: the block; HF_ARG_NONE */
	__u8 result_arg; /* the block's address is stored through this argument and 0 returned; HF_ARG_NONE: returned */
	__u8 reserved[2];
};

HF_STATIC_ASSERT(sizeof(struct hf_mapping) == 32, "map layout");
HF_STATIC_ASSERT(sizeof(struct hf_row_block) == 64, "map layout");
HF_STATIC_ASSERT(sizeof(struct hf_process) == 24, "map layout");
HF_STATIC_ASSERT(sizeof(struct hf_probe_cookie) == 8, "a cookie is one 64-bit word");

#endif
