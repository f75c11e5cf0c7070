// SPDX-License-Identifier: GPL-2.0-or-later
/* Operands: registers of all sizes, memory, constants. */
#include <errno.h>
#include <string.h>

#include "process/code/machine_internal.h"

uint64_t mask_bits(uint64_t value, unsigned int bits)
{
	return bits >= 64 ? value : value & ((1ull << bits) - 1);
}

int64_t sign_extend(uint64_t value, unsigned int bits)
{
	return bits >= 64 ? (int64_t)value : (int64_t)(value << (64 - bits)) >> (64 - bits);
}

/* AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8B... is how Zydis counts them. */
static unsigned int byte_register(unsigned int id, unsigned int *ret_shift)
{
	*ret_shift = id >= 4 && id < 8 ? 8 : 0;
	return id < 4 ? id : id - 4;
}

static uint64_t register_get(struct machine *m, ZydisRegister reg, unsigned int bits)
{
	ZydisRegisterClass class = ZydisRegisterGetClass(reg);
	unsigned int id = (unsigned int)ZydisRegisterGetId(reg), shift = 0;

	if (class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_YMM) {
		uint64_t value;

		memcpy(&value, m->vectors[id & 31], sizeof(value));
		return mask_bits(value, bits);
	}
	if (class == ZYDIS_REGCLASS_MASK)
		return m->masks[id & 7];
	if (class != ZYDIS_REGCLASS_GPR8 && class != ZYDIS_REGCLASS_GPR16 &&
	    class != ZYDIS_REGCLASS_GPR32 && class != ZYDIS_REGCLASS_GPR64) {
		machine_fail(m, -ENOTSUP);
		return 0;
	}
	if (class == ZYDIS_REGCLASS_GPR8)
		id = byte_register(id, &shift);
	return mask_bits(m->registers[id & 15] >> shift, bits);
}

static void register_set(struct machine *m, ZydisRegister reg, uint64_t value)
{
	unsigned int id = (unsigned int)ZydisRegisterGetId(reg), shift = 0;
	uint64_t *at;

	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR64:
		m->registers[id & 15] = value;
		break;
	case ZYDIS_REGCLASS_GPR32:
		m->registers[id & 15] = (uint32_t)value;
		break;
	case ZYDIS_REGCLASS_GPR16:
		at = &m->registers[id & 15];
		*at = (*at & ~0xffffull) | (value & 0xffff);
		break;
	case ZYDIS_REGCLASS_GPR8:
		at = &m->registers[byte_register(id, &shift) & 15];
		*at = (*at & ~(0xffull << shift)) | (value & 0xff) << shift;
		break;
	case ZYDIS_REGCLASS_MASK:
		m->masks[id & 7] = value;
		break;
	default:
		machine_fail(m, -ENOTSUP);
	}
}

static uint64_t address_part(const struct machine *m, ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return 0;
	if (reg == ZYDIS_REGISTER_RIP)
		return m->pc + m->insn->length;
	if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR32)
		return (uint32_t)m->registers[ZydisRegisterGetId(reg) & 15];
	return m->registers[ZydisRegisterGetId(reg) & 15];
}

uint64_t operand_address(const struct machine *m, const ZydisDecodedOperand *op)
{
	uint64_t address = address_part(m, op->mem.base) +
			   address_part(m, op->mem.index) * op->mem.scale +
			   (op->mem.disp.has_displacement ? (uint64_t)op->mem.disp.value : 0);

	if (m->insn->address_width == 32)
		address = (uint32_t)address;
	/* LEA knows no segment. */
	if (op->mem.segment == ZYDIS_REGISTER_FS && op->mem.type != ZYDIS_MEMOP_TYPE_AGEN)
		address += m->source->fs_base;
	return address;
}

unsigned int operand_bits(const struct machine *m, unsigned int index)
{
	return m->operands[index].size;
}

uint64_t operand_get(struct machine *m, unsigned int index)
{
	const ZydisDecodedOperand *op = &m->operands[index];
	unsigned int bits = op->size > 64 ? 64 : op->size;

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return register_get(m, op->reg.value, bits);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return memory_get(m, operand_address(m, op), bits / 8);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return op->imm.value.u;
	default:
		machine_fail(m, -ENOTSUP);
		return 0;
	}
}

void operand_set(struct machine *m, unsigned int index, uint64_t value)
{
	const ZydisDecodedOperand *op = &m->operands[index];

	if (m->err)
		return;
	if (op->type == ZYDIS_OPERAND_TYPE_REGISTER)
		register_set(m, op->reg.value, value);
	else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->size <= 64)
		memory_put(m, operand_address(m, op), value, op->size / 8);
	else
		machine_fail(m, -ENOTSUP);
}

static bool is_vector(ZydisRegister reg)
{
	ZydisRegisterClass class = ZydisRegisterGetClass(reg);

	return class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_YMM ||
	       class == ZYDIS_REGCLASS_ZMM;
}

void operand_get_bytes(struct machine *m, unsigned int index, uint8_t ret[VECTOR_BYTES])
{
	const ZydisDecodedOperand *op = &m->operands[index];
	size_t size = op->size / 8;
	uint64_t value;

	memset(ret, 0, VECTOR_BYTES);
	if (size > VECTOR_BYTES) {
		machine_fail(m, -ENOTSUP);
	} else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && is_vector(op->reg.value)) {
		memcpy(ret, m->vectors[ZydisRegisterGetId(op->reg.value) & 31], size);
	} else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!machine_read(m, operand_address(m, op), ret, size))
			machine_fail(m, -EFAULT);
	} else {
		value = operand_get(m, index);
		memcpy(ret, &value, sizeof(value));
	}
}

void operand_set_bytes(struct machine *m, unsigned int index, const uint8_t *bytes, size_t size,
		       bool zero_above)
{
	const ZydisDecodedOperand *op = &m->operands[index];
	uint64_t value = 0;
	uint8_t *vector;

	if (m->err)
		return;
	if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!machine_write(m, operand_address(m, op), bytes, size))
			machine_fail(m, -EFAULT);
	} else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && is_vector(op->reg.value)) {
		vector = m->vectors[ZydisRegisterGetId(op->reg.value) & 31];
		memcpy(vector, bytes, size);
		if (zero_above)
			memset(vector + size, 0, VECTOR_BYTES - size);
	} else {
		memcpy(&value, bytes, size < sizeof(value) ? size : sizeof(value));
		operand_set(m, index, value);
	}
}
