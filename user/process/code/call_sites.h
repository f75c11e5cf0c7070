/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every direct call of some functions in one module: where a probe sees what is asked for, and where the result.
 *
 * Found are `call rel32`, `call *slot(%rip)` and the jumps of the same kinds that end a function (tail calls), to a goal
 * itself or to a stub of the linkage table; on an instruction's boundary, as decoding from the function's first byte
 * tells, which comes from .eh_frame_hdr. What has no unwind entry is not looked into, but counted. Not found are
 * calls through registers and other memory, conditional tail calls and jumps of two bytes.
 *
 * The file is hostile: at most CALL_SCAN_MAX_BYTES of code are scanned, CALL_SITES_MAX_DECODED_BYTES decoded.
 */
#ifndef HOLDFAST_CALL_SITES_H
#define HOLDFAST_CALL_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/code/goal.h"

struct elf_file;

#define CALL_SITES_MAX_DECODED_BYTES (UINT64_C(1) << 28)

/* Addresses are as linked. */
struct direct_call {
	uint64_t call;                         /* the instruction */
	uint64_t result;                       /* behind it: the return address; 0 of a jump */
	uint64_t result_place;                 /* see below; 0 of a jump and of a goal that frees */
	uint64_t joined_place;                 /* see below; 0: none */
	uint64_t function_start, function_end; /* of the unwind entry around the call */
	uint64_t constant_bytes;               /* what is asked for, if has_constant */
	uint32_t goal;                         /* index */
	uint8_t call_kind, result_kind;        /* enum placement_kind, at call and result_place */
	bool has_constant;
	bool is_jump;     /* what the goal returns is what this function returns: see wrapper.h */
	bool is_indirect; /* through a slot, not by a displacement */
	bool is_shared;   /* other code of the function jumps to the return address */
};

/*
 * result_place is where a probe sees the returned value still in rax, with the stack pointer as at the return address:
 * the first instruction from the return address on, in a straight line to which nothing else jumps, that the kernel
 * emulates; else the return address itself, or what follows if the kernel takes no probe there. If it is not emulated,
 * joined_place is the first one that is in the same straight line, though other code of the function goes there, too:
 * who probes it must know whether the call is under way. The value may have been stored somewhere already, so
 * another thread may know it.
 */
struct call_sites {
	struct direct_call *items; /* ascending by call */
	size_t count, capacity;
	uint32_t calls, jumps; /* their sum is count */
	uint32_t without_frame; /* left out: no unwind entry, an overlapping one, or too large a function */
	uint32_t not_decoded; /* left out: behind bytes of the function that are no instruction */
	uint32_t refused;     /* left out: the kernel takes no probe at the call or behind it */
	bool cut;             /* a bound was reached: there may be more */
	uint64_t decoded_bytes;
};

/* At most @limit sites. @goals is borrowed during the call. 0 or -ENOMEM; a damaged file has fewer sites. */
int call_sites_find(const struct elf_file *file, const struct code_goal *goals, size_t goal_count,
		    size_t limit, struct call_sites *ret);
void call_sites_done(struct call_sites *sites);

#endif
