// SPDX-License-Identifier: GPL-2.0-or-later
/* Integer instructions and their flags. */
#include <errno.h>

#include "process/code/machine_internal.h"

#define REPEAT_PER_STEP 16 /* units that a string instruction moves count as one step */

bool machine_condition(const struct machine *m, unsigned int code)
{
	const struct machine_flags *f = &m->flags;
	const bool values[8] = {
		f->overflow,
		f->carry,
		f->zero,
		f->carry || f->zero,
		f->sign,
		f->parity,
		f->sign != f->overflow,
		f->zero || f->sign != f->overflow,
	};

	return values[code >> 1 & 7] != (code & 1);
}

static void set_result_flags(struct machine *m, uint64_t result, unsigned int bits)
{
	m->flags.zero = !mask_bits(result, bits);
	m->flags.sign = result >> (bits - 1) & 1;
	m->flags.parity = !__builtin_parity((unsigned int)(result & 0xff));
}

static uint64_t add_bits(struct machine *m, uint64_t a, uint64_t b, unsigned int bits)
{
	unsigned __int128 wide = (unsigned __int128)a + b;
	uint64_t r = mask_bits((uint64_t)wide, bits);

	m->flags.carry = wide >> bits & 1;
	m->flags.overflow = (~(a ^ b) & (a ^ r)) >> (bits - 1) & 1;
	set_result_flags(m, r, bits);
	return r;
}

static uint64_t subtract_bits(struct machine *m, uint64_t a, uint64_t b, unsigned int bits)
{
	uint64_t r = mask_bits(a - b, bits);

	m->flags.carry = a < b;
	m->flags.overflow = ((a ^ b) & (a ^ r)) >> (bits - 1) & 1;
	set_result_flags(m, r, bits);
	return r;
}

static uint64_t second(struct machine *m)
{
	return mask_bits(operand_get(m, 1), operand_bits(m, 0));
}

enum { ADD, ADC, SUB, SBB, CMP };

static void do_add(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0);
	uint64_t a = operand_get(m, 0), b = second(m), r;
	bool carry = m->flags.carry, borrowed, overflowed;

	r = variant < SUB ? add_bits(m, a, b, bits) : subtract_bits(m, a, b, bits);
	if ((variant == ADC || variant == SBB) && carry) {
		borrowed = m->flags.carry;
		overflowed = m->flags.overflow;
		r = variant == ADC ? add_bits(m, r, 1, bits) : subtract_bits(m, r, 1, bits);
		m->flags.carry |= borrowed;
		m->flags.overflow ^= overflowed;
	}
	if (variant != CMP)
		operand_set(m, 0, r);
}

enum { AND, OR, XOR, TEST, ANDN };

static void do_logic(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0);
	uint64_t a = operand_get(m, variant == ANDN ? 1 : 0), b, r;

	b = variant == ANDN ? operand_get(m, 2) : second(m);
	if (variant == OR)
		r = a | b;
	else if (variant == XOR)
		r = a ^ b;
	else
		r = (variant == ANDN ? ~a : a) & b;
	r = mask_bits(r, bits);
	m->flags.carry = m->flags.overflow = false;
	set_result_flags(m, r, bits);
	if (variant != TEST)
		operand_set(m, 0, r);
}

enum { INC, DEC, NEG, NOT };

static void do_unary(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0);
	uint64_t a = operand_get(m, 0), r;
	bool carry = m->flags.carry;

	if (variant == NOT) {
		operand_set(m, 0, mask_bits(~a, bits));
		return;
	}
	if (variant == NEG) {
		r = subtract_bits(m, 0, a, bits);
	} else {
		r = variant == INC ? add_bits(m, a, 1, bits) : subtract_bits(m, a, 1, bits);
		m->flags.carry = carry;
	}
	operand_set(m, 0, r);
}

static void do_move(struct machine *m, unsigned int variant)
{
	(void)variant;
	operand_set(m, 0, mask_bits(operand_get(m, 1), operand_bits(m, 0)));
}

static void do_move_signed(struct machine *m, unsigned int variant)
{
	(void)variant;
	operand_set(m, 0,
		    mask_bits((uint64_t)sign_extend(operand_get(m, 1), operand_bits(m, 1)),
			      operand_bits(m, 0)));
}

static void do_move_if(struct machine *m, unsigned int condition)
{
	uint64_t value = operand_get(m, 1);

	/* A 32-bit register loses its upper half even if nothing is moved. */
	operand_set(m, 0, machine_condition(m, condition) ? value : operand_get(m, 0));
}

static void do_set_if(struct machine *m, unsigned int condition)
{
	operand_set(m, 0, machine_condition(m, condition));
}

static void do_address(struct machine *m, unsigned int variant)
{
	(void)variant;
	operand_set(m, 0, mask_bits(operand_address(m, &m->operands[1]), operand_bits(m, 0)));
}

enum { SHL, SHR, SAR, ROL, ROR };

static uint64_t shifted(uint64_t a, unsigned int count, unsigned int bits, unsigned int variant)
{
	switch (variant) {
	case SHL:
		return count < bits ? mask_bits(a << count, bits) : 0;
	case SHR:
		return count < bits ? a >> count : 0;
	case SAR:
		return mask_bits((uint64_t)(sign_extend(a, bits) >> (count < bits ? count : 63)),
				 bits);
	case ROL:
		count %= bits;
		return count ? mask_bits(a << count | a >> (bits - count), bits) : a;
	default:
		count %= bits;
		return count ? mask_bits(a >> count | a << (bits - count), bits) : a;
	}
}

static unsigned int shift_count(struct machine *m, unsigned int index)
{
	return operand_get(m, index) & (operand_bits(m, 0) == 64 ? 63 : 31);
}

static void do_shift(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0), count = shift_count(m, 1);
	uint64_t a = operand_get(m, 0), r = shifted(a, count, bits, variant);

	operand_set(m, 0, r);
	if (!count)
		return;
	if (variant == ROL || variant == ROR) {
		m->flags.carry = variant == ROL ? r & 1 : r >> (bits - 1) & 1;
		return;
	}
	if (variant == SHL)
		m->flags.carry = count <= bits && a >> (bits - count) & 1;
	else
		m->flags.carry = count <= 64 && (uint64_t)sign_extend(a, bits) >> (count - 1) & 1;
	m->flags.overflow = (a ^ r) >> (bits - 1) & 1;
	set_result_flags(m, r, bits);
}

/* SHLX and its kin: a count in a register, no flags. */
static void do_shift_free(struct machine *m, unsigned int variant)
{
	operand_set(m, 0,
		    shifted(operand_get(m, 1), shift_count(m, 2), operand_bits(m, 0), variant));
}

static void do_shift_double(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0), count = shift_count(m, 2);
	uint64_t a = operand_get(m, 0), b = operand_get(m, 1), r;

	if (!count)
		return;
	if (count >= bits) {
		machine_fail(m, -ENOTSUP);
		return;
	}
	r = mask_bits(variant == SHL ? a << count | b >> (bits - count)
				     : a >> count | b << (bits - count),
		      bits);
	m->flags.carry = a >> (variant == SHL ? bits - count : count - 1) & 1;
	set_result_flags(m, r, bits);
	operand_set(m, 0, r);
}

/* rdx:rax = rax times the operand, or imul's two and three operand forms. */
static void do_multiply(struct machine *m, unsigned int is_signed)
{
	unsigned int bits = operand_bits(m, 0), count = m->insn->operand_count_visible;
	unsigned __int128 wide;
	uint64_t a, b, low;

	a = count == 1 ? mask_bits(m->registers[RAX], bits) : operand_get(m, count - 2);
	b = operand_get(m, count - 1);
	if (bits < 32)
		machine_fail(m, -ENOTSUP);
	wide = is_signed ? (unsigned __int128)((__int128)sign_extend(a, bits) *
					       sign_extend(mask_bits(b, bits), bits))
			 : (unsigned __int128)a * b;
	low = mask_bits((uint64_t)wide, bits);
	if (is_signed)
		m->flags.carry = (__int128)wide != sign_extend(low, bits);
	else
		m->flags.carry = (wide >> bits) != 0;
	m->flags.overflow = m->flags.carry;
	if (count > 1) {
		operand_set(m, 0, low);
		return;
	}
	m->registers[RAX] = low;
	m->registers[RDX] = mask_bits((uint64_t)(wide >> bits), bits);
}

static void do_multiply_free(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0);
	unsigned __int128 wide =
		(unsigned __int128)mask_bits(m->registers[RDX], bits) * operand_get(m, 2);

	(void)variant;
	operand_set(m, 1, mask_bits((uint64_t)wide, bits));
	operand_set(m, 0, mask_bits((uint64_t)(wide >> bits), bits));
}

static void do_divide(struct machine *m, unsigned int is_signed)
{
	unsigned int bits = operand_bits(m, 0);
	uint64_t by = operand_get(m, 0), high = mask_bits(m->registers[RDX], bits),
		 low = mask_bits(m->registers[RAX], bits);
	unsigned __int128 value = (unsigned __int128)high << bits | low;

	if (!by || bits < 32 || (!is_signed && high >= by) ||
	    (is_signed && high != mask_bits((uint64_t)(sign_extend(low, bits) >> 63), bits))) {
		machine_fail(m, -ENOTSUP);
		return;
	}
	if (is_signed && sign_extend(by, bits) == -1) {
		machine_fail(m, -ENOTSUP);
		return;
	}
	if (is_signed) {
		m->registers[RAX] =
			mask_bits((uint64_t)(sign_extend(low, bits) / sign_extend(by, bits)), bits);
		m->registers[RDX] =
			mask_bits((uint64_t)(sign_extend(low, bits) % sign_extend(by, bits)), bits);
		return;
	}
	m->registers[RAX] = (uint64_t)(value / by);
	m->registers[RDX] = (uint64_t)(value % by);
}

/* CWDE, CDQE: within rax; CDQ, CQO: into rdx. */
static void do_widen(struct machine *m, unsigned int bits)
{
	m->registers[RAX] = bits == 32 ? (uint64_t)sign_extend(m->registers[RAX], 32)
				       : (uint32_t)sign_extend(m->registers[RAX], 16);
}

static void do_widen_high(struct machine *m, unsigned int bits)
{
	m->registers[RDX] = mask_bits((uint64_t)(sign_extend(m->registers[RAX], bits) >> 63), bits);
}

static void do_exchange(struct machine *m, unsigned int is_add)
{
	uint64_t a = operand_get(m, 0), b = operand_get(m, 1);

	operand_set(m, 1, a);
	operand_set(m, 0, is_add ? add_bits(m, a, b, operand_bits(m, 0)) : b);
}

static void do_compare_exchange(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0);
	uint64_t a = operand_get(m, 0), expected = mask_bits(m->registers[RAX], bits);

	(void)variant;
	subtract_bits(m, expected, a, bits);
	if (m->flags.zero)
		operand_set(m, 0, operand_get(m, 1));
	else if (bits >= 32)
		m->registers[RAX] = a;
	else
		m->registers[RAX] = (m->registers[RAX] & ~mask_bits(~0ull, bits)) | a;
}

enum { BT, BTS, BTR, BTC };

static void do_bit(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0);
	uint64_t a = operand_get(m, 0), bit = operand_get(m, 1) % bits;

	/* With a register the bit may lie outside the word. */
	if (m->operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	    m->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		machine_fail(m, -ENOTSUP);
		return;
	}
	m->flags.carry = a >> bit & 1;
	if (variant == BTS)
		operand_set(m, 0, a | 1ull << bit);
	else if (variant == BTR)
		operand_set(m, 0, a & ~(1ull << bit));
	else if (variant == BTC)
		operand_set(m, 0, a ^ 1ull << bit);
}

enum { BSF, BSR, TZCNT, LZCNT, POPCNT };

static void do_count_bits(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0);
	uint64_t a = operand_get(m, 1), r;

	m->flags.zero = !a;
	if (variant == POPCNT) {
		r = (uint64_t)__builtin_popcountll(a);
	} else if (!a) {
		m->flags.carry = true;
		if (variant == BSF || variant == BSR)
			return; /* the destination stays */
		r = bits;
	} else {
		r = variant == BSF || variant == TZCNT ? (uint64_t)__builtin_ctzll(a)
						       : 63u - (uint64_t)__builtin_clzll(a);
		if (variant == LZCNT)
			r = bits - 1 - r;
		if (variant == TZCNT || variant == LZCNT) {
			m->flags.carry = false;
			m->flags.zero = !r;
		}
	}
	if (variant == POPCNT)
		m->flags.carry = m->flags.overflow = m->flags.sign = m->flags.parity = false;
	operand_set(m, 0, r);
}

enum { BLSR, BLSI, BLSMSK, BZHI };

static void do_lowest_bit(struct machine *m, unsigned int variant)
{
	unsigned int bits = operand_bits(m, 0);
	uint64_t a = operand_get(m, 1), r = a & (a - 1), keep;

	if (variant == BLSI)
		r = a & -a;
	else if (variant == BLSMSK)
		r = a ^ (a - 1);
	m->flags.carry = variant == BLSI ? a != 0 : a == 0;
	if (variant == BZHI) {
		keep = operand_get(m, 2) & 0xff;
		r = keep < bits ? mask_bits(a, (unsigned int)keep) : a;
		m->flags.carry = keep >= bits;
	}
	m->flags.overflow = false;
	r = mask_bits(r, bits);
	set_result_flags(m, r, bits);
	operand_set(m, 0, r);
}

static void do_swap_bytes(struct machine *m, unsigned int variant)
{
	uint64_t a = __builtin_bswap64(operand_get(m, 0));

	(void)variant;
	operand_set(m, 0, operand_bits(m, 0) == 64 ? a : a >> 32);
}

/* STOS and MOVS, once or rcx times, upwards. */
static void do_string(struct machine *m, unsigned int unit)
{
	bool is_move = unit & 0x80, repeats = m->insn->attributes & ZYDIS_ATTRIB_HAS_REP;
	uint64_t count = repeats ? m->registers[RCX] : 1, value;
	size_t size = unit & 0x7f;

	if (m->flags.down || count / REPEAT_PER_STEP > m->steps_left) {
		machine_fail(m, -E2BIG);
		return;
	}
	m->steps_left -= (uint32_t)(count / REPEAT_PER_STEP);
	for (; count && !m->err; count--) {
		value = is_move ? memory_get(m, m->registers[RSI], size) : m->registers[RAX];
		memory_put(m, m->registers[RDI], value, size);
		m->registers[RDI] += size;
		m->registers[RSI] += is_move ? size : 0;
		m->registers[RCX] -= repeats;
	}
}

enum { CLC, STC, CLD, XTEST };

static void do_flag(struct machine *m, unsigned int variant)
{
	if (variant == CLD)
		m->flags.down = false;
	else if (variant == XTEST)
		m->flags.zero = true; /* not within a transaction */
	else
		m->flags.carry = variant == STC;
}

static const struct machine_operation integers[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	[ZYDIS_MNEMONIC_ADD] = {do_add, ADD},
	[ZYDIS_MNEMONIC_ADC] = {do_add, ADC},
	[ZYDIS_MNEMONIC_SUB] = {do_add, SUB},
	[ZYDIS_MNEMONIC_SBB] = {do_add, SBB},
	[ZYDIS_MNEMONIC_CMP] = {do_add, CMP},
	[ZYDIS_MNEMONIC_AND] = {do_logic, AND},
	[ZYDIS_MNEMONIC_OR] = {do_logic, OR},
	[ZYDIS_MNEMONIC_XOR] = {do_logic, XOR},
	[ZYDIS_MNEMONIC_TEST] = {do_logic, TEST},
	[ZYDIS_MNEMONIC_ANDN] = {do_logic, ANDN},
	[ZYDIS_MNEMONIC_INC] = {do_unary, INC},
	[ZYDIS_MNEMONIC_DEC] = {do_unary, DEC},
	[ZYDIS_MNEMONIC_NEG] = {do_unary, NEG},
	[ZYDIS_MNEMONIC_NOT] = {do_unary, NOT},
	[ZYDIS_MNEMONIC_MOV] = {do_move, 0},
	[ZYDIS_MNEMONIC_MOVZX] = {do_move, 0},
	[ZYDIS_MNEMONIC_MOVSX] = {do_move_signed, 0},
	[ZYDIS_MNEMONIC_MOVSXD] = {do_move_signed, 0},
	[ZYDIS_MNEMONIC_LEA] = {do_address, 0},
	[ZYDIS_MNEMONIC_SHL] = {do_shift, SHL},
	[ZYDIS_MNEMONIC_SHR] = {do_shift, SHR},
	[ZYDIS_MNEMONIC_SAR] = {do_shift, SAR},
	[ZYDIS_MNEMONIC_ROL] = {do_shift, ROL},
	[ZYDIS_MNEMONIC_ROR] = {do_shift, ROR},
	[ZYDIS_MNEMONIC_SHLX] = {do_shift_free, SHL},
	[ZYDIS_MNEMONIC_SHRX] = {do_shift_free, SHR},
	[ZYDIS_MNEMONIC_SARX] = {do_shift_free, SAR},
	[ZYDIS_MNEMONIC_RORX] = {do_shift_free, ROR},
	[ZYDIS_MNEMONIC_SHLD] = {do_shift_double, SHL},
	[ZYDIS_MNEMONIC_SHRD] = {do_shift_double, SHR},
	[ZYDIS_MNEMONIC_MUL] = {do_multiply, 0},
	[ZYDIS_MNEMONIC_IMUL] = {do_multiply, 1},
	[ZYDIS_MNEMONIC_MULX] = {do_multiply_free, 0},
	[ZYDIS_MNEMONIC_DIV] = {do_divide, 0},
	[ZYDIS_MNEMONIC_IDIV] = {do_divide, 1},
	[ZYDIS_MNEMONIC_CWDE] = {do_widen, 16},
	[ZYDIS_MNEMONIC_CDQE] = {do_widen, 32},
	[ZYDIS_MNEMONIC_CDQ] = {do_widen_high, 32},
	[ZYDIS_MNEMONIC_CQO] = {do_widen_high, 64},
	[ZYDIS_MNEMONIC_XCHG] = {do_exchange, 0},
	[ZYDIS_MNEMONIC_XADD] = {do_exchange, 1},
	[ZYDIS_MNEMONIC_CMPXCHG] = {do_compare_exchange, 0},
	[ZYDIS_MNEMONIC_BT] = {do_bit, BT},
	[ZYDIS_MNEMONIC_BTS] = {do_bit, BTS},
	[ZYDIS_MNEMONIC_BTR] = {do_bit, BTR},
	[ZYDIS_MNEMONIC_BTC] = {do_bit, BTC},
	[ZYDIS_MNEMONIC_BSF] = {do_count_bits, BSF},
	[ZYDIS_MNEMONIC_BSR] = {do_count_bits, BSR},
	[ZYDIS_MNEMONIC_TZCNT] = {do_count_bits, TZCNT},
	[ZYDIS_MNEMONIC_LZCNT] = {do_count_bits, LZCNT},
	[ZYDIS_MNEMONIC_POPCNT] = {do_count_bits, POPCNT},
	[ZYDIS_MNEMONIC_BLSR] = {do_lowest_bit, BLSR},
	[ZYDIS_MNEMONIC_BLSI] = {do_lowest_bit, BLSI},
	[ZYDIS_MNEMONIC_BLSMSK] = {do_lowest_bit, BLSMSK},
	[ZYDIS_MNEMONIC_BZHI] = {do_lowest_bit, BZHI},
	[ZYDIS_MNEMONIC_BSWAP] = {do_swap_bytes, 0},
	[ZYDIS_MNEMONIC_STOSB] = {do_string, 1},
	[ZYDIS_MNEMONIC_STOSD] = {do_string, 4},
	[ZYDIS_MNEMONIC_STOSQ] = {do_string, 8},
	[ZYDIS_MNEMONIC_MOVSB] = {do_string, 0x81},
	[ZYDIS_MNEMONIC_MOVSQ] = {do_string, 0x88},
	[ZYDIS_MNEMONIC_CLC] = {do_flag, CLC},
	[ZYDIS_MNEMONIC_STC] = {do_flag, STC},
	[ZYDIS_MNEMONIC_CLD] = {do_flag, CLD},
	[ZYDIS_MNEMONIC_XTEST] = {do_flag, XTEST},
	[ZYDIS_MNEMONIC_SETO] = {do_set_if, 0},
	[ZYDIS_MNEMONIC_SETNO] = {do_set_if, 1},
	[ZYDIS_MNEMONIC_SETB] = {do_set_if, 2},
	[ZYDIS_MNEMONIC_SETNB] = {do_set_if, 3},
	[ZYDIS_MNEMONIC_SETZ] = {do_set_if, 4},
	[ZYDIS_MNEMONIC_SETNZ] = {do_set_if, 5},
	[ZYDIS_MNEMONIC_SETBE] = {do_set_if, 6},
	[ZYDIS_MNEMONIC_SETNBE] = {do_set_if, 7},
	[ZYDIS_MNEMONIC_SETS] = {do_set_if, 8},
	[ZYDIS_MNEMONIC_SETNS] = {do_set_if, 9},
	[ZYDIS_MNEMONIC_SETP] = {do_set_if, 10},
	[ZYDIS_MNEMONIC_SETNP] = {do_set_if, 11},
	[ZYDIS_MNEMONIC_SETL] = {do_set_if, 12},
	[ZYDIS_MNEMONIC_SETNL] = {do_set_if, 13},
	[ZYDIS_MNEMONIC_SETLE] = {do_set_if, 14},
	[ZYDIS_MNEMONIC_SETNLE] = {do_set_if, 15},
	[ZYDIS_MNEMONIC_CMOVO] = {do_move_if, 0},
	[ZYDIS_MNEMONIC_CMOVNO] = {do_move_if, 1},
	[ZYDIS_MNEMONIC_CMOVB] = {do_move_if, 2},
	[ZYDIS_MNEMONIC_CMOVNB] = {do_move_if, 3},
	[ZYDIS_MNEMONIC_CMOVZ] = {do_move_if, 4},
	[ZYDIS_MNEMONIC_CMOVNZ] = {do_move_if, 5},
	[ZYDIS_MNEMONIC_CMOVBE] = {do_move_if, 6},
	[ZYDIS_MNEMONIC_CMOVNBE] = {do_move_if, 7},
	[ZYDIS_MNEMONIC_CMOVS] = {do_move_if, 8},
	[ZYDIS_MNEMONIC_CMOVNS] = {do_move_if, 9},
	[ZYDIS_MNEMONIC_CMOVP] = {do_move_if, 10},
	[ZYDIS_MNEMONIC_CMOVNP] = {do_move_if, 11},
	[ZYDIS_MNEMONIC_CMOVL] = {do_move_if, 12},
	[ZYDIS_MNEMONIC_CMOVNL] = {do_move_if, 13},
	[ZYDIS_MNEMONIC_CMOVLE] = {do_move_if, 14},
	[ZYDIS_MNEMONIC_CMOVNLE] = {do_move_if, 15},
};

const struct machine_operation *integer_operation(ZydisMnemonic mnemonic)
{
	return integers[mnemonic].run ? &integers[mnemonic] : NULL;
}
