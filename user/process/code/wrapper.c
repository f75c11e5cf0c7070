// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/wrapper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "process/code/frame_state_internal.h"
#include "process/code/no_return.h"

/* Answers about called functions that are kept. */
#define MAX_REMEMBERED 65536

/* An instruction that was reached. */
struct node {
	uint64_t address;
	uint64_t start,
		end; /* of the function that it belongs to; may be another than the one asked about */
	struct frame_state state;
	bool is_pending;
	bool is_return;        /* the function is left there, with: */
	struct value returned; /* in rax */
	uint32_t live;
};

/* A call of an allocator: its number is that of its block's bit. */
struct allocation {
	struct wrapper_inner inner;
	struct value size, pointer;
	struct frame_facts facts; /* what is true where it is called */
};

struct wrapper_finder {
	const struct code_view *code;
	struct instruction in;
	struct map64 by_address; /* nodes */
	VEC(struct node) nodes;
	VEC(size_t) pending;
	struct allocation allocations[FRAME_MAX_BLOCKS];
	size_t allocation_count;
	size_t steps;
	struct map64 endless; /* called function -> never returns */
};

int wrapper_finder_new(const struct code_view *code, struct wrapper_finder **ret)
{
	struct wrapper_finder *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->code = code;
	map64_init(&f->by_address, hash_seed_random());
	map64_init(&f->endless, hash_seed_random());
	if (instruction_init(&f->in)) {
		wrapper_finder_free(f);
		return -ENOMEM;
	}
	*ret = f;
	return 0;
}

void wrapper_finder_free(struct wrapper_finder *f)
{
	if (!f)
		return;
	map64_done(&f->by_address);
	map64_done(&f->endless);
	vec_done(&f->nodes);
	vec_done(&f->pending);
	free(f);
}

/* The way goes on at @address with @state. -ENOENT: too much code. */
static int reach(struct wrapper_finder *f, const struct node *from, uint64_t address,
		 const struct frame_state *state)
{
	struct node node = {.address = address, .start = from->start, .end = from->end};
	uint64_t index = f->nodes.count;
	struct node *known;
	int err;

	if (!map64_get(&f->by_address, address, &index)) {
		if (f->nodes.count == WRAPPER_MAX_INSTRUCTIONS)
			return -ENOENT;
		if ((address < node.start || address >= node.end) &&
		    !f->code->function(f->code->user, address, &node.start, &node.end))
			return -ENOENT;
		node.state = *state;
		node.is_pending = true;
		err = vec_push(&f->nodes, node);
		if (!err)
			err = map64_put(&f->by_address, address, index);
		return err ? err : vec_push(&f->pending, index);
	}
	known = &f->nodes.items[index];
	if (!frame_state_join(&known->state, state) || known->is_pending)
		return 0;
	known->is_pending = true;
	return vec_push(&f->pending, index);
}

/* What the argument of a goal makes of its size. */
static struct value size_by_argument(struct value argument, const struct code_size *size)
{
	struct value v = value_plus(value_times(argument, size->scale), size->added_bytes);

	if (size->zero_bytes == size->added_bytes)
		return v;
	if (value_is_zero(&argument))
		return value_constant(size->zero_bytes);
	if (v.kind == VALUE_PRODUCT)
		return (struct value){0};
	if (v.kind == VALUE_ENTRY && argument.at_zero == 0)
		v.at_zero = size->zero_bytes;
	return v;
}

/* The goal's rule with what the arguments are. */
static struct value size_of_call(const struct frame_state *s, const struct code_size *size)
{
	uint8_t reg = value_argument_reg(size->argument);
	uint8_t count_reg = value_argument_reg(size->count_argument);

	if (size->kind == CODE_SIZE_CONSTANT)
		return value_constant(size->added_bytes);
	if (size->kind == CODE_SIZE_ARGUMENT && reg < REG_COUNT)
		return size_by_argument(
			value_extended(s->regs[reg], (enum code_extension)size->extension), size);
	if (size->kind == CODE_SIZE_PRODUCT && reg < REG_COUNT && count_reg < REG_COUNT)
		return value_plus(value_times(value_product(s->regs[reg], s->regs[count_reg]),
					      size->scale),
				  size->added_bytes);
	return (struct value){0};
}

static struct value pointer_of_call(const struct frame_state *s, const struct code_goal *goal)
{
	uint8_t reg = value_argument_reg(goal->pointer_argument);

	return reg == REG_COUNT ? (struct value){0}
				: value_plus(s->regs[reg], goal->pointer_offset);
}

/* The number of the allocation at @call. -ENOENT: too many. */
static int allocation_at(struct wrapper_finder *f, uint64_t call, size_t *ret)
{
	for (size_t i = 0; i < f->allocation_count; i++) {
		if (f->allocations[i].inner.call == call) {
			*ret = i;
			return 0;
		}
	}
	if (f->allocation_count == FRAME_MAX_BLOCKS)
		return -ENOENT;
	*ret = f->allocation_count++;
	return 0;
}

/* An instruction is reached with ever less known, so what its last visit says is true of all. */
static int allocate(struct wrapper_finder *f, struct frame_state *s,
		    const struct wrapper_inner *inner)
{
	struct allocation *allocation;
	struct value pointer = pointer_of_call(s, inner->goal);
	size_t number;

	if (allocation_at(f, inner->call, &number))
		return -ENOENT;
	allocation = &f->allocations[number];
	*allocation =
		(struct allocation){*inner, size_of_call(s, &inner->goal->size), pointer, s->facts};
	/* where the reallocation fails, the old block stays */
	if (pointer.kind == VALUE_BLOCK) {
		uint32_t live = s->facts.live;

		frame_state_free(s, pointer.blocks);
		s->facts.live = live;
	}
	return frame_state_allocate(s, UINT32_C(1) << number, inner->goal->result_offset != 0)
		       ? 0
		       : -ENOENT;
}

static bool never_returns(struct wrapper_finder *f, uint64_t address)
{
	struct instruction in = f->in; /* the call's own is looked at again */
	uint64_t answer;

	if (map64_get(&f->endless, address, &answer))
		return answer;
	answer = code_never_returns(f->code, &in, address);
	/* without the memory it is only slower */
	if (f->endless.count < MAX_REMEMBERED)
		(void)map64_put(&f->endless, address, answer);
	return answer;
}

/* Whom a call or jump reaches. */
static struct callee callee_of(struct wrapper_finder *f, uint64_t address)
{
	uint64_t target;

	if (instruction_target(&f->in, address, &target))
		return f->code->called(f->code->user, target);
	if (instruction_slot(&f->in, address, &target))
		return f->code->called_through(f->code->user, target);
	return (struct callee){0};
}

/* What a function does to the state that is called by @inner. -ENOENT: that is too much to know. */
static int apply_callee(struct wrapper_finder *f, struct frame_state *s, struct callee callee,
			struct wrapper_inner *inner)
{
	struct value unknown = {0}, first = s->regs[REG_RDI], pointer;

	if (callee.goal && callee.goal->frees) {
		pointer = pointer_of_call(s, callee.goal);
		if (pointer.kind == VALUE_BLOCK)
			frame_state_free(s, pointer.blocks);
	} else if (callee.goal && !callee.goal->returns_none) {
		inner->goal = callee.goal;
		return allocate(f, s, inner);
	}
	return frame_state_return(s, callee.habit == CALLEE_RETURNS_FIRST ? first : unknown)
		       ? 0
		       : -ENOENT;
}

static int visit_call(struct wrapper_finder *f, const struct node *node, struct frame_state *s)
{
	uint64_t next = node->address + f->in.insn.length;
	struct callee callee = callee_of(f, node->address);
	struct wrapper_inner inner = {.call = node->address, .result = next};
	int err;

	/* a call of the next instruction only pushes its address */
	if (callee.address == next || s->regs[REG_RSP].kind != VALUE_STACK)
		return -ENOENT;
	/* what follows the last call is another function */
	if (callee.habit == CALLEE_NEVER_RETURNS || next == node->end ||
	    (callee.address && !callee.goal && callee.habit == CALLEE_ORDINARY &&
	     never_returns(f, callee.address)))
		return 0;
	err = apply_callee(f, s, callee, &inner);
	return err ? err : reach(f, node, next, s);
}

/* The function is left, with rsp where it was at the entry. */
static int leave(struct wrapper_finder *f, const struct node *node, const struct frame_state *s)
{
	struct node *kept = &f->nodes.items[node - f->nodes.items];

	if (s->regs[REG_RSP].kind != VALUE_STACK || s->regs[REG_RSP].added != 0)
		return -ENOENT;
	if (s->regs[REG_RAX].kind != VALUE_BLOCK && !value_is_zero(&s->regs[REG_RAX]))
		return -ENOENT;
	kept->is_return = true;
	kept->returned = s->regs[REG_RAX];
	kept->live = s->facts.live;
	return 0;
}

/* A jump out of the function: to a function that returns to our caller, or to a part of this one. */
static int jump_out(struct wrapper_finder *f, const struct node *node, struct frame_state *s,
		    struct callee callee)
{
	struct wrapper_inner inner = {.call = node->address};
	int err;

	if (callee.habit == CALLEE_NEVER_RETURNS)
		return 0;
	if (!callee.goal && callee.habit == CALLEE_ORDINARY)
		return callee.address ? reach(f, node, callee.address, s) : -ENOENT;
	err = apply_callee(f, s, callee, &inner);
	return err ? err : leave(f, node, s);
}

static int jump_to(struct wrapper_finder *f, const struct node *node, struct frame_state *s)
{
	uint64_t target;

	if (instruction_target(&f->in, node->address, &target) && target > node->start &&
	    target < node->end)
		return reach(f, node, target, s);
	return jump_out(f, node, s, callee_of(f, node->address));
}

static int branch(struct wrapper_finder *f, const struct node *node, const struct frame_state *s)
{
	uint64_t next = node->address + f->in.insn.length;
	bool if_zero = f->in.insn.mnemonic == ZYDIS_MNEMONIC_JZ;
	bool if_not = f->in.insn.mnemonic == ZYDIS_MNEMONIC_JNZ;
	struct frame_state taken = *s, passed = *s;
	int err;

	if (!if_zero && !if_not && !frame_state_step(&taken, &f->in))
		return -ENOENT;
	if (!if_zero && !if_not)
		passed = taken;
	if (if_zero || if_not) {
		frame_state_assume(&taken, if_zero);
		frame_state_assume(&passed, if_not);
	}
	err = next == node->end ? -ENOENT : reach(f, node, next, &passed);
	return err ? err : jump_to(f, node, &taken);
}

static int visit(struct wrapper_finder *f, const struct node *node)
{
	struct frame_state s = node->state;
	size_t size;
	const uint8_t *bytes = f->code->read(f->code->user, node->address, &size);

	if (!bytes || !instruction_decode(&f->in, bytes, size))
		return -ENOENT;
	switch (f->in.insn.meta.category) {
	case ZYDIS_CATEGORY_RET:
		return f->in.insn.mnemonic == ZYDIS_MNEMONIC_RET && !f->in.insn.raw.imm[0].size
			       ? leave(f, node, &s)
			       : -ENOENT;
	case ZYDIS_CATEGORY_CALL:
		return visit_call(f, node, &s);
	case ZYDIS_CATEGORY_UNCOND_BR:
		return jump_to(f, node, &s);
	case ZYDIS_CATEGORY_COND_BR:
		return branch(f, node, &s);
	default:
		if (instruction_traps(&f->in))
			return 0;
		if (node->address + f->in.insn.length >= node->end || !frame_state_step(&s, &f->in))
			return -ENOENT;
		return reach(f, node, node->address + f->in.insn.length, &s);
	}
}

static int follow(struct wrapper_finder *f)
{
	int err = 0;

	while (!err && f->pending.count) {
		size_t index = vec_pop(&f->pending);

		if (f->steps++ == WRAPPER_MAX_STEPS)
			return -ENOENT;
		f->nodes.items[index].is_pending = false;
		/* nodes move when one is added */
		err = vec_reserve(&f->nodes, 2);
		if (!err)
			err = visit(f, &f->nodes.items[index]);
	}
	return err;
}

/* The blocks that it may return; no other way leaves one of them behind. 0: none, or it does. */
static uint32_t returned_blocks(const struct wrapper_finder *f)
{
	uint32_t blocks = 0;

	for (size_t i = 0; i < f->nodes.count; i++) {
		const struct node *n = &f->nodes.items[i];

		if (n->is_return && n->returned.kind == VALUE_BLOCK)
			blocks |= n->returned.blocks;
	}
	for (size_t i = 0; i < f->nodes.count; i++) {
		const struct node *n = &f->nodes.items[i];
		uint32_t returned = n->returned.kind == VALUE_BLOCK ? n->returned.blocks : 0;

		if (n->is_return && n->live & blocks & ~returned)
			return 0;
	}
	return blocks;
}

static bool add_offset(int64_t a, int64_t b, bool is_first, int32_t *offset)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum) || sum != (int32_t)sum ||
	    (!is_first && sum != *offset))
		return false;
	*offset = (int32_t)sum;
	return true;
}

/* The same distance on all ways, whichever block it is. */
static bool find_offset(const struct wrapper_finder *f, struct wrapper *w)
{
	bool is_first = true;

	for (size_t i = 0; i < f->nodes.count; i++) {
		const struct node *n = &f->nodes.items[i];

		if (!n->is_return || n->returned.kind != VALUE_BLOCK)
			continue;
		for (size_t k = 0; k < f->allocation_count; k++) {
			if (!(n->returned.blocks >> k & 1))
				continue;
			if (!add_offset(n->returned.added,
					f->allocations[k].inner.goal->result_offset, is_first,
					&w->result_offset))
				return false;
			is_first = false;
		}
	}
	return !is_first;
}

/* The size, whichever of the calls it is. */
static struct code_size find_size(const struct wrapper_finder *f, uint32_t blocks)
{
	struct value size = {0};
	struct frame_facts facts = {0};
	bool is_first = true;

	for (size_t i = 0; i < f->allocation_count; i++) {
		const struct allocation *a = &f->allocations[i];

		if (!(blocks >> i & 1))
			continue;
		if (is_first)
			facts = a->facts;
		size = is_first ? a->size : frame_join_values(&size, &facts, &a->size, &a->facts);
		facts.zero &= a->facts.zero;
		facts.nonzero &= a->facts.nonzero;
		is_first = false;
	}
	return value_size(&size);
}

/* A reallocation must be given its block, or null, by the wrapper's caller. */
static bool add_pointer(const struct allocation *a, struct wrapper *w)
{
	struct code_size argument = value_size(&a->pointer);
	int32_t offset = w->pointer_offset;

	if (a->inner.goal->pointer_argument == HF_ARG_NONE || value_is_zero(&a->pointer))
		return true;
	if (argument.kind != CODE_SIZE_ARGUMENT || argument.scale != 1 ||
	    argument.extension != CODE_WHOLE ||
	    !add_offset(argument.added_bytes, 0, w->pointer_argument == HF_ARG_NONE, &offset) ||
	    (w->pointer_argument != HF_ARG_NONE && w->pointer_argument != argument.argument))
		return false;
	w->pointer_argument = argument.argument;
	w->pointer_offset = offset;
	return true;
}

static bool add_inner(const struct allocation *a, struct wrapper *w)
{
	uint8_t at = w->inner_count;

	if (at == WRAPPER_MAX_INNER || !add_pointer(a, w))
		return false;
	for (; at && w->inner[at - 1].call > a->inner.call; at--)
		w->inner[at] = w->inner[at - 1];
	w->inner[at] = a->inner;
	w->inner_count++;
	return true;
}

static int conclude(const struct wrapper_finder *f, struct wrapper *w)
{
	uint32_t blocks = returned_blocks(f);

	if (!blocks || !find_offset(f, w))
		return -ENOENT;
	w->size = find_size(f, blocks);
	for (size_t i = 0; i < f->allocation_count; i++) {
		if (blocks >> i & 1 && !add_inner(&f->allocations[i], w))
			return -ENOENT;
	}
	return 0;
}

int wrapper_find(struct wrapper_finder *f, uint64_t start, uint64_t end, struct wrapper *ret)
{
	struct wrapper w = {.start = start, .end = end, .pointer_argument = HF_ARG_NONE};
	struct node entry = {.start = start, .end = end};
	struct frame_state state;
	int err;

	if (end <= start || end - start > WRAPPER_MAX_BYTES)
		return -ENOENT;
	map64_clear(&f->by_address);
	vec_clear(&f->nodes);
	vec_clear(&f->pending);
	f->allocation_count = 0;
	f->steps = 0;
	frame_state_enter(&state);
	err = reach(f, &entry, start, &state);
	if (!err)
		err = follow(f);
	if (!err)
		err = conclude(f, &w);
	if (!err)
		*ret = w;
	return err;
}
