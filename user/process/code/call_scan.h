/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes of a module's code that may be a call of a goal, or a jump to one; nobody has looked yet whether an instruction
 * begins there. Behind call_sites.h. Reads the code twice, in pieces of a MiB, and keeps none.
 */
#ifndef HOLDFAST_CALL_SCAN_H
#define HOLDFAST_CALL_SCAN_H

#include "base/vec.h"
#include "process/code/callees.h"

#define CALL_SCAN_MAX_BYTES (UINT64_C(1) << 30) /* of code in a module that is scanned */

struct call_candidate {
	uint64_t opcode_at;
	const struct code_goal *goal;
	uint8_t length; /* opcode and displacement: where the instruction would end */
	bool is_jump, is_indirect;
};

VEC_STRUCT(call_candidates, struct call_candidate);

/*
 * Appends them in ascending order. No more than @limit, then *ret_cut; also where the file has more than
 * CALL_SCAN_MAX_BYTES of code or segments out of order. Jumps of the linkage table are none. -ENOMEM.
 */
int call_scan(const struct elf_file *file, const struct callees *callees, size_t limit,
	      struct call_candidates *candidates, bool *ret_cut);

#endif
