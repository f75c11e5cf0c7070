// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/call_sites.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "process/code/call_scan.h"
#include "process/code/function_code.h"
#include "process/code/placement.h"
#include "process/elf/elf_file.h"
#include "process/elf/elf_frames.h"

#define STRAIGHT_LINE 24 /* instructions that are looked at before and behind a call */

/* Most bytes that look like calls are some. */
#define CANDIDATES_PER_SITE 4
#define CANDIDATES_MORE     4096

struct search {
	const struct elf_file *file;
	struct elf_frames *frames;
	const struct code_goal *goals;
	struct call_candidates candidates;
	struct instruction in;
	struct function_code code;
	uint64_t decoded_up_to;
	size_t limit;
	struct call_sites found;
};

static void search_done(struct search *s)
{
	elf_frames_free(s->frames);
	vec_done(&s->candidates);
	function_code_done(&s->code);
	call_sites_done(&s->found);
}

static enum placement_kind kind_at(const struct function_code *f, size_t index)
{
	size_t size;
	const uint8_t *bytes = function_code_bytes(f, index, &size);

	return placement_kind_of(bytes, size);
}

/* Is the value of a mov the same, whatever comes before? */
static bool constant_of(const struct instruction *in, uint64_t *ret)
{
	const ZydisDecodedOperand *to = &in->operands[0], *from = &in->operands[1];

	if (to->size < 32)
		return false;
	if (in->insn.mnemonic == ZYDIS_MNEMONIC_XOR && from->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    from->reg.value == to->reg.value) {
		*ret = 0;
		return true;
	}
	if (in->insn.mnemonic != ZYDIS_MNEMONIC_MOV || from->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return false;
	*ret = to->size == 32 ? (uint32_t)from->imm.value.u : from->imm.value.u;
	return true;
}

/* What instruction @index, a call, gets in a register, if the straight line before it says so. */
static bool constant_argument(struct function_code *f, size_t index, uint8_t argument,
			      uint64_t *ret)
{
	static const ZydisRegister registers[] = {
		ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDX,
		ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_R8,  ZYDIS_REGISTER_R9,
	};

	if (argument >= sizeof(registers) / sizeof(registers[0]))
		return false;
	for (size_t i = index; i && index - i < STRAIGHT_LINE; i--) {
		if (function_code_is_target(f, i))
			return false;
		function_code_decode(f, i - 1);
		if (instruction_branches(f->in))
			return false;
		if (instruction_writes(f->in, registers[argument]))
			return constant_of(f->in, ret);
	}
	return false;
}

static bool constant_bytes(struct function_code *f, size_t index, const struct code_size *size,
			   uint64_t *ret)
{
	uint64_t value = 0, count = 1;

	if (size->kind == CODE_SIZE_UNKNOWN)
		return false;
	if (size->kind != CODE_SIZE_CONSTANT &&
	    !constant_argument(f, index, size->argument, &value))
		return false;
	if (size->kind == CODE_SIZE_PRODUCT &&
	    !constant_argument(f, index, size->count_argument, &count))
		return false;
	if (size->extension == CODE_LOW_UNSIGNED)
		value = (uint32_t)value;
	else if (size->extension == CODE_LOW_SIGNED)
		value = (uint64_t)(int64_t)(int32_t)value;
	if (size->kind == CODE_SIZE_ARGUMENT && !value) {
		*ret = (uint64_t)size->zero_bytes;
		return true;
	}
	if (size->kind != CODE_SIZE_CONSTANT &&
	    (__builtin_mul_overflow(value, count, &value) ||
	     __builtin_mul_overflow(value, (uint64_t)size->scale, &value)))
		return false;
	*ret = value + (uint64_t)size->added_bytes;
	return true;
}

/* Where the result of the call @index is seen; see the header. */
static bool find_result_place(struct function_code *f, size_t index, struct direct_call *site)
{
	bool joined = false;

	site->result_kind = PLACEMENT_REFUSED;
	for (size_t i = index + 1; i < function_code_count(f) && i - index <= STRAIGHT_LINE; i++) {
		enum placement_kind kind = kind_at(f, i);

		joined |= i > index + 1 && function_code_is_target(f, i);
		if (!joined && kind > site->result_kind) {
			site->result_place = function_code_address(f, i);
			site->result_kind = kind;
		} else if (joined && kind == PLACEMENT_EMULATED) {
			site->joined_place = function_code_address(f, i);
		}
		if (kind == PLACEMENT_EMULATED)
			break;
		function_code_decode(f, i);
		if (instruction_branches(f->in) || instruction_traps(f->in) ||
		    instruction_writes(f->in, ZYDIS_REGISTER_RAX) ||
		    instruction_writes(f->in, ZYDIS_REGISTER_RSP))
			break;
	}
	return site->result_kind != PLACEMENT_REFUSED;
}

/* The candidate as instruction of @f; SIZE_MAX: it is only the bytes of others. */
static size_t instruction_of(struct function_code *f, const struct call_candidate *candidate)
{
	size_t index = function_code_ending_at(f, candidate->opcode_at + candidate->length);
	const ZydisDecodedInstruction *insn = &f->in->insn;
	uint8_t opcode = candidate->is_indirect ? 0xff : candidate->is_jump ? 0xe9 : 0xe8;

	if (index == SIZE_MAX || function_code_address(f, index) > candidate->opcode_at)
		return SIZE_MAX;
	function_code_decode(f, index);
	if (insn->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || insn->opcode != opcode ||
	    !instruction_branches(f->in))
		return SIZE_MAX;
	return index;
}

static int add_site(struct search *s, const struct call_candidate *candidate)
{
	struct function_code *f = &s->code;
	size_t index = instruction_of(f, candidate);
	struct direct_call site;

	if (index == SIZE_MAX) {
		s->found.not_decoded += candidate->opcode_at >=
					f->start + f->begins.items[f->begins.count - 1];
		return 0;
	}
	site = (struct direct_call){
		.call = function_code_address(f, index),
		.function_start = f->start,
		.function_end = f->end,
		.goal = (uint32_t)(candidate->goal - s->goals),
		.call_kind = kind_at(f, index),
		.is_jump = candidate->is_jump,
		.is_indirect = candidate->is_indirect,
	};
	if (!site.is_jump) {
		site.result = function_code_address(f, index + 1);
		site.is_shared = index + 1 < function_code_count(f) &&
				 function_code_is_target(f, index + 1);
		if (site.call_kind == PLACEMENT_REFUSED ||
		    (!candidate->goal->frees && !find_result_place(f, index, &site))) {
			s->found.refused++;
			return 0;
		}
	}
	site.has_constant = constant_bytes(f, index, &candidate->goal->size, &site.constant_bytes);
	if (s->found.count >= s->limit) {
		s->found.cut = true;
		return 0;
	}
	s->found.jumps += site.is_jump;
	s->found.calls += !site.is_jump;
	return vec_push(&s->found, site);
}

/* Decodes the function around @address. -ENOENT: there is none to decode. */
static int read_function(struct search *s, uint64_t address)
{
	uint64_t start, end;
	int err;

	/* a damaged table might have us decode the same code again and again */
	if (!elf_frames_at(s->frames, address, &start, &end) || start < s->decoded_up_to)
		return -ENOENT;
	s->decoded_up_to = end;
	if (end - start > CALL_SITES_MAX_DECODED_BYTES - s->found.decoded_bytes) {
		s->found.cut = true;
		return -ENOENT;
	}
	err = function_code_read(&s->code, s->file, start, end);
	if (err)
		return err == -E2BIG ? -ENOENT : err;
	s->found.decoded_bytes += end - start;
	return 0;
}

static int verify(struct search *s)
{
	int err = 0;

	s->code.in = &s->in;
	for (size_t i = 0; !err && i < s->candidates.count; i++) {
		const struct call_candidate *c = &s->candidates.items[i];

		if (c->opcode_at >= s->code.end)
			err = read_function(s, c->opcode_at);
		if (err == -ENOENT || c->opcode_at < s->code.start) {
			s->found.without_frame++;
			err = 0;
		} else if (!err) {
			err = add_site(s, c);
		}
	}
	return err;
}

static size_t candidate_limit(size_t site_limit)
{
	size_t limit;

	if (__builtin_mul_overflow(site_limit, (size_t)CANDIDATES_PER_SITE, &limit) ||
	    __builtin_add_overflow(limit, (size_t)CANDIDATES_MORE, &limit))
		return SIZE_MAX;
	return limit;
}

int call_sites_find(const struct elf_file *file, const struct code_goal *goals, size_t goal_count,
		    size_t limit, struct call_sites *ret)
{
	_cleanup_(search_done) struct search s = {.file = file, .goals = goals, .limit = limit};
	struct callees *callees;
	int err = callees_new(file, goals, goal_count, &callees);

	if (err)
		return err;
	err = instruction_init(&s.in);
	if (!err)
		err = call_scan(file, callees, candidate_limit(limit), &s.candidates, &s.found.cut);
	callees_free(callees);
	if (!err)
		err = elf_frames_new(file, &s.frames);
	if (!err)
		err = verify(&s);
	if (err)
		return err;
	*ret = s.found;
	s.found = (struct call_sites){0};
	return 0;
}

void call_sites_done(struct call_sites *sites)
{
	free(sites->items);
	*sites = (struct call_sites){0};
}
