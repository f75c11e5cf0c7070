// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/placement.h"

#include <errno.h>
#include <string.h>

#include "process/code/instruction.h"

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

static bool decode(struct instruction *in, const struct placement_request *r, size_t offset)
{
	return offset < r->size && instruction_decode(in, r->code + offset, r->size - offset);
}

static bool writes_needed(const struct instruction *in, const struct placement_request *r)
{
	static const ZydisRegister arguments[] = {
		ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDX,
		ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_R8,  ZYDIS_REGISTER_R9,
	};

	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		if (r->arguments & (1u << i) && instruction_writes(in, arguments[i]))
			return true;
	}
	return r->stack_unchanged && instruction_writes(in, ZYDIS_REGISTER_RSP);
}

/* Does any branch of the function go to (entry, place]? Then the place would be passed more than once, or
 * by a path that did not come from the entry's straight line. */
static bool is_jumped_into(struct instruction *in, const struct placement_request *r, size_t place)
{
	uint64_t goal;

	for (size_t offset = 0; offset < r->size; offset += in->insn.length) {
		if (!decode(in, r, offset))
			return false; /* data behind the code, or its end */
		if (instruction_target(in, r->address + offset, &goal) && goal >= r->address &&
		    goal <= r->address + place)
			return true;
	}
	return false;
}

int placement_find(const struct placement_request *r, struct placement *ret)
{
	struct instruction in;
	size_t offset = 0;
	enum placement_kind kind, entry_kind = PLACEMENT_REFUSED;

	if (instruction_init(&in))
		return -EINVAL;
	while (offset < PLACEMENT_REACH_BYTES && decode(&in, r, offset)) {
		kind = placement_kind_of(r->code + offset, in.insn.length);
		if (offset == 0)
			entry_kind = kind;
		if (kind == PLACEMENT_EMULATED) {
			if (offset && is_jumped_into(&in, r, offset))
				break;
			*ret = (struct placement){offset, kind};
			return 0;
		}
		if (instruction_branches(&in) || writes_needed(&in, r))
			break;
		offset += in.insn.length;
	}
	if (entry_kind == PLACEMENT_REFUSED)
		return -EINVAL;
	*ret = (struct placement){0, entry_kind};
	return 0;
}
