// SPDX-License-Identifier: GPL-2.0-or-later
/* Vector instructions, as far as moving and clearing memory needs them: whole registers, no floating point. */
#include <errno.h>
#include <string.h>

#include "process/code/machine_internal.h"

static bool is_masked(const struct machine *m)
{
	return m->insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
	       m->insn->avx.mask.reg != ZYDIS_REGISTER_NONE &&
	       m->insn->avx.mask.reg != ZYDIS_REGISTER_K0;
}

/* VEX and EVEX instructions clear what lies above their result; of masked forms only a store is modelled. */
static bool is_wide(struct machine *m)
{
	if (is_masked(m))
		machine_fail(m, -ENOTSUP);
	return m->insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY;
}

static size_t bytes_of(const struct machine *m, unsigned int index)
{
	return m->operands[index].size / 8;
}

/* The whole of the second operand to the first. */
static void do_move(struct machine *m, unsigned int variant)
{
	uint8_t bytes[VECTOR_BYTES];

	(void)variant;
	operand_get_bytes(m, 1, bytes);
	operand_set_bytes(m, 0, bytes, bytes_of(m, 0), is_wide(m));
}

/* VMOVDQU8: byte by byte what the mask says, into memory. The mask is the second operand. */
static void do_move_bytes(struct machine *m, unsigned int variant)
{
	uint64_t address = operand_address(m, &m->operands[0]), mask;
	uint8_t bytes[VECTOR_BYTES];

	if (!is_masked(m)) {
		do_move(m, variant);
		return;
	}
	if (m->operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY) {
		machine_fail(m, -ENOTSUP);
		return;
	}
	mask = m->masks[ZydisRegisterGetId(m->insn->avx.mask.reg) & 7];
	operand_get_bytes(m, 2, bytes);
	for (size_t i = 0; i < bytes_of(m, 2); i++)
		if (mask >> i & 1)
			memory_put(m, address + i, bytes[i], 1);
}

/* Between a mask and a general register. */
static void do_move_mask(struct machine *m, unsigned int bits)
{
	ZydisRegister to = m->operands[0].reg.value;

	if (m->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    m->operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    ZydisRegisterGetClass(to) == ZYDIS_REGCLASS_MASK &&
	    ZydisRegisterGetClass(m->operands[1].reg.value) != ZYDIS_REGCLASS_MASK)
		m->masks[ZydisRegisterGetId(to) & 7] = mask_bits(operand_get(m, 1), bits);
	else
		machine_fail(m, -ENOTSUP);
}

/* MOVD, MOVQ: what is above in a vector register becomes 0. */
static void do_move_low(struct machine *m, unsigned int size)
{
	uint8_t bytes[VECTOR_BYTES];
	bool into_vector = m->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
			   ZydisRegisterGetClass(m->operands[0].reg.value) == ZYDIS_REGCLASS_XMM;

	operand_get_bytes(m, 1, bytes);
	memset(bytes + size, 0, VECTOR_BYTES - size);
	operand_set_bytes(m, 0, bytes, into_vector ? 16 : size, is_wide(m));
}

/* MOVLPS, MOVHPS between memory and one half of a register. */
static void do_move_half(struct machine *m, unsigned int offset)
{
	uint8_t whole[VECTOR_BYTES], half[VECTOR_BYTES];

	if (is_wide(m)) {
		machine_fail(m, -ENOTSUP);
		return;
	}
	if (m->operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
		operand_get_bytes(m, 1, whole);
		operand_set_bytes(m, 0, whole + offset, 8, false);
		return;
	}
	/* A register of 16 bytes counts whole: only its half is to be changed. */
	memcpy(whole, m->vectors[ZydisRegisterGetId(m->operands[0].reg.value) & 31], 16);
	operand_get_bytes(m, 1, half);
	memcpy(whole + offset, half, 8);
	operand_set_bytes(m, 0, whole, 16, false);
}

enum { V_AND, V_OR, V_XOR, V_ANDN, V_EQUAL1, V_EQUAL4, V_MIN1, V_SUB1, V_ADD4, V_ADD8, V_SUB8 };

static void combine(uint8_t *a, const uint8_t *b, size_t size, unsigned int variant)
{
	uint64_t x, y;
	uint32_t p, q;

	for (size_t i = 0; i < size; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (variant == V_ADD8)
			x += y;
		else
			x -= y;
		if (variant == V_ADD8 || variant == V_SUB8)
			memcpy(a + i, &x, 8);
	}
	for (size_t i = 0; i < size && (variant == V_ADD4 || variant == V_EQUAL4); i += 4) {
		memcpy(&p, a + i, 4);
		memcpy(&q, b + i, 4);
		p = variant == V_ADD4 ? p + q : p == q ? ~0u : 0;
		memcpy(a + i, &p, 4);
	}
	for (size_t i = 0; i < size; i++) {
		if (variant == V_AND)
			a[i] &= b[i];
		else if (variant == V_OR)
			a[i] |= b[i];
		else if (variant == V_XOR)
			a[i] ^= b[i];
		else if (variant == V_ANDN)
			a[i] = (uint8_t)(~a[i] & b[i]);
		else if (variant == V_EQUAL1)
			a[i] = a[i] == b[i] ? 0xff : 0;
		else if (variant == V_MIN1)
			a[i] = a[i] < b[i] ? a[i] : b[i];
		else if (variant == V_SUB1)
			a[i] = (uint8_t)(a[i] - b[i]);
	}
}

/* Two operands, the first is the result; with VEX three. */
static void do_combine(struct machine *m, unsigned int variant)
{
	unsigned int first = m->insn->operand_count_visible > 2 ? 1 : 0;
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES];

	operand_get_bytes(m, first, a);
	operand_get_bytes(m, first + 1, b);
	combine(a, b, bytes_of(m, 0), variant);
	operand_set_bytes(m, 0, a, bytes_of(m, 0), is_wide(m));
}

static void do_broadcast(struct machine *m, unsigned int unit)
{
	uint8_t bytes[VECTOR_BYTES];

	operand_get_bytes(m, 1, bytes);
	for (size_t i = unit; i + unit <= VECTOR_BYTES; i += unit)
		memcpy(bytes + i, bytes, unit);
	operand_set_bytes(m, 0, bytes, bytes_of(m, 0), is_wide(m));
}

static void do_broadcast_half(struct machine *m, unsigned int variant)
{
	uint8_t bytes[VECTOR_BYTES];

	(void)variant;
	operand_get_bytes(m, 1, bytes);
	memcpy(bytes + 16, bytes, 16);
	memcpy(bytes + 32, bytes, 32);
	operand_set_bytes(m, 0, bytes, bytes_of(m, 0), is_wide(m));
}

/* PUNPCKL: units of both by turns. Two operands, 16 bytes. */
static void do_interleave(struct machine *m, unsigned int unit)
{
	unsigned int first = m->insn->operand_count_visible > 2 ? 1 : 0;
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES], r[VECTOR_BYTES] = {0};

	operand_get_bytes(m, first, a);
	operand_get_bytes(m, first + 1, b);
	if (bytes_of(m, 0) != 16)
		machine_fail(m, -ENOTSUP);
	for (size_t i = 0; i < 8; i += unit) {
		memcpy(r + 2 * i, a + i, unit);
		memcpy(r + 2 * i + unit, b + i, unit);
	}
	operand_set_bytes(m, 0, r, 16, is_wide(m));
}

static void do_shuffle(struct machine *m, unsigned int variant)
{
	uint8_t a[VECTOR_BYTES], r[VECTOR_BYTES] = {0};
	uint64_t order = operand_get(m, 2);

	(void)variant;
	operand_get_bytes(m, 1, a);
	if (bytes_of(m, 0) != 16)
		machine_fail(m, -ENOTSUP);
	for (size_t i = 0; i < 4; i++)
		memcpy(r + 4 * i, a + 4 * (order >> 2 * i & 3), 4);
	operand_set_bytes(m, 0, r, 16, is_wide(m));
}

static void do_insert(struct machine *m, unsigned int unit)
{
	unsigned int first = m->insn->operand_count_visible > 3 ? 1 : 0;
	uint64_t at = operand_get(m, first + 2) % (16 / unit);
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES];

	operand_get_bytes(m, first, a);
	operand_get_bytes(m, first + 1, b);
	memcpy(a + at * unit, b, unit);
	operand_set_bytes(m, 0, a, 16, is_wide(m));
}

static void do_signs(struct machine *m, unsigned int variant)
{
	uint8_t a[VECTOR_BYTES];
	uint64_t bits = 0;

	(void)variant;
	operand_get_bytes(m, 1, a);
	for (size_t i = 0; i < bytes_of(m, 1) && i < VECTOR_BYTES; i++)
		bits |= (uint64_t)(a[i] >> 7) << i;
	operand_set(m, 0, bits);
}

/* PSLLDQ, PSRLDQ: by bytes. */
static void do_shift_bytes(struct machine *m, unsigned int is_left)
{
	unsigned int first = m->insn->operand_count_visible > 2 ? 1 : 0;
	uint8_t a[VECTOR_BYTES], r[VECTOR_BYTES] = {0};
	uint64_t by = operand_get(m, first + 1);

	operand_get_bytes(m, first, a);
	if (bytes_of(m, 0) != 16)
		machine_fail(m, -ENOTSUP);
	if (by < 16 && is_left)
		memcpy(r + by, a, 16 - by);
	else if (by < 16)
		memcpy(r, a + by, 16 - by);
	operand_set_bytes(m, 0, r, 16, is_wide(m));
}

static void do_zero_upper(struct machine *m, unsigned int variant)
{
	(void)variant;
	for (unsigned int i = 0; i < 16; i++)
		memset(m->vectors[i] + 16, 0, VECTOR_BYTES - 16);
}

#define BOTH(name, ...) \
	[ZYDIS_MNEMONIC_##name] = {__VA_ARGS__}, [ZYDIS_MNEMONIC_V##name] = {__VA_ARGS__}

static const struct machine_operation vectors[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	BOTH(MOVUPS, do_move, 0),
	BOTH(MOVAPS, do_move, 0),
	BOTH(MOVUPD, do_move, 0),
	BOTH(MOVAPD, do_move, 0),
	BOTH(MOVDQU, do_move, 0),
	BOTH(MOVDQA, do_move, 0),
	BOTH(LDDQU, do_move, 0),
	BOTH(MOVNTDQ, do_move, 0),
	BOTH(MOVNTPS, do_move, 0),
	[ZYDIS_MNEMONIC_MOVNTI] = {do_move, 0},
	[ZYDIS_MNEMONIC_VMOVDQU8] = {do_move_bytes, 0},
	[ZYDIS_MNEMONIC_VMOVDQU16] = {do_move, 0},
	[ZYDIS_MNEMONIC_VMOVDQU32] = {do_move, 0},
	[ZYDIS_MNEMONIC_VMOVDQU64] = {do_move, 0},
	[ZYDIS_MNEMONIC_VMOVDQA32] = {do_move, 0},
	[ZYDIS_MNEMONIC_VMOVDQA64] = {do_move, 0},
	BOTH(MOVD, do_move_low, 4),
	BOTH(MOVQ, do_move_low, 8),
	BOTH(MOVLPS, do_move_half, 0),
	BOTH(MOVLPD, do_move_half, 0),
	BOTH(MOVHPS, do_move_half, 8),
	BOTH(MOVHPD, do_move_half, 8),
	BOTH(PAND, do_combine, V_AND),
	BOTH(ANDPS, do_combine, V_AND),
	BOTH(ANDPD, do_combine, V_AND),
	BOTH(POR, do_combine, V_OR),
	BOTH(ORPS, do_combine, V_OR),
	BOTH(PXOR, do_combine, V_XOR),
	BOTH(XORPS, do_combine, V_XOR),
	BOTH(XORPD, do_combine, V_XOR),
	[ZYDIS_MNEMONIC_VPXORD] = {do_combine, V_XOR},
	[ZYDIS_MNEMONIC_VPXORQ] = {do_combine, V_XOR},
	[ZYDIS_MNEMONIC_VPORQ] = {do_combine, V_OR},
	[ZYDIS_MNEMONIC_VPANDQ] = {do_combine, V_AND},
	BOTH(PANDN, do_combine, V_ANDN),
	BOTH(PCMPEQB, do_combine, V_EQUAL1),
	BOTH(PCMPEQD, do_combine, V_EQUAL4),
	BOTH(PMINUB, do_combine, V_MIN1),
	BOTH(PSUBB, do_combine, V_SUB1),
	BOTH(PADDD, do_combine, V_ADD4),
	BOTH(PADDQ, do_combine, V_ADD8),
	BOTH(PSUBQ, do_combine, V_SUB8),
	[ZYDIS_MNEMONIC_VPBROADCASTB] = {do_broadcast, 1},
	[ZYDIS_MNEMONIC_VPBROADCASTW] = {do_broadcast, 2},
	[ZYDIS_MNEMONIC_VPBROADCASTD] = {do_broadcast, 4},
	[ZYDIS_MNEMONIC_VPBROADCASTQ] = {do_broadcast, 8},
	[ZYDIS_MNEMONIC_VBROADCASTI128] = {do_broadcast_half, 0},
	[ZYDIS_MNEMONIC_VBROADCASTF128] = {do_broadcast_half, 0},
	BOTH(PUNPCKLBW, do_interleave, 1),
	BOTH(PUNPCKLWD, do_interleave, 2),
	BOTH(PUNPCKLDQ, do_interleave, 4),
	BOTH(PUNPCKLQDQ, do_interleave, 8),
	BOTH(PSHUFD, do_shuffle, 0),
	BOTH(PINSRB, do_insert, 1),
	BOTH(PINSRW, do_insert, 2),
	BOTH(PINSRD, do_insert, 4),
	BOTH(PINSRQ, do_insert, 8),
	BOTH(PMOVMSKB, do_signs, 0),
	BOTH(PSLLDQ, do_shift_bytes, 1),
	BOTH(PSRLDQ, do_shift_bytes, 0),
	[ZYDIS_MNEMONIC_KMOVD] = {do_move_mask, 32},
	[ZYDIS_MNEMONIC_KMOVQ] = {do_move_mask, 64},
	[ZYDIS_MNEMONIC_VZEROUPPER] = {do_zero_upper, 0},
};

const struct machine_operation *vector_operation(ZydisMnemonic mnemonic)
{
	return vectors[mnemonic].run ? &vectors[mnemonic] : NULL;
}
