// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/instruction.h"

#include <errno.h>

int instruction_init(struct instruction *in)
{
	return ZYAN_SUCCESS(ZydisDecoderInit(&in->zydis, ZYDIS_MACHINE_MODE_LONG_64,
					     ZYDIS_STACK_WIDTH_64))
		       ? 0
		       : -EINVAL;
}

bool instruction_decode(struct instruction *in, const uint8_t *code, size_t size)
{
	return ZYAN_SUCCESS(
		ZydisDecoderDecodeFull(&in->zydis, code, size, &in->insn, in->operands));
}

bool instruction_writes(const struct instruction *in, ZydisRegister wanted)
{
	for (size_t i = 0; i < in->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &in->operands[i];

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, op->reg.value) ==
			    wanted)
			return true;
	}
	return false;
}

bool instruction_branches(const struct instruction *in)
{
	ZydisInstructionCategory c = in->insn.meta.category;

	return c == ZYDIS_CATEGORY_COND_BR || c == ZYDIS_CATEGORY_UNCOND_BR ||
	       c == ZYDIS_CATEGORY_CALL || c == ZYDIS_CATEGORY_RET ||
	       c == ZYDIS_CATEGORY_INTERRUPT || c == ZYDIS_CATEGORY_SYSCALL;
}

bool instruction_target(const struct instruction *in, uint64_t address, uint64_t *ret)
{
	ZyanU64 goal;

	if (!instruction_branches(in) || !in->insn.operand_count_visible ||
	    in->operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
	    ZYAN_FAILED(ZydisCalcAbsoluteAddress(&in->insn, &in->operands[0], address, &goal)))
		return false;
	*ret = goal;
	return true;
}

bool instruction_slot(const struct instruction *in, uint64_t address, uint64_t *ret)
{
	ZyanU64 slot;

	if (!in->insn.operand_count_visible || in->operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    in->operands[0].mem.base != ZYDIS_REGISTER_RIP ||
	    ZYAN_FAILED(ZydisCalcAbsoluteAddress(&in->insn, &in->operands[0], address, &slot)))
		return false;
	*ret = slot;
	return true;
}

bool instruction_traps(const struct instruction *in)
{
	return in->insn.mnemonic == ZYDIS_MNEMONIC_UD2 ||
	       in->insn.mnemonic == ZYDIS_MNEMONIC_INT3 || in->insn.mnemonic == ZYDIS_MNEMONIC_HLT;
}
