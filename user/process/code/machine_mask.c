// SPDX-License-Identifier: GPL-2.0-or-later
/* AVX-512's masks: what fills them, and what is done with them. */
#include <errno.h>
#include <string.h>

#include "process/code/machine_internal.h"

bool operand_is_mask(const struct machine *m, unsigned int index)
{
	return m->operands[index].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       ZydisRegisterGetClass(m->operands[index].reg.value) == ZYDIS_REGCLASS_MASK;
}

/* What a mask register gets (EVEX): one bit for each unit. */
static void set_mask(struct machine *m, uint64_t bits)
{
	if (!m->err)
		m->masks[ZydisRegisterGetId(m->operands[0].reg.value) & 7] = bits & vector_mask(m);
}

static bool compares(uint64_t a, uint64_t b, unsigned int condition)
{
	switch (condition) {
	case MACHINE_EQUAL:
		return a == b;
	case MACHINE_LESS:
		return a < b;
	case MACHINE_LESS_EQUAL:
		return a <= b;
	case MACHINE_UNEQUAL:
		return a != b;
	case MACHINE_MORE_EQUAL:
		return a >= b;
	case MACHINE_MORE:
		return a > b;
	default:
		return condition == MACHINE_ALWAYS;
	}
}

void mask_compare(struct machine *m, unsigned int condition, unsigned int unit, bool is_signed)
{
	uint64_t bits = 0, flip = is_signed ? 1ull << (8 * unit - 1) : 0;
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES];

	vector_get(m, 1, a);
	vector_get(m, 2, b);
	for (size_t i = 0; i * unit < m->operands[1].size / 8 && i * unit < VECTOR_BYTES; i++) {
		uint64_t x = 0, y = 0;

		memcpy(&x, a + i * unit, unit);
		memcpy(&y, b + i * unit, unit);
		bits |= (uint64_t)compares(x ^ flip, y ^ flip, condition) << i;
	}
	set_mask(m, bits);
}

#define SIGNED 16 /* else units count as unsigned */

static void do_compare(struct machine *m, unsigned int variant)
{
	mask_compare(m, operand_get(m, 3) & 7, variant & ~SIGNED, variant & SIGNED);
}

#define IF_NONE 16 /* else where any bit of the unit is in both */

static void do_test(struct machine *m, unsigned int variant)
{
	unsigned int unit = variant & ~IF_NONE;
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES];
	uint64_t bits = 0;

	vector_get(m, 1, a);
	vector_get(m, 2, b);
	for (size_t i = 0; i * unit < m->operands[1].size / 8 && i * unit < VECTOR_BYTES; i++) {
		bool any = false;

		for (size_t k = i * unit; k < (i + 1) * unit; k++)
			any |= (a[k] & b[k]) != 0;
		bits |= (uint64_t)(any != !!(variant & IF_NONE)) << i;
	}
	set_mask(m, bits);
}

/* Of instructions on masks the variant is, or has, how many bits they look at. */
static uint64_t mask_at(struct machine *m, unsigned int index, unsigned int bits)
{
	return mask_bits(operand_get(m, index), bits);
}

static void do_move(struct machine *m, unsigned int bits)
{
	operand_set(m, 0, mask_at(m, 1, bits));
}

enum { K_AND, K_ANDN, K_OR, K_XOR, K_XNOR, K_ADD };

#define K_BITS(what, bits) ((what) << 4 | (bits) / 8)

static void do_combine(struct machine *m, unsigned int variant)
{
	unsigned int bits = (variant & 15) * 8;
	uint64_t a = mask_at(m, 1, bits), b = mask_at(m, 2, bits), r;

	switch (variant >> 4) {
	case K_AND:
		r = a & b;
		break;
	case K_ANDN:
		r = ~a & b;
		break;
	case K_OR:
		r = a | b;
		break;
	case K_XOR:
		r = a ^ b;
		break;
	case K_XNOR:
		r = ~(a ^ b);
		break;
	default:
		r = a + b;
	}
	operand_set(m, 0, mask_bits(r, bits));
}

static void do_not(struct machine *m, unsigned int bits)
{
	operand_set(m, 0, mask_bits(~mask_at(m, 1, bits), bits));
}

/* The lower halves of both: the second's is below. */
static void do_unpack(struct machine *m, unsigned int bits)
{
	operand_set(m, 0, mask_at(m, 1, bits / 2) << bits / 2 | mask_at(m, 2, bits / 2));
}

#define LEFT 128

static void do_shift(struct machine *m, unsigned int variant)
{
	unsigned int bits = variant & ~LEFT, by = operand_get(m, 2) & 0xff;
	uint64_t a = mask_at(m, 1, bits);

	operand_set(m, 0, by >= bits ? 0 : mask_bits(variant & LEFT ? a << by : a >> by, bits));
}

static void set_flags(struct machine *m, bool zero, bool carry)
{
	m->flags = (struct machine_flags){.zero = zero, .carry = carry, .down = m->flags.down};
}

static void do_or_test(struct machine *m, unsigned int bits)
{
	uint64_t either = mask_at(m, 0, bits) | mask_at(m, 1, bits);

	set_flags(m, !either, either == mask_bits(~0ull, bits));
}

static void do_and_test(struct machine *m, unsigned int bits)
{
	uint64_t a = mask_at(m, 0, bits), b = mask_at(m, 1, bits);

	set_flags(m, !(a & b), !(~a & b));
}

#define OF_SIZES(name, run, variant_of)                     \
	[ZYDIS_MNEMONIC_##name##B] = {run, variant_of(8)},  \
	[ZYDIS_MNEMONIC_##name##W] = {run, variant_of(16)}, \
	[ZYDIS_MNEMONIC_##name##D] = {run, variant_of(32)}, \
	[ZYDIS_MNEMONIC_##name##Q] = {run, variant_of(64)}
#define OF_UNITS(name, run, more)                       \
	[ZYDIS_MNEMONIC_##name##B] = {run, 1 | (more)}, \
	[ZYDIS_MNEMONIC_##name##W] = {run, 2 | (more)}, \
	[ZYDIS_MNEMONIC_##name##D] = {run, 4 | (more)}, \
	[ZYDIS_MNEMONIC_##name##Q] = {run, 8 | (more)}
#define BITS(bits)      (bits)
#define LEFT_BITS(bits) ((bits) | LEFT)
#define AND_BITS(bits)  K_BITS(K_AND, bits)
#define ANDN_BITS(bits) K_BITS(K_ANDN, bits)
#define OR_BITS(bits)   K_BITS(K_OR, bits)
#define XOR_BITS(bits)  K_BITS(K_XOR, bits)
#define XNOR_BITS(bits) K_BITS(K_XNOR, bits)
#define ADD_BITS(bits)  K_BITS(K_ADD, bits)

static const struct machine_operation masks[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	OF_UNITS(VPCMP, do_compare, SIGNED),
	OF_UNITS(VPCMPU, do_compare, 0),
	OF_UNITS(VPTESTM, do_test, 0),
	OF_UNITS(VPTESTNM, do_test, IF_NONE),
	OF_SIZES(KMOV, do_move, BITS),
	OF_SIZES(KAND, do_combine, AND_BITS),
	OF_SIZES(KANDN, do_combine, ANDN_BITS),
	OF_SIZES(KOR, do_combine, OR_BITS),
	OF_SIZES(KXOR, do_combine, XOR_BITS),
	OF_SIZES(KXNOR, do_combine, XNOR_BITS),
	OF_SIZES(KADD, do_combine, ADD_BITS),
	OF_SIZES(KNOT, do_not, BITS),
	OF_SIZES(KSHIFTL, do_shift, LEFT_BITS),
	OF_SIZES(KSHIFTR, do_shift, BITS),
	OF_SIZES(KORTEST, do_or_test, BITS),
	OF_SIZES(KTEST, do_and_test, BITS),
	[ZYDIS_MNEMONIC_KUNPCKBW] = {do_unpack, 16},
	[ZYDIS_MNEMONIC_KUNPCKWD] = {do_unpack, 32},
	[ZYDIS_MNEMONIC_KUNPCKDQ] = {do_unpack, 64},
};

const struct machine_operation *mask_operation(ZydisMnemonic mnemonic)
{
	return masks[mnemonic].run ? &masks[mnemonic] : NULL;
}
