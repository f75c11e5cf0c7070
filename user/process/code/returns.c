// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/returns.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "process/code/instruction.h"

/* Code that was walked from start on, in a straight line. */
struct stretch {
	uint64_t start, end;
};

struct walk {
	const struct returns_code *code;
	struct instruction in;
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
	return bytes && instruction_decode(&w->in, bytes, size) ? 0 : -EILSEQ;
}

static bool branch_target(const struct walk *w, uint64_t address, uint64_t *ret)
{
	uint64_t slot;

	return instruction_target(&w->in, address, ret) ||
	       (instruction_slot(&w->in, address, &slot) &&
		w->code->slot(w->code->user, slot, ret));
}

static int add_return(struct walk *w, uint64_t address)
{
	if (w->found.count == RETURNS_MAX)
		return -E2BIG;
	w->found.addresses[w->found.count++] = address;
	return 0;
}

/* What the instruction does to the walk: *ret_next is where it goes on, or it ends (false). */
static int step(struct walk *w, uint64_t address, uint64_t *ret_next, bool *ret_ends)
{
	uint64_t next = address + w->in.insn.length, target;

	*ret_next = next;
	*ret_ends = false;
	switch (w->in.insn.meta.category) {
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
		*ret_ends = instruction_traps(&w->in) || w->code->begins(w->code->user, next);
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
			w->walked.items[w->walked.count - 1].end += w->in.insn.length;
		else if (!err)
			err = vec_push(&w->walked,
				       (struct stretch){address, address + w->in.insn.length});
		address = next;
	}
	return err;
}

int returns_find(const struct returns_code *code, uint64_t entry, struct returns *ret)
{
	_cleanup_(walk_done) struct walk w = {.code = code};
	int err = 0;

	if (instruction_init(&w.in))
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
