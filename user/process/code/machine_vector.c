// SPDX-License-Identifier: GPL-2.0-or-later
/* Vector instructions, as far as moving, clearing and searching memory needs them: no floating point. */
#include <errno.h>
#include <string.h>

#include "process/code/machine_internal.h"

static bool is_masked(const struct machine *m)
{
	return m->insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
	       m->insn->avx.mask.reg != ZYDIS_REGISTER_NONE &&
	       m->insn->avx.mask.reg != ZYDIS_REGISTER_K0;
}

uint64_t vector_mask(const struct machine *m)
{
	return is_masked(m) ? m->masks[ZydisRegisterGetId(m->insn->avx.mask.reg) & 7] : ~0ull;
}

/* VEX and EVEX instructions clear what lies above their result. */
static bool is_wide(const struct machine *m)
{
	return m->insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY;
}

/* The same, of an instruction of which masked forms are not modelled. */
static bool is_wide_whole(struct machine *m)
{
	if (is_masked(m))
		machine_fail(m, -ENOTSUP);
	return is_wide(m);
}

static size_t bytes_of(const struct machine *m, unsigned int index)
{
	return m->operands[index].size / 8;
}

/* Bytes that one bit of a mask stands for. */
static size_t unit_of(struct machine *m, unsigned int index)
{
	size_t unit = m->operands[index].element_size / 8;

	if (unit >= 1 && unit <= 8)
		return unit;
	machine_fail(m, -ENOTSUP);
	return 8;
}

void vector_get(struct machine *m, unsigned int index, uint8_t ret[VECTOR_BYTES])
{
	const ZydisDecodedOperand *op = &m->operands[index];
	uint64_t mask = vector_mask(m), value;
	size_t unit;

	/* One element for all (1to8) is not modelled. */
	if (m->insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
	    m->insn->avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID &&
	    !m->insn->avx.broadcast.is_static)
		machine_fail(m, -ENOTSUP);
	if (!is_masked(m) || op->type != ZYDIS_OPERAND_TYPE_MEMORY) {
		operand_get_bytes(m, index, ret);
		return;
	}
	memset(ret, 0, VECTOR_BYTES);
	unit = unit_of(m, index);
	for (size_t i = 0; !m->err && i * unit < bytes_of(m, index) && i * unit < VECTOR_BYTES; i++)
		if (mask >> i & 1) {
			value = memory_get(m, operand_address(m, op) + i * unit, unit);
			memcpy(ret + i * unit, &value, unit);
		}
}

static void put_masked(struct machine *m, const uint8_t *bytes, uint64_t mask)
{
	uint64_t address = operand_address(m, &m->operands[0]), value;
	size_t unit = unit_of(m, 0);

	for (size_t i = 0; !m->err && i * unit < bytes_of(m, 0) && i * unit < VECTOR_BYTES; i++)
		if (mask >> i & 1) {
			value = 0;
			memcpy(&value, bytes + i * unit, unit);
			memory_put(m, address + i * unit, value, unit);
		}
}

/* What a mask leaves out is not written in memory; a register keeps it, or it becomes 0 if the instruction says so. */
static void vector_set(struct machine *m, const uint8_t bytes[VECTOR_BYTES])
{
	uint8_t merged[VECTOR_BYTES] = {0};
	uint64_t mask = vector_mask(m);
	size_t unit;

	if (!is_masked(m)) {
		operand_set_bytes(m, 0, bytes, bytes_of(m, 0), is_wide(m));
		return;
	}
	if (m->operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
		put_masked(m, bytes, mask);
		return;
	}
	if (m->insn->avx.mask.mode != ZYDIS_MASK_MODE_ZEROING)
		operand_get_bytes(m, 0, merged);
	unit = unit_of(m, 0);
	for (size_t i = 0; (i + 1) * unit <= VECTOR_BYTES; i++)
		if (mask >> i & 1)
			memcpy(merged + i * unit, bytes + i * unit, unit);
	operand_set_bytes(m, 0, merged, bytes_of(m, 0), true);
}

/* The whole of the second operand to the first. */
static void do_move(struct machine *m, unsigned int variant)
{
	uint8_t bytes[VECTOR_BYTES];

	(void)variant;
	vector_get(m, 1, bytes);
	vector_set(m, bytes);
}

/* MOVD, MOVQ: what is above in a vector register becomes 0. */
static void do_move_low(struct machine *m, unsigned int size)
{
	uint8_t bytes[VECTOR_BYTES];
	bool into_vector = m->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
			   ZydisRegisterGetClass(m->operands[0].reg.value) == ZYDIS_REGCLASS_XMM;

	operand_get_bytes(m, 1, bytes);
	memset(bytes + size, 0, VECTOR_BYTES - size);
	operand_set_bytes(m, 0, bytes, into_vector ? 16 : size, is_wide_whole(m));
}

/* MOVLPS, MOVHPS between memory and one half of a register. */
static void do_move_half(struct machine *m, unsigned int offset)
{
	uint8_t whole[VECTOR_BYTES], half[VECTOR_BYTES];

	if (is_wide_whole(m)) {
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

enum {
	V_AND,
	V_OR,
	V_XOR,
	V_ANDN,
	V_EQUAL,
	V_ABOVE, /* signed */
	V_LEAST,
	V_MOST,
	V_ADD,
	V_SUB,
	V_WHATS = 16, /* variant: what + V_WHATS * unit of it in bytes */
};

#define UNITS(what, unit) ((what) + V_WHATS * (unit))

static uint64_t combined(uint64_t a, uint64_t b, unsigned int what, unsigned int bits)
{
	switch (what) {
	case V_AND:
		return a & b;
	case V_OR:
		return a | b;
	case V_XOR:
		return a ^ b;
	case V_ANDN:
		return ~a & b;
	case V_EQUAL:
		return a == b ? ~0ull : 0;
	case V_ABOVE:
		return sign_extend(a, bits) > sign_extend(b, bits) ? ~0ull : 0;
	case V_LEAST:
		return a < b ? a : b;
	case V_MOST:
		return a > b ? a : b;
	case V_ADD:
		return a + b;
	default:
		return a - b;
	}
}

/* Two operands, the first is the result; with VEX three. */
static void do_combine(struct machine *m, unsigned int variant)
{
	unsigned int first = m->insn->operand_count_visible > 2 ? 1 : 0, unit = variant / V_WHATS;
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES];

	vector_get(m, first, a);
	vector_get(m, first + 1, b);
	for (size_t i = 0; i < VECTOR_BYTES; i += unit) {
		uint64_t x = 0, y = 0;

		memcpy(&x, a + i, unit);
		memcpy(&y, b + i, unit);
		x = combined(x, y, variant % V_WHATS, 8 * unit);
		memcpy(a + i, &x, unit);
	}
	vector_set(m, a);
}

/* Of three bits, one of each operand, which of the eight of a table: the first is the highest. */
static void do_by_table(struct machine *m, unsigned int variant)
{
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES], c[VECTOR_BYTES];
	uint64_t table = operand_get(m, 3);

	(void)variant;
	operand_get_bytes(m, 0, a);
	vector_get(m, 1, b);
	vector_get(m, 2, c);
	for (size_t i = 0; i < VECTOR_BYTES; i++) {
		uint8_t r = 0;

		for (unsigned int bit = 0; bit < 8; bit++) {
			unsigned int at = (a[i] >> bit & 1) << 2 | (b[i] >> bit & 1) << 1 |
					  (c[i] >> bit & 1);

			r |= (uint8_t)((table >> at & 1) << bit);
		}
		a[i] = r;
	}
	vector_set(m, a);
}

/* PCMPEQ, PCMPGT: all of a unit becomes 1 where it is so; with EVEX a bit of a mask. */
static void do_compare_units(struct machine *m, unsigned int variant)
{
	bool above = variant % V_WHATS == V_ABOVE;

	if (operand_is_mask(m, 0))
		mask_compare(m, above ? MACHINE_MORE : MACHINE_EQUAL, variant / V_WHATS, above);
	else
		do_combine(m, variant);
}

static void do_broadcast(struct machine *m, unsigned int unit)
{
	uint8_t bytes[VECTOR_BYTES];

	operand_get_bytes(m, 1, bytes);
	for (size_t i = unit; i + unit <= VECTOR_BYTES; i += unit)
		memcpy(bytes + i, bytes, unit);
	vector_set(m, bytes);
}

static void do_broadcast_half(struct machine *m, unsigned int variant)
{
	uint8_t bytes[VECTOR_BYTES];

	(void)variant;
	operand_get_bytes(m, 1, bytes);
	memcpy(bytes + 16, bytes, 16);
	memcpy(bytes + 32, bytes, 32);
	vector_set(m, bytes);
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
	operand_set_bytes(m, 0, r, 16, is_wide_whole(m));
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
	operand_set_bytes(m, 0, r, 16, is_wide_whole(m));
}

static void do_insert(struct machine *m, unsigned int unit)
{
	unsigned int first = m->insn->operand_count_visible > 3 ? 1 : 0;
	uint64_t at = operand_get(m, first + 2) % (16 / unit);
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES];

	operand_get_bytes(m, first, a);
	operand_get_bytes(m, first + 1, b);
	memcpy(a + at * unit, b, unit);
	operand_set_bytes(m, 0, a, 16, is_wide_whole(m));
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
	operand_set_bytes(m, 0, r, 16, is_wide_whole(m));
}

/* PALIGNR: of each 16 bytes of both, one behind the other, those from there on. */
static void do_align(struct machine *m, unsigned int variant)
{
	unsigned int first = m->insn->operand_count_visible > 3 ? 1 : 0;
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES], pair[64] = {0};
	uint64_t by = operand_get(m, first + 2) & 0xff;

	(void)variant;
	vector_get(m, first, a);
	vector_get(m, first + 1, b);
	for (size_t i = 0; i < VECTOR_BYTES; i += 16) {
		memcpy(pair, b + i, 16);
		memcpy(pair + 16, a + i, 16);
		if (by < 32)
			memcpy(a + i, pair + by, 16);
		else
			memset(a + i, 0, 16);
	}
	vector_set(m, a);
}

/* PSHUFB: in each 16 bytes each byte is that of the first whose number the second has. */
static void do_pick_bytes(struct machine *m, unsigned int variant)
{
	unsigned int first = m->insn->operand_count_visible > 2 ? 1 : 0;
	uint8_t a[VECTOR_BYTES], b[VECTOR_BYTES], r[VECTOR_BYTES];

	(void)variant;
	vector_get(m, first, a);
	vector_get(m, first + 1, b);
	for (size_t i = 0; i < VECTOR_BYTES; i++)
		r[i] = b[i] & 0x80 ? 0 : a[(i & ~15ul) + (b[i] & 15)];
	vector_set(m, r);
}

static void do_zero_all(struct machine *m, unsigned int variant)
{
	(void)variant;
	memset(m->vectors, 0, 16 * sizeof(m->vectors[0]));
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
	[ZYDIS_MNEMONIC_VMOVDQU8] = {do_move, 0},
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
	BOTH(PAND, do_combine, UNITS(V_AND, 8)),
	BOTH(ANDPS, do_combine, UNITS(V_AND, 8)),
	BOTH(ANDPD, do_combine, UNITS(V_AND, 8)),
	BOTH(POR, do_combine, UNITS(V_OR, 8)),
	BOTH(ORPS, do_combine, UNITS(V_OR, 8)),
	BOTH(PXOR, do_combine, UNITS(V_XOR, 8)),
	BOTH(XORPS, do_combine, UNITS(V_XOR, 8)),
	BOTH(XORPD, do_combine, UNITS(V_XOR, 8)),
	BOTH(PANDN, do_combine, UNITS(V_ANDN, 8)),
	[ZYDIS_MNEMONIC_VPANDD] = {do_combine, UNITS(V_AND, 8)},
	[ZYDIS_MNEMONIC_VPANDQ] = {do_combine, UNITS(V_AND, 8)},
	[ZYDIS_MNEMONIC_VPORD] = {do_combine, UNITS(V_OR, 8)},
	[ZYDIS_MNEMONIC_VPORQ] = {do_combine, UNITS(V_OR, 8)},
	[ZYDIS_MNEMONIC_VPXORD] = {do_combine, UNITS(V_XOR, 8)},
	[ZYDIS_MNEMONIC_VPXORQ] = {do_combine, UNITS(V_XOR, 8)},
	[ZYDIS_MNEMONIC_VPANDND] = {do_combine, UNITS(V_ANDN, 8)},
	[ZYDIS_MNEMONIC_VPANDNQ] = {do_combine, UNITS(V_ANDN, 8)},
	[ZYDIS_MNEMONIC_VPTERNLOGD] = {do_by_table, 0},
	[ZYDIS_MNEMONIC_VPTERNLOGQ] = {do_by_table, 0},
	BOTH(PCMPEQB, do_compare_units, UNITS(V_EQUAL, 1)),
	BOTH(PCMPEQW, do_compare_units, UNITS(V_EQUAL, 2)),
	BOTH(PCMPEQD, do_compare_units, UNITS(V_EQUAL, 4)),
	BOTH(PCMPEQQ, do_compare_units, UNITS(V_EQUAL, 8)),
	BOTH(PCMPGTB, do_compare_units, UNITS(V_ABOVE, 1)),
	BOTH(PCMPGTW, do_compare_units, UNITS(V_ABOVE, 2)),
	BOTH(PCMPGTD, do_compare_units, UNITS(V_ABOVE, 4)),
	BOTH(PMINUB, do_combine, UNITS(V_LEAST, 1)),
	BOTH(PMINUD, do_combine, UNITS(V_LEAST, 4)),
	BOTH(PMAXUB, do_combine, UNITS(V_MOST, 1)),
	BOTH(PADDB, do_combine, UNITS(V_ADD, 1)),
	BOTH(PADDD, do_combine, UNITS(V_ADD, 4)),
	BOTH(PADDQ, do_combine, UNITS(V_ADD, 8)),
	BOTH(PSUBB, do_combine, UNITS(V_SUB, 1)),
	BOTH(PSUBD, do_combine, UNITS(V_SUB, 4)),
	BOTH(PSUBQ, do_combine, UNITS(V_SUB, 8)),
	[ZYDIS_MNEMONIC_VPBROADCASTB] = {do_broadcast, 1},
	[ZYDIS_MNEMONIC_VPBROADCASTW] = {do_broadcast, 2},
	[ZYDIS_MNEMONIC_VPBROADCASTD] = {do_broadcast, 4},
	[ZYDIS_MNEMONIC_VPBROADCASTQ] = {do_broadcast, 8},
	[ZYDIS_MNEMONIC_VBROADCASTSS] = {do_broadcast, 4},
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
	BOTH(PALIGNR, do_align, 0),
	BOTH(PSHUFB, do_pick_bytes, 0),
	[ZYDIS_MNEMONIC_VZEROUPPER] = {do_zero_upper, 0},
	[ZYDIS_MNEMONIC_VZEROALL] = {do_zero_all, 0},
};

const struct machine_operation *vector_operation(ZydisMnemonic mnemonic)
{
	return vectors[mnemonic].run ? &vectors[mnemonic] : NULL;
}
