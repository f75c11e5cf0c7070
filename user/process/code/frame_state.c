// SPDX-License-Identifier: GPL-2.0-or-later
/* Joins, the stack's slots, calls. What single instructions do: frame_step.c. */
#include "process/code/frame_state.h"

#include <string.h>

#include "process/code/frame_state_internal.h"

#define WORD_BYTES 8

static const struct value unknown;

void frame_state_enter(struct frame_state *s)
{
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < REG_COUNT; i++)
		s->regs[i] = (struct value){.kind = VALUE_ENTRY, .reg = (uint8_t)i, .scale = 1};
	s->regs[REG_RSP] = (struct value){.kind = VALUE_STACK};
}

/*
 * A block joined with null is that block, which may be null; but only if on the null's way the block does not exist: it
 * would be one that somebody else holds. Different blocks are one of them, if on each way nothing but the value's own
 * exists. So of a value's several blocks never more than one is there, and null means that none is.
 */
struct value frame_join_values(const struct value *a, uint32_t a_live, const struct value *b,
			       uint32_t b_live)
{
	struct value joined = *a;

	if (value_equal(a, b))
		return *a;
	if (a->kind == VALUE_BLOCK && value_is_zero(b) && !(b_live & a->blocks))
		return *a;
	if (b->kind == VALUE_BLOCK && value_is_zero(a) && !(a_live & b->blocks))
		return *b;
	if (a->kind != VALUE_BLOCK || b->kind != VALUE_BLOCK || a->added != b->added ||
	    a->blocks != a_live || b->blocks != b_live)
		return unknown;
	joined.blocks |= b->blocks;
	return joined;
}

static bool join_slots(struct frame_state *s, const struct frame_state *other)
{
	bool changed = false;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct frame_slot slot = s->slots[i];
		struct value there = frame_recall(other, slot.offset);
		struct value joined = frame_join_values(&slot.value, s->live, &there, other->live);

		changed |= !value_equal(&joined, &slot.value);
		slot.value = joined;
		if (joined.kind != VALUE_UNKNOWN)
			s->slots[kept++] = slot;
	}
	s->slot_count = kept;
	return changed;
}

bool frame_state_join(struct frame_state *s, const struct frame_state *other)
{
	bool changed = join_slots(s, other), escaped = other->is_escaped;

	for (int i = 0; i < REG_COUNT; i++) {
		struct value joined =
			frame_join_values(&s->regs[i], s->live, &other->regs[i], other->live);

		/* a pointer into the frame, which one is not known any more */
		if (joined.kind == VALUE_UNKNOWN &&
		    (s->regs[i].kind == VALUE_STACK || other->regs[i].kind == VALUE_STACK))
			escaped = true;
		changed |= !value_equal(&joined, &s->regs[i]);
		s->regs[i] = joined;
	}
	if (s->zero_tested && (!other->zero_tested || !value_equal(&s->tested, &other->tested))) {
		s->zero_tested = false;
		changed = true;
	}
	changed |= (other->live & ~s->live) || (escaped && !s->is_escaped);
	s->live |= other->live;
	s->is_escaped |= escaped;
	return changed;
}

void frame_forget(struct frame_state *s, int64_t offset, uint64_t size)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->slot_count; i++) {
		int64_t at = s->slots[i].offset;

		if (at + WORD_BYTES <= offset || (at >= offset && (uint64_t)(at - offset) >= size))
			s->slots[kept++] = s->slots[i];
	}
	s->slot_count = kept;
}

void frame_forget_all(struct frame_state *s)
{
	s->slot_count = 0;
}

void frame_remember(struct frame_state *s, int64_t offset, struct value value)
{
	frame_forget(s, offset, WORD_BYTES);
	if (value.kind != VALUE_UNKNOWN && s->slot_count < FRAME_SLOTS)
		s->slots[s->slot_count++] = (struct frame_slot){offset, value};
}

struct value frame_recall(const struct frame_state *s, int64_t offset)
{
	for (uint32_t i = 0; i < s->slot_count; i++) {
		if (s->slots[i].offset == offset)
			return s->slots[i].value;
	}
	return unknown;
}

static bool points_to(const struct value *v, uint32_t blocks)
{
	return v->kind == VALUE_BLOCK && v->blocks & blocks;
}

struct value frame_value_if_null(struct value v, uint32_t blocks)
{
	if (!points_to(&v, blocks))
		return v;
	return v.blocks == blocks && v.added == 0 ? value_constant(0) : unknown;
}

/* Each value that points to one of the blocks is null, or unknown. */
static void replace_blocks(struct frame_state *s, uint32_t blocks, bool null)
{
	for (int i = 0; i < REG_COUNT; i++) {
		struct value *v = &s->regs[i];

		if (points_to(v, blocks))
			*v = null ? frame_value_if_null(*v, blocks) : unknown;
	}
	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct value *v = &s->slots[i].value;

		if (points_to(v, blocks))
			*v = null ? frame_value_if_null(*v, blocks) : unknown;
	}
	if (points_to(&s->tested, blocks))
		s->zero_tested = false;
}

/* Passed on are the six arguments, and what a nested function or a variadic one gets in rax, r10. */
static bool passes_frame(const struct frame_state *s)
{
	static const uint8_t passed[] = {REG_RAX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, 8, 9, 10};

	for (size_t i = 0; i < sizeof(passed); i++) {
		if (s->regs[passed[i]].kind == VALUE_STACK)
			return true;
	}
	return false;
}

bool frame_state_return(struct frame_state *s, struct value result)
{
	static const uint8_t clobbered[] = {REG_RCX, REG_RDX, REG_RSI, REG_RDI, 8, 9, 10, 11};
	const struct value *sp = &s->regs[REG_RSP];

	if (sp->kind != VALUE_STACK)
		return false;
	s->is_escaped |= passes_frame(s);
	if (s->is_escaped)
		frame_forget_all(s);
	/* below the stack pointer the called function had its own frame */
	for (uint32_t i = s->slot_count; i > 0; i--) {
		if (s->slots[i - 1].offset < sp->added)
			frame_forget(s, s->slots[i - 1].offset, WORD_BYTES);
	}
	for (size_t i = 0; i < sizeof(clobbered); i++)
		s->regs[clobbered[i]] = unknown;
	s->regs[REG_RAX] = result;
	s->zero_tested = false;
	return true;
}

bool frame_state_allocate(struct frame_state *s, uint32_t block)
{
	if (s->live & block)
		return false;
	replace_blocks(s, block, false);
	s->live |= block;
	return frame_state_return(s, (struct value){.kind = VALUE_BLOCK, .blocks = block});
}

void frame_state_free(struct frame_state *s, uint32_t blocks)
{
	replace_blocks(s, blocks, false);
	s->live &= ~blocks;
}

void frame_state_assume(struct frame_state *s, bool zero)
{
	uint32_t blocks = s->tested.blocks;

	if (!zero || !s->zero_tested || s->tested.kind != VALUE_BLOCK || s->tested.added != 0)
		return;
	s->live &= ~blocks;
	replace_blocks(s, blocks, true);
}
