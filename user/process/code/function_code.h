/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One function's code, decoded once in a straight line from its first byte: where its instructions begin and which of
 * them are jumped to. Jumps through tables are not seen. Behind call_sites.h.
 */
#ifndef HOLDFAST_FUNCTION_CODE_H
#define HOLDFAST_FUNCTION_CODE_H

#include "base/vec.h"
#include "process/code/instruction.h"

/* Larger ones are generated; nobody asks who allocates in them. */
#define FUNCTION_CODE_MAX_BYTES (1u << 20)

struct elf_file;

VEC_STRUCT(code_offsets, uint32_t);

/* All zero at first; one serves for many functions. */
struct function_code {
	uint64_t start,
		end; /* of the function; decoded may be less: up to what is no instruction */
	struct instruction *in;
	VEC(uint8_t) bytes;
	struct code_offsets
		begins; /* of instructions, ascending; the last one is where decoding ended */
	struct code_offsets targets; /* of jumps within the function, ascending */
};

void function_code_done(struct function_code *f);
/* -ENOENT: no such code in the file; -E2BIG: more than FUNCTION_CODE_MAX_BYTES; -ENOMEM. */
int function_code_read(struct function_code *f, const struct elf_file *file, uint64_t start,
		       uint64_t end);

/* How many instructions there are; each index below it may be passed on. */
size_t function_code_count(const struct function_code *f);
/* The instruction that ends right before @end; SIZE_MAX: none does. */
size_t function_code_ending_at(const struct function_code *f, uint64_t end);
uint64_t function_code_address(const struct function_code *f, size_t index);
/* The bytes of an instruction. */
const uint8_t *function_code_bytes(const struct function_code *f, size_t index, size_t *ret_size);
/* Decodes it into f->in. */
void function_code_decode(struct function_code *f, size_t index);
/* Is it jumped to from within the function? */
bool function_code_is_target(const struct function_code *f, size_t index);

#endif
