/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A function whose calls are looked for: one of an allocator, or a wrapper of one. Arguments are numbered 0-5 (rdi rsi
 * rdx rcx r8 r9); HF_ARG_NONE is none.
 */
#ifndef HOLDFAST_CODE_GOAL_H
#define HOLDFAST_CODE_GOAL_H

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/space.h>

enum code_size_kind {
	CODE_SIZE_UNKNOWN,
	CODE_SIZE_CONSTANT, /* added_bytes */
	CODE_SIZE_ARGUMENT, /* argument * scale + added_bytes */
	CODE_SIZE_PRODUCT,  /* argument * count_argument * scale + added_bytes */
};

/* How much of a register an argument is: a C int leaves the upper half undefined. Of a product: both whole. */
enum code_extension {
	CODE_WHOLE,
	CODE_LOW_UNSIGNED, /* its low 32 bits */
	CODE_LOW_SIGNED,
};

/* How many bytes a call asks for. */
struct code_size {
	uint8_t kind; /* enum code_size_kind */
	uint8_t argument, count_argument;
	uint8_t extension; /* enum code_extension */
	uint32_t scale;
	int64_t added_bytes;
	int64_t zero_bytes; /* of kind ARGUMENT: if the argument is 0. Allocators make 1 of 0; else it is added_bytes */
};

struct code_goal {
	const char *
		symbol; /* the dynamic symbol by which other modules import it, borrowed; NULL: none */
	uint64_t address;         /* as linked, if the module at hand defines it; 0: it does not */
	uint32_t id;              /* the caller's, not looked at */
	bool frees;               /* and returns no block */
	bool returns_none;        /* it allocates, but does not return the block (posix_memalign) */
	uint8_t pointer_argument; /* the block that it frees or reallocates */
	int32_t pointer_offset;   /* that argument + this is the block */
	int32_t result_offset; /* what it returns is the block + this; where there is none, 0 or this */
	struct code_size size;
};

#endif
