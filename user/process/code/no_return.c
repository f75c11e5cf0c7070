// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/no_return.h"

#define MAX_INSTRUCTIONS 128 /* of one function */
#define MAX_TOTAL        512 /* with those that it calls */
#define MAX_PENDING      32
#define MAX_DEPTH        3

struct search {
	const struct code_view *code;
	struct instruction *in;
	int left;
};

/* The way through one function. */
struct way {
	uint64_t start, end;
	uint64_t seen[MAX_INSTRUCTIONS];
	uint64_t pending[MAX_PENDING];
	size_t seen_count, pending_count;
	int depth;
};

enum outcome { GOES_ON, ENDS, MAY_RETURN };

static bool never_returns(struct search *s, uint64_t entry, int depth);

static enum outcome mark(struct way *w, uint64_t address)
{
	for (size_t i = 0; i < w->seen_count; i++) {
		if (w->seen[i] == address)
			return ENDS;
	}
	if (w->seen_count == MAX_INSTRUCTIONS)
		return MAY_RETURN;
	w->seen[w->seen_count++] = address;
	return GOES_ON;
}

/* Who is called or jumped to. */
static struct callee callee_of(struct search *s, uint64_t address)
{
	uint64_t target;

	if (instruction_target(s->in, address, &target))
		return s->code->called(s->code->user, target);
	if (instruction_slot(s->in, address, &target))
		return s->code->called_through(s->code->user, target);
	return (struct callee){0};
}

static bool leads_nowhere(struct search *s, struct callee callee, int depth)
{
	if (callee.habit == CALLEE_NEVER_RETURNS)
		return true;
	return callee.address && !callee.goal && callee.habit == CALLEE_ORDINARY &&
	       depth < MAX_DEPTH && never_returns(s, callee.address, depth + 1);
}

static enum outcome call(struct search *s, struct way *w, uint64_t address, uint64_t next)
{
	/* what follows the last call is another function */
	if (next == w->end || leads_nowhere(s, callee_of(s, address), w->depth))
		return ENDS;
	return GOES_ON;
}

static enum outcome jump(struct search *s, struct way *w, uint64_t address, uint64_t *next)
{
	uint64_t target;

	if (instruction_target(s->in, address, &target) && target >= w->start && target < w->end) {
		*next = target;
		return GOES_ON;
	}
	return leads_nowhere(s, callee_of(s, address), w->depth) ? ENDS : MAY_RETURN;
}

static enum outcome branch(struct search *s, struct way *w, uint64_t address)
{
	uint64_t target;

	if (!instruction_target(s->in, address, &target) || target < w->start || target >= w->end ||
	    w->pending_count == MAX_PENDING)
		return MAY_RETURN;
	w->pending[w->pending_count++] = target;
	return GOES_ON;
}

static enum outcome step(struct search *s, struct way *w, uint64_t address, uint64_t *ret_next)
{
	const uint8_t *bytes;
	size_t size;
	enum outcome outcome = mark(w, address);

	if (outcome != GOES_ON)
		return outcome;
	bytes = s->code->read(s->code->user, address, &size);
	if (s->left-- <= 0 || address >= w->end || !bytes ||
	    !instruction_decode(s->in, bytes, size))
		return MAY_RETURN;
	*ret_next = address + s->in->insn.length;
	switch (s->in->insn.meta.category) {
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
		return MAY_RETURN;
	case ZYDIS_CATEGORY_CALL:
		return call(s, w, address, *ret_next);
	case ZYDIS_CATEGORY_UNCOND_BR:
		return jump(s, w, address, ret_next);
	case ZYDIS_CATEGORY_COND_BR:
		return branch(s, w, address);
	default:
		return instruction_traps(s->in) ? ENDS : GOES_ON;
	}
}

static bool never_returns(struct search *s, uint64_t entry, int depth)
{
	struct way w = {.pending = {entry}, .pending_count = 1, .depth = depth};

	if (!s->code->function(s->code->user, entry, &w.start, &w.end) || w.start != entry)
		return false;
	while (w.pending_count) {
		uint64_t address = w.pending[--w.pending_count];
		enum outcome outcome;

		do
			outcome = step(s, &w, address, &address);
		while (outcome == GOES_ON);
		if (outcome == MAY_RETURN)
			return false;
	}
	return true;
}

bool code_never_returns(const struct code_view *code, struct instruction *in, uint64_t entry)
{
	struct search s = {code, in, MAX_TOTAL};

	return never_returns(&s, entry, 0);
}
