// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/value.h"

#include <stddef.h>

static const struct value unknown;

static const uint8_t argument_regs[] = {REG_RDI, REG_RSI, REG_RDX, REG_RCX, 8, 9};

#define ARGUMENTS (sizeof(argument_regs) / sizeof(argument_regs[0]))

bool value_equal(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->reg == b->reg && a->other_reg == b->other_reg &&
	       a->extension == b->extension && a->scale == b->scale && a->added == b->added &&
	       a->at_zero == b->at_zero;
}

uint8_t value_argument_reg(uint8_t argument)
{
	return argument < ARGUMENTS ? argument_regs[argument] : REG_COUNT;
}

static uint8_t argument_of(uint8_t reg)
{
	for (size_t i = 0; i < ARGUMENTS; i++) {
		if (argument_regs[i] == reg)
			return (uint8_t)i;
	}
	return HF_ARG_NONE;
}

/* A register as it was at the entry, or part of it. */
static bool is_plain(const struct value *v)
{
	return v->kind == VALUE_ENTRY && v->scale == 1 && v->added == 0 && v->at_zero == 0;
}

bool value_is_whole_register(const struct value *v)
{
	return is_plain(v) && v->extension == CODE_WHOLE;
}

struct value value_plus(struct value v, int64_t number)
{
	if (v.kind == VALUE_UNKNOWN || __builtin_add_overflow(v.added, number, &v.added))
		return unknown;
	if (v.kind == VALUE_ENTRY && __builtin_add_overflow(v.at_zero, number, &v.at_zero))
		return unknown;
	if (v.kind == VALUE_BLOCK && v.or_zero && number)
		return unknown;
	return v;
}

struct value value_times(struct value v, uint64_t number)
{
	if (number == 1)
		return v;
	if (number > INT32_MAX || __builtin_mul_overflow(v.added, (int64_t)number, &v.added))
		return unknown;
	if (v.kind == VALUE_CONSTANT)
		return v;
	if ((v.kind != VALUE_ENTRY && v.kind != VALUE_PRODUCT) || !number ||
	    __builtin_mul_overflow(v.scale, (uint32_t)number, &v.scale) ||
	    __builtin_mul_overflow(v.at_zero, (int64_t)number, &v.at_zero))
		return unknown;
	return v;
}

struct value value_sum(struct value a, struct value b)
{
	if (a.kind == VALUE_CONSTANT)
		return value_plus(b, a.added);
	if (b.kind == VALUE_CONSTANT)
		return value_plus(a, b.added);
	if (a.kind != VALUE_ENTRY || b.kind != VALUE_ENTRY || a.reg != b.reg ||
	    a.extension != b.extension || __builtin_add_overflow(a.scale, b.scale, &a.scale) ||
	    __builtin_add_overflow(a.added, b.added, &a.added) ||
	    __builtin_add_overflow(a.at_zero, b.at_zero, &a.at_zero))
		return unknown;
	return a;
}

struct value value_product(struct value a, struct value b)
{
	if (a.kind == VALUE_CONSTANT && a.added >= 0)
		return value_times(b, (uint64_t)a.added);
	if (b.kind == VALUE_CONSTANT && b.added >= 0)
		return value_times(a, (uint64_t)b.added);
	if (!value_is_whole_register(&a) || !value_is_whole_register(&b))
		return unknown;
	return (struct value){.kind = VALUE_PRODUCT,
			      .reg = a.reg < b.reg ? a.reg : b.reg,
			      .other_reg = a.reg < b.reg ? b.reg : a.reg,
			      .scale = 1};
}

struct value value_extended(struct value v, enum code_extension extension)
{
	if (extension == CODE_WHOLE)
		return v;
	if (v.kind == VALUE_CONSTANT) {
		v.added = extension == CODE_LOW_UNSIGNED ? (int64_t)(uint32_t)v.added
							 : (int64_t)(int32_t)v.added;
		return v;
	}
	/* the low half is the same, however it was extended before */
	if (!is_plain(&v))
		return unknown;
	v.extension = extension;
	return v;
}

struct code_size value_size(const struct value *v)
{
	struct code_size size = {.kind = CODE_SIZE_UNKNOWN};

	if (v->kind == VALUE_CONSTANT)
		return (struct code_size){.kind = CODE_SIZE_CONSTANT, .added_bytes = v->added};
	if (v->kind != VALUE_ENTRY && v->kind != VALUE_PRODUCT)
		return size;
	size.argument = argument_of(v->reg);
	size.count_argument = v->kind == VALUE_PRODUCT ? argument_of(v->other_reg) : 0;
	if (size.argument == HF_ARG_NONE || size.count_argument == HF_ARG_NONE)
		return (struct code_size){.kind = CODE_SIZE_UNKNOWN};
	size.kind = v->kind == VALUE_PRODUCT ? CODE_SIZE_PRODUCT : CODE_SIZE_ARGUMENT;
	size.extension = v->extension;
	size.scale = v->scale;
	size.added_bytes = v->added;
	size.zero_bytes = v->kind == VALUE_ENTRY ? v->at_zero : v->added;
	return size;
}
