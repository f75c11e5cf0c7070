// SPDX-License-Identifier: GPL-2.0-or-later
/* What single instructions do to a frame_state. */
#include "process/code/frame_state.h"

#include "process/code/frame_state_internal.h"

static const struct value unknown;

static int reg_of(ZydisRegister reg)
{
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15
		       ? (int)(whole - ZYDIS_REGISTER_RAX)
		       : -1;
}

static struct value reg_value(const struct frame_state *s, ZydisRegister reg)
{
	int number = reg_of(reg);

	return number < 0 || reg - ZYDIS_REGISTER_RAX != (unsigned)number ? unknown
									  : s->regs[number];
}

/* The address that a memory operand means. */
static struct value address_of(const struct frame_state *s, const ZydisDecodedOperand *op)
{
	struct value address = value_constant(0);

	if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS)
		return unknown;
	if (op->mem.base != ZYDIS_REGISTER_NONE)
		address = reg_value(s, op->mem.base);
	if (op->mem.index != ZYDIS_REGISTER_NONE)
		address =
			value_sum(address, value_times(reg_value(s, op->mem.index), op->mem.scale));
	return op->mem.disp.has_displacement ? value_plus(address, op->mem.disp.value) : address;
}

static struct value read_operand(const struct frame_state *s, const ZydisDecodedOperand *op)
{
	struct value address;
	int number;

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return value_constant(op->imm.value.s);
	case ZYDIS_OPERAND_TYPE_REGISTER:
		number = reg_of(op->reg.value);
		if (number < 0 || op->size < 32)
			return unknown;
		return value_extended(s->regs[number],
				      op->size == 32 ? CODE_LOW_UNSIGNED : CODE_WHOLE);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		address = address_of(s, op);
		if (address.kind != VALUE_STACK || op->size != 64)
			return unknown;
		return frame_recall(s, address.added);
	default:
		return unknown;
	}
}

static bool uses_stack(const struct frame_state *s, ZydisRegister reg)
{
	return reg != ZYDIS_REGISTER_NONE && reg_value(s, reg).kind == VALUE_STACK;
}

/* False: it would change the return address. */
static bool store(struct frame_state *s, const ZydisDecodedOperand *op, struct value value)
{
	struct value address = address_of(s, op);
	int64_t bytes = op->size / 8;

	s->is_escaped |= value.kind == VALUE_STACK;
	if (address.kind != VALUE_STACK) {
		if (s->is_escaped || uses_stack(s, op->mem.base) || uses_stack(s, op->mem.index))
			frame_forget_all(s);
		return true;
	}
	if (!bytes) {
		frame_forget_all(s);
		return true;
	}
	if (address.added < 8 && address.added + bytes > 0)
		return false;
	frame_forget(s, address.added, (uint64_t)bytes);
	if (bytes == 8)
		frame_remember(s, address.added, value);
	return true;
}

/* A result in which a pointer into the frame is not recognised any more may still be one. */
static void note_escape(struct frame_state *s, const struct value *from, const struct value *result)
{
	s->is_escaped |= from->kind == VALUE_STACK && result->kind != VALUE_STACK;
}

static bool write_operand(struct frame_state *s, const ZydisDecodedOperand *op, struct value value)
{
	int number;

	if (op->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return store(s, op, value);
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return true;
	number = reg_of(op->reg.value);
	if (number < 0)
		return true;
	if (op->size < 32) {
		value = unknown;
		note_escape(s, &s->regs[number], &value);
	} else if (op->size == 32) {
		value = value_extended(value, CODE_LOW_UNSIGNED);
	}
	s->regs[number] = value;
	return number != REG_RSP || value.kind == VALUE_STACK;
}

static bool is_same_reg(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b)
{
	return a->type == ZYDIS_OPERAND_TYPE_REGISTER && b->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       a->reg.value == b->reg.value;
}

static void move_stack(struct frame_state *s, int64_t bytes)
{
	s->regs[REG_RSP] = value_plus(s->regs[REG_RSP], bytes);
}

static bool step_push(struct frame_state *s, const ZydisDecodedOperand *op)
{
	struct value value = read_operand(s, op);

	move_stack(s, -8);
	if (s->regs[REG_RSP].kind != VALUE_STACK || s->regs[REG_RSP].added > -8)
		return false;
	s->is_escaped |= value.kind == VALUE_STACK;
	frame_remember(s, s->regs[REG_RSP].added, value);
	return true;
}

static bool step_pop(struct frame_state *s, const ZydisDecodedOperand *op)
{
	struct value value;

	if (s->regs[REG_RSP].kind != VALUE_STACK)
		return false;
	value = frame_recall(s, s->regs[REG_RSP].added);
	move_stack(s, 8);
	return write_operand(s, op, value);
}

static bool step_leave(struct frame_state *s)
{
	if (s->regs[REG_RBP].kind != VALUE_STACK)
		return false;
	s->regs[REG_RSP] = s->regs[REG_RBP];
	s->regs[REG_RBP] = frame_recall(s, s->regs[REG_RSP].added);
	move_stack(s, 8);
	return true;
}

/* dst = condition ? src : dst, where the condition is about the zero flag. */
static bool step_cmov(struct frame_state *s, const struct instruction *in, bool if_zero)
{
	struct value to = read_operand(s, &in->operands[0]),
		     from = read_operand(s, &in->operands[1]);
	struct value zero = if_zero ? from : to, other = if_zero ? to : from;
	struct frame_facts if_null = frame_facts_of_test(s, true);
	struct frame_facts if_not = frame_facts_of_test(s, false);
	struct value joined;

	if (in->operands[0].size != 64)
		return write_operand(s, &in->operands[0], unknown);
	if (s->zero_tested && s->tested.kind == VALUE_BLOCK && s->tested.added == 0)
		zero = frame_value_if_null(zero, s->tested.blocks);
	joined = frame_join_values(&other, &if_not, &zero, &if_null);
	note_escape(s, &to, &joined);
	note_escape(s, &from, &joined);
	return write_operand(s, &in->operands[0], joined);
}

static bool is_comparison(const struct instruction *in)
{
	return in->insn.mnemonic == ZYDIS_MNEMONIC_CMP || in->insn.mnemonic == ZYDIS_MNEMONIC_TEST;
}

/* Of everything else only what is overwritten is known. */
static bool step_other(struct frame_state *s, const struct instruction *in)
{
	bool repeats = in->insn.attributes &
		       (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);

	if (in->insn.meta.category == ZYDIS_CATEGORY_SYSCALL ||
	    in->insn.meta.category == ZYDIS_CATEGORY_INTERRUPT ||
	    in->insn.meta.category == ZYDIS_CATEGORY_SYSRET ||
	    in->insn.meta.category == ZYDIS_CATEGORY_SYSTEM)
		return false;
	for (size_t i = 0; i < in->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &in->operands[i];

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    op->actions & ZYDIS_OPERAND_ACTION_MASK_READ && !is_comparison(in))
			s->is_escaped |= uses_stack(s, op->reg.value);
		if (!(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && repeats)
			frame_forget_all(s);
		if (!write_operand(s, op, unknown))
			return false;
	}
	return true;
}

/* Both operands and the result have 64 bits, or are extended to such. False: *ret is not set. */
static bool calculate(const struct frame_state *s, const struct instruction *in, struct value *ret)
{
	const ZydisDecodedOperand *op = in->operands;
	struct value a, b;

	if (op[0].size != 64 || in->insn.operand_count_visible < 2)
		return false;
	a = read_operand(s, &op[0]);
	b = read_operand(s, &op[1]);
	switch (in->insn.mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
		*ret = value_sum(a, b);
		return true;
	case ZYDIS_MNEMONIC_SUB:
		*ret = b.kind == VALUE_CONSTANT && b.added != INT64_MIN ? value_plus(a, -b.added)
									: unknown;
		return true;
	case ZYDIS_MNEMONIC_IMUL:
		*ret = in->insn.operand_count_visible == 3
			       ? value_product(b, read_operand(s, &op[2]))
			       : value_product(a, b);
		return true;
	case ZYDIS_MNEMONIC_SHL:
		*ret = b.kind == VALUE_CONSTANT && b.added >= 0 && b.added < 31
			       ? value_times(a, UINT64_C(1) << b.added)
			       : unknown;
		return true;
	case ZYDIS_MNEMONIC_MOVSXD:
		*ret = op[1].type == ZYDIS_OPERAND_TYPE_REGISTER && op[1].size == 32
			       ? value_extended(b, CODE_LOW_SIGNED)
			       : unknown;
		return true;
	default:
		return false;
	}
}

static bool step_arithmetic(struct frame_state *s, const struct instruction *in)
{
	struct value from = read_operand(s, &in->operands[0]);
	struct value other = read_operand(s, &in->operands[1]), result;

	if (!calculate(s, in, &result))
		return step_other(s, in);
	note_escape(s, &from, &result);
	note_escape(s, &other, &result);
	return write_operand(s, &in->operands[0], result);
}

static bool step_lea(struct frame_state *s, const struct instruction *in)
{
	const ZydisDecodedOperand *op = in->operands;
	struct value address = address_of(s, &op[1]);

	if (address.kind != VALUE_STACK)
		s->is_escaped |= uses_stack(s, op[1].mem.base) || uses_stack(s, op[1].mem.index);
	return write_operand(s, &op[0], address);
}

/* rdx:rax = rax * operand */
static bool step_mul(struct frame_state *s, const struct instruction *in)
{
	struct value product = unknown;

	if (in->operands[0].size == 64)
		product = value_product(s->regs[REG_RAX], read_operand(s, &in->operands[0]));
	if (!step_other(s, in))
		return false;
	s->regs[REG_RAX] = product;
	return true;
}

static bool step(struct frame_state *s, const struct instruction *in)
{
	const ZydisDecodedOperand *op = in->operands;

	switch (in->insn.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		return write_operand(s, &op[0], read_operand(s, &op[1]));
	case ZYDIS_MNEMONIC_LEA:
		return step_lea(s, in);
	case ZYDIS_MNEMONIC_PUSH:
		return in->insn.operand_width == 64 && step_push(s, &op[0]);
	case ZYDIS_MNEMONIC_POP:
		return in->insn.operand_width == 64 && step_pop(s, &op[0]);
	case ZYDIS_MNEMONIC_LEAVE:
		return step_leave(s);
	case ZYDIS_MNEMONIC_CMOVZ:
	case ZYDIS_MNEMONIC_CMOVNZ:
		return step_cmov(s, in, in->insn.mnemonic == ZYDIS_MNEMONIC_CMOVZ);
	case ZYDIS_MNEMONIC_CDQE:
		s->regs[REG_RAX] = value_extended(s->regs[REG_RAX], CODE_LOW_SIGNED);
		return true;
	case ZYDIS_MNEMONIC_MUL:
		return step_mul(s, in);
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_SUB:
		if (op[0].size >= 32 && is_same_reg(&op[0], &op[1]))
			return write_operand(s, &op[0], value_constant(0));
		break;
	default:
		break;
	}
	return step_arithmetic(s, in);
}

static bool changes_zero_flag(const struct instruction *in)
{
	const ZydisAccessedFlags *flags = in->insn.cpu_flags;

	return flags && (flags->modified | flags->set_0 | flags->set_1 | flags->undefined) &
				ZYDIS_CPUFLAG_ZF;
}

/* test x,x and cmp x,0 */
static bool tests_zero(const struct frame_state *s, const struct instruction *in)
{
	const ZydisDecodedOperand *op = in->operands;
	struct value other;

	if (op[0].size != 64)
		return false;
	if (in->insn.mnemonic == ZYDIS_MNEMONIC_TEST)
		return is_same_reg(&op[0], &op[1]);
	if (in->insn.mnemonic != ZYDIS_MNEMONIC_CMP)
		return false;
	other = read_operand(s, &op[1]);
	return value_is_zero(&other);
}

bool frame_state_step(struct frame_state *s, const struct instruction *in)
{
	if (tests_zero(s, in)) {
		s->tested = read_operand(s, &in->operands[0]);
		s->zero_tested = true;
		return true;
	}
	if (changes_zero_flag(in))
		s->zero_tested = false;
	return step(s, in);
}
