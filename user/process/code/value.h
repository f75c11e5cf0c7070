/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a 64-bit value in a function, in terms of what the function was called with. Behind wrapper.h.
 *
 * A block is what a call of an allocator returned; each such call of a function has a bit. Two values that look the same
 * are the same.
 */
#ifndef HOLDFAST_CODE_VALUE_H
#define HOLDFAST_CODE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "process/code/goal.h"

enum value_kind {
	VALUE_UNKNOWN,
	VALUE_CONSTANT, /* added */
	VALUE_ENTRY,    /* what register @reg held at the entry, * scale + added */
	VALUE_PRODUCT, /* of what two registers held, * scale + added; other_reg is not below reg */
	VALUE_STACK,   /* the stack pointer at the entry + added */
	VALUE_BLOCK,   /* one of @blocks + added; if that one could not be had, 0 + added */
};

/* All unused parts are 0. */
struct value {
	uint8_t kind; /* enum value_kind */
	union {
		uint8_t reg;
		bool or_zero; /* of BLOCK: it may also be 0, whatever is added */
	};
	uint8_t other_reg;
	uint8_t extension; /* enum code_extension, of ENTRY */
	union {
		uint32_t scale;
		uint32_t blocks;
	};
	int64_t added;
	int64_t at_zero; /* of ENTRY: what it is if @reg was 0 */
};

/* Registers are numbered as the processor does: rax rcx rdx rbx rsp rbp rsi rdi r8 to r15. */
enum { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_COUNT = 16 };

static inline struct value value_constant(int64_t number)
{
	return (struct value){.kind = VALUE_CONSTANT, .added = number};
}

static inline bool value_is_zero(const struct value *v)
{
	return v->kind == VALUE_CONSTANT && v->added == 0;
}

/* What a register was at the entry, and all of it. */
bool value_is_whole_register(const struct value *v);
bool value_equal(const struct value *a, const struct value *b);
/* What the register of an argument (0-5) is; REG_COUNT: no such argument. */
uint8_t value_argument_reg(uint8_t argument);

/* Arithmetic of 64 bits; unknown where the result has no form. */
struct value value_plus(struct value v, int64_t number);
struct value value_sum(struct value a, struct value b);
struct value value_times(struct value v, uint64_t number);
struct value value_product(struct value a, struct value b);
struct value value_extended(struct value v, enum code_extension extension);

/* The value as a rule for callers; of kind UNKNOWN if they can't compute it. */
struct code_size value_size(const struct value *v);

#endif
