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

static bool has_bit(uint16_t bits, uint8_t reg)
{
	return bits >> reg & 1;
}

/*
 * A register's value joined with a constant, or with the same register's in another form: one of them is meant only where
 * the register was 0 ("n ? n : 1").
 */
static struct value join_at_zero(const struct value *a, const struct frame_facts *a_facts,
				 const struct value *b, const struct frame_facts *b_facts)
{
	uint8_t reg = a->kind == VALUE_ENTRY ? a->reg : b->reg;
	bool a_else = !has_bit(a_facts->zero, reg), b_else = !has_bit(b_facts->zero, reg);
	bool a_zero = !has_bit(a_facts->nonzero, reg), b_zero = !has_bit(b_facts->nonzero, reg);
	int64_t a_at_zero = a->kind == VALUE_ENTRY ? a->at_zero : a->added;
	int64_t b_at_zero = b->kind == VALUE_ENTRY ? b->at_zero : b->added;
	struct value joined = a_else ? *a : *b;

	if (a->kind == VALUE_ENTRY && b->kind == VALUE_ENTRY && a->reg != b->reg)
		return unknown;
	/* else than at 0 they must have the same form, and one that is not a constant */
	if (joined.kind != VALUE_ENTRY || joined.extension != CODE_WHOLE)
		return unknown;
	if (a_else && b_else &&
	    (b->kind != VALUE_ENTRY || a->scale != b->scale || a->added != b->added ||
	     b->extension != CODE_WHOLE))
		return unknown;
	if (a_zero && b_zero && a_at_zero != b_at_zero)
		return unknown;
	joined.at_zero = b_zero && !a_zero ? b_at_zero : a_at_zero;
	return joined;
}

/* A block, or null; but only if on the null's way the block does not exist: somebody else would hold it. */
static struct value join_null(struct value block, const struct frame_facts *null_facts)
{
	if (null_facts->live & block.blocks)
		return unknown;
	block.or_zero |= block.added != 0;
	return block;
}

/*
 * Different blocks are one of them, if on each way nothing but the value's own exists. So of a value's several blocks
 * never more than one is there, and null means that none is.
 */
static struct value join_blocks(const struct value *a, const struct frame_facts *a_facts,
				const struct value *b, const struct frame_facts *b_facts)
{
	struct value joined = *a;

	if (a->added != b->added)
		return unknown;
	if (a->blocks != b->blocks && (a->blocks != a_facts->live || b->blocks != b_facts->live))
		return unknown;
	joined.blocks |= b->blocks;
	joined.or_zero |= b->or_zero;
	return joined;
}

struct value frame_join_values(const struct value *a, const struct frame_facts *a_facts,
			       const struct value *b, const struct frame_facts *b_facts)
{
	if (value_equal(a, b))
		return *a;
	if (a->kind == VALUE_BLOCK && value_is_zero(b))
		return join_null(*a, b_facts);
	if (b->kind == VALUE_BLOCK && value_is_zero(a))
		return join_null(*b, a_facts);
	if (a->kind == VALUE_BLOCK && b->kind == VALUE_BLOCK)
		return join_blocks(a, a_facts, b, b_facts);
	if ((a->kind == VALUE_ENTRY && (b->kind == VALUE_CONSTANT || b->kind == VALUE_ENTRY)) ||
	    (b->kind == VALUE_ENTRY && a->kind == VALUE_CONSTANT))
		return join_at_zero(a, a_facts, b, b_facts);
	return unknown;
}

static bool join_slots(struct frame_state *s, const struct frame_state *other)
{
	bool changed = false;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct frame_slot slot = s->slots[i];
		struct value there = frame_recall(other, slot.offset);
		struct value joined =
			frame_join_values(&slot.value, &s->facts, &there, &other->facts);

		changed |= !value_equal(&joined, &slot.value);
		slot.value = joined;
		if (joined.kind != VALUE_UNKNOWN)
			s->slots[kept++] = slot;
	}
	s->slot_count = kept;
	return changed;
}

static bool join_facts(struct frame_facts *f, const struct frame_facts *other)
{
	struct frame_facts old = *f;

	f->live |= other->live;
	f->zero &= other->zero;
	f->nonzero &= other->nonzero;
	return f->live != old.live || f->zero != old.zero || f->nonzero != old.nonzero;
}

bool frame_state_join(struct frame_state *s, const struct frame_state *other)
{
	bool changed = join_slots(s, other), escaped = other->is_escaped;

	for (int i = 0; i < REG_COUNT; i++) {
		struct value joined =
			frame_join_values(&s->regs[i], &s->facts, &other->regs[i], &other->facts);

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
	changed |= join_facts(&s->facts, &other->facts) || (escaped && !s->is_escaped);
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

bool frame_state_allocate(struct frame_state *s, uint32_t block, bool or_zero)
{
	if (s->facts.live & block)
		return false;
	replace_blocks(s, block, false);
	s->facts.live |= block;
	return frame_state_return(
		s, (struct value){.kind = VALUE_BLOCK, .blocks = block, .or_zero = or_zero});
}

void frame_state_free(struct frame_state *s, uint32_t blocks)
{
	replace_blocks(s, blocks, false);
	s->facts.live &= ~blocks;
}

static bool tests_block(const struct frame_state *s)
{
	return s->zero_tested && s->tested.kind == VALUE_BLOCK && s->tested.added == 0;
}

struct frame_facts frame_facts_of_test(const struct frame_state *s, bool zero)
{
	struct frame_facts facts = s->facts;
	uint16_t bit = (uint16_t)(1u << s->tested.reg);

	if (tests_block(s) && zero)
		facts.live &= ~s->tested.blocks;
	if (s->zero_tested && value_is_whole_register(&s->tested)) {
		facts.zero |= zero ? bit : 0;
		facts.nonzero |= zero ? 0 : bit;
	}
	return facts;
}

void frame_state_assume(struct frame_state *s, bool zero)
{
	s->facts = frame_facts_of_test(s, zero);
	if (zero && tests_block(s))
		replace_blocks(s, s->tested.blocks, true);
}
