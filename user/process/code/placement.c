// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/placement.h"

#include <errno.h>
#include <string.h>

#include <Zydis/Zydis.h>

#define PLACEMENT_REACH_BYTES 96 /* how far from the entry a place is looked for */
#define INSN_NOP              0x90

/* The canonical multi-byte nops, by length (Intel SDM, NOP). */
static const uint8_t nops[9][8] = {
	{0},
	{0x90},
	{0x66, 0x90},
	{0x0f, 0x1f, 0x00},
	{0x0f, 0x1f, 0x40, 0x00},
	{0x0f, 0x1f, 0x44, 0x00, 0x00},
	{0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
	{0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
	{0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
};

struct prefixes {
	size_t length;
	bool refused, operand_size;
	uint8_t rex;
};

static struct prefixes prefixes_read(const uint8_t *code, size_t size)
{
	struct prefixes p = {0};

	for (; p.length < size; p.length++) {
		uint8_t c = code[p.length];

		if (c == 0x26 || c == 0x2e || c == 0x36 || c == 0x3e || c == 0xf0)
			p.refused = true;
		else if (c == 0x66)
			p.operand_size = true;
		else if (c != 0x64 && c != 0x65 && c != 0x67 && c != 0xf2 && c != 0xf3)
			break;
	}
	if (p.length < size && (code[p.length] & 0xf0) == 0x40)
		p.rex = code[p.length++];
	return p;
}

static bool is_relative_branch(const uint8_t *opcode, size_t size)
{
	if (opcode[0] == 0xeb || opcode[0] == 0xe9 || opcode[0] == 0xe8)
		return true;
	if ((opcode[0] & 0xf0) == 0x70)
		return true;
	return size > 1 && opcode[0] == 0x0f && (opcode[1] & 0xf0) == 0x80;
}

enum placement_kind placement_kind_of(const uint8_t *code, size_t size)
{
	struct prefixes p = prefixes_read(code, size);
	const uint8_t *opcode = code + p.length;
	size_t left = size - p.length;

	if (p.refused || !left)
		return PLACEMENT_REFUSED;
	if (size < 9 && !memcmp(code, nops[size], size))
		return PLACEMENT_EMULATED;
	if (opcode[0] == INSN_NOP && !p.rex)
		return PLACEMENT_EMULATED;
	if (is_relative_branch(opcode, left))
		return p.operand_size ? PLACEMENT_REFUSED : PLACEMENT_EMULATED;
	if ((opcode[0] & 0xf8) == 0x50 && (size == 1 || (size == 2 && p.rex == 0x41)))
		return PLACEMENT_EMULATED;
	return PLACEMENT_STEPPED;
}

struct decoder {
	ZydisDecoder zydis;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static int decoder_init(struct decoder *d)
{
	return ZYAN_SUCCESS(ZydisDecoderInit(&d->zydis, ZYDIS_MACHINE_MODE_LONG_64,
					     ZYDIS_STACK_WIDTH_64))
		       ? 0
		       : -EINVAL;
}

static bool decode(struct decoder *d, const struct placement_request *r, size_t offset)
{
	return offset < r->size &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d->zydis, r->code + offset, r->size - offset,
						   &d->insn, d->operands));
}

static bool writes_register(const struct decoder *d, ZydisRegister wanted)
{
	for (size_t i = 0; i < d->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &d->operands[i];

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, op->reg.value) ==
			    wanted)
			return true;
	}
	return false;
}

static bool writes_needed(const struct decoder *d, const struct placement_request *r)
{
	static const ZydisRegister arguments[] = {
		ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDX,
		ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_R8,  ZYDIS_REGISTER_R9,
	};

	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		if (r->arguments & (1u << i) && writes_register(d, arguments[i]))
			return true;
	}
	return r->stack_unchanged && writes_register(d, ZYDIS_REGISTER_RSP);
}

static bool is_branch(const struct decoder *d)
{
	ZydisInstructionCategory c = d->insn.meta.category;

	return c == ZYDIS_CATEGORY_COND_BR || c == ZYDIS_CATEGORY_UNCOND_BR ||
	       c == ZYDIS_CATEGORY_CALL || c == ZYDIS_CATEGORY_RET ||
	       c == ZYDIS_CATEGORY_INTERRUPT || c == ZYDIS_CATEGORY_SYSCALL;
}

/* Does any branch of the function go to (entry, place]? Then the place would be passed more than once, or
 * by a path that did not come from the entry's straight line. */
static bool is_jumped_into(struct decoder *d, const struct placement_request *r, size_t place)
{
	ZyanU64 goal;

	for (size_t offset = 0; offset < r->size; offset += d->insn.length) {
		if (!decode(d, r, offset))
			return false; /* data behind the code, or its end */
		if (!is_branch(d) || !d->insn.operand_count_visible ||
		    d->operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
			continue;
		if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&d->insn, &d->operands[0],
							 r->address + offset, &goal)))
			continue;
		if (goal >= r->address && goal <= r->address + place)
			return true;
	}
	return false;
}

int placement_find(const struct placement_request *r, struct placement *ret)
{
	struct decoder d;
	size_t offset = 0;
	enum placement_kind kind, entry_kind = PLACEMENT_REFUSED;

	if (decoder_init(&d))
		return -EINVAL;
	while (offset < PLACEMENT_REACH_BYTES && decode(&d, r, offset)) {
		kind = placement_kind_of(r->code + offset, d.insn.length);
		if (offset == 0)
			entry_kind = kind;
		if (kind == PLACEMENT_EMULATED) {
			if (offset && is_jumped_into(&d, r, offset))
				break;
			*ret = (struct placement){offset, kind};
			return 0;
		}
		if (is_branch(&d) || writes_needed(&d, r))
			break;
		offset += d.insn.length;
	}
	if (entry_kind == PLACEMENT_REFUSED)
		return -EINVAL;
	*ret = (struct placement){0, entry_kind};
	return 0;
}
