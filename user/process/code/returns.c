// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/returns.h"

#include <errno.h>

#include <Zydis/Zydis.h>

#include "base/cleanup.h"
#include "base/vec.h"

/* Code that was walked from start on, in a straight line. */
struct stretch {
	uint64_t start, end;
};

struct walk {
	const struct returns_code *code;
	ZydisDecoder zydis;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	VEC(struct stretch) walked;
	VEC(uint64_t) pending;
	size_t instruction_count;
	struct returns found;
};

static void walk_done(struct walk *w)
{
	vec_done(&w->walked);
	vec_done(&w->pending);
}

static bool was_walked(const struct walk *w, uint64_t address)
{
	for (size_t i = 0; i < w->walked.count; i++) {
		if (address >= w->walked.items[i].start && address < w->walked.items[i].end)
			return true;
	}
	return false;
}

static int decode(struct walk *w, uint64_t address)
{
	size_t size;
	const uint8_t *bytes;

	if (w->instruction_count++ == RETURNS_MAX_INSTRUCTIONS)
		return -E2BIG;
	bytes = w->code->read(w->code->user, address, &size);
	if (!bytes ||
	    ZYAN_FAILED(ZydisDecoderDecodeFull(&w->zydis, bytes, size, &w->insn, w->operands)))
		return -EILSEQ;
	return 0;
}

static bool branch_target(const struct walk *w, uint64_t address, uint64_t *ret)
{
	const ZydisDecodedOperand *op = &w->operands[0];
	ZyanU64 goal;

	if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&w->insn, op, address, &goal)))
		return false;
	if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		*ret = goal;
		return true;
	}
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.base == ZYDIS_REGISTER_RIP &&
	       w->code->slot(w->code->user, goal, ret);
}

static int add_return(struct walk *w, uint64_t address)
{
	if (w->found.count == RETURNS_MAX)
		return -E2BIG;
	w->found.addresses[w->found.count++] = address;
	return 0;
}

static bool is_trap(const struct walk *w)
{
	return w->insn.mnemonic == ZYDIS_MNEMONIC_UD2 || w->insn.mnemonic == ZYDIS_MNEMONIC_INT3 ||
	       w->insn.mnemonic == ZYDIS_MNEMONIC_HLT;
}

/* What the instruction does to the walk: *ret_next is where it goes on, or it ends (false). */
static int step(struct walk *w, uint64_t address, uint64_t *ret_next, bool *ret_ends)
{
	uint64_t next = address + w->insn.length, target;

	*ret_next = next;
	*ret_ends = false;
	switch (w->insn.meta.category) {
	case ZYDIS_CATEGORY_RET:
		*ret_ends = true;
		return add_return(w, address);
	case ZYDIS_CATEGORY_UNCOND_BR:
		if (!branch_target(w, address, ret_next))
			return -ENOTSUP;
		return 0;
	case ZYDIS_CATEGORY_COND_BR:
		if (!branch_target(w, address, &target))
			return -ENOTSUP;
		return vec_push(&w->pending, target);
	default:
		/* Behind a call of abort() stands padding at most, then the next function. */
		*ret_ends = is_trap(w) || w->code->begins(w->code->user, next);
		return 0;
	}
}

static int walk_from(struct walk *w, uint64_t address)
{
	bool ends = false;
	int err = 0;

	while (!err && !ends && !was_walked(w, address)) {
		uint64_t next = address;

		err = decode(w, address);
		if (!err)
			err = step(w, address, &next, &ends);
		if (!err && w->walked.count && w->walked.items[w->walked.count - 1].end == address)
			w->walked.items[w->walked.count - 1].end += w->insn.length;
		else if (!err)
			err = vec_push(&w->walked,
				       (struct stretch){address, address + w->insn.length});
		address = next;
	}
	return err;
}

int returns_find(const struct returns_code *code, uint64_t entry, struct returns *ret)
{
	_cleanup_(walk_done) struct walk w = {.code = code};
	int err = 0;

	if (ZYAN_FAILED(
		    ZydisDecoderInit(&w.zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return -ENOMEM;
	err = vec_push(&w.pending, entry);
	while (!err && w.pending.count)
		err = walk_from(&w, vec_pop(&w.pending));
	if (err)
		return err;
	if (!w.found.count)
		return -ENOENT;
	*ret = w.found;
	return 0;
}

const char *returns_error(int err)
{
	switch (err) {
	case -ENOTSUP:
		return "it jumps to where its code does not tell";
	case -EILSEQ:
		return "its code does not decode";
	case -E2BIG:
		return "its code is too long or leaves at too many places";
	case -ENOENT:
		return "it never returns";
	default:
		return "out of memory";
	}
}
