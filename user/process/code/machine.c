// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/machine.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "process/code/machine_internal.h"

#define SCRATCH       (STACK_TOP + 64)
#define RETURN_TO     0x17f0deadbee0ull
#define STACK_AT_CALL (STACK_TOP - 4096)
#define ENTERED_MAX   (1u << 16)
#define BREAK_BASE    0x170000000000ull
#define BREAK_REACH   (64ull << 20)

int machine_new(const struct machine_source *source, struct machine **ret)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (m)
		m->decoded = calloc(DECODED_SLOTS, sizeof(*m->decoded));
	if (!m || !m->decoded ||
	    ZYAN_FAILED(ZydisDecoderInit(&m->decoder, ZYDIS_MACHINE_MODE_LONG_64,
					 ZYDIS_STACK_WIDTH_64))) {
		if (m)
			free(m->decoded);
		free(m);
		return -ENOMEM;
	}
	m->source = source;
	map64_init(&m->pages, hash_seed_random());
	*ret = m;
	return 0;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	memory_done(m);
	vec_done(&m->entered);
	free(m->decoded);
	free(m);
}

uint64_t machine_scratch(const struct machine *m)
{
	(void)m;
	return SCRATCH;
}

bool machine_entered(const struct machine *m, uint64_t address)
{
	for (size_t i = 0; i < m->entered.count; i++)
		if (m->entered.items[i] == address)
			return true;
	return false;
}

bool machine_wrote(const struct machine *m)
{
	return m->wrote;
}

static void enter(struct machine *m, uint64_t target)
{
	if (m->entered.count < ENTERED_MAX && vec_push(&m->entered, target))
		machine_fail(m, -ENOMEM);
	m->pc = target - m->insn->length;
}

static uint64_t branch_target(struct machine *m)
{
	if (m->operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return m->pc + m->insn->length + (uint64_t)m->operands[0].imm.value.s;
	return operand_get(m, 0);
}

static void push(struct machine *m, uint64_t value)
{
	m->registers[RSP] -= 8;
	memory_put(m, m->registers[RSP], value, 8);
}

static uint64_t pop(struct machine *m)
{
	uint64_t value = memory_get(m, m->registers[RSP], 8);

	m->registers[RSP] += 8;
	return value;
}

static void do_call(struct machine *m, unsigned int variant)
{
	uint64_t target = branch_target(m);

	(void)variant;
	push(m, m->pc + m->insn->length);
	enter(m, target);
}

static void do_jump(struct machine *m, unsigned int variant)
{
	(void)variant;
	enter(m, branch_target(m));
}

static void do_jump_if(struct machine *m, unsigned int condition)
{
	if (machine_condition(m, condition))
		m->pc += (uint64_t)m->operands[0].imm.value.s;
}

static void do_return(struct machine *m, unsigned int variant)
{
	(void)variant;
	if (m->insn->operand_count_visible)
		machine_fail(m, -ENOTSUP);
	m->pc = pop(m) - m->insn->length;
}

static void do_push(struct machine *m, unsigned int variant)
{
	uint64_t value = operand_get(m, 0);

	(void)variant;
	if (m->insn->operand_width != 64)
		machine_fail(m, -ENOTSUP);
	push(m, value);
}

static void do_pop(struct machine *m, unsigned int variant)
{
	(void)variant;
	if (m->insn->operand_width != 64)
		machine_fail(m, -ENOTSUP);
	operand_set(m, 0, pop(m));
}

static void do_leave(struct machine *m, unsigned int variant)
{
	(void)variant;
	m->registers[RSP] = m->registers[RBP];
	m->registers[RBP] = pop(m);
}

static void do_nothing(struct machine *m, unsigned int variant)
{
	(void)m;
	(void)variant;
}

static uint64_t map_memory(struct machine *m)
{
	uint64_t start = m->registers[RDI], size = m->registers[RSI], flags = m->registers[10];

	/* No file of the process's is read. */
	if (!(flags & MAP_ANONYMOUS))
		machine_fail(m, -ENOTSUP);
	if (flags & MAP_FIXED)
		return memory_give_at(m, start, start + size) ? (uint64_t)-ENOMEM : start;
	start = memory_give(m, size);
	return start ? start : (uint64_t)-ENOMEM;
}

/* What lies between the heap's end and the new one, and is not the process's, is given. Going back changes nothing. */
static uint64_t move_break(struct machine *m)
{
	uint64_t before = m->source->program_break ? m->source->program_break : BREAK_BASE;
	uint64_t end = m->registers[RDI];

	/* Who knows of another end than we do would be misled by any answer. */
	if (end && !m->source->program_break && end - before > BREAK_REACH)
		machine_fail(m, -ENOTSUP);
	if (end < before || end - before > BREAK_REACH)
		return before;
	if (memory_give_at(m, before, end))
		machine_fail(m, -ENOMEM);
	return end;
}

/* By number, as on x86-64. What changes only how memory is backed does nothing here. */
static uint64_t answer_syscall(struct machine *m)
{
	switch (m->registers[RAX]) {
	case 9: /* mmap */
		return map_memory(m);
	case 12: /* brk */
		return move_break(m);
	case 10:  /* mprotect */
	case 11:  /* munmap */
	case 14:  /* rt_sigprocmask */
	case 24:  /* sched_yield */
	case 28:  /* madvise */
	case 228: /* clock_gettime: nothing is written, so it is what it was */
		return 0;
	case 25: /* mremap */
		return (uint64_t)-ENOMEM;
	case 39:  /* getpid */
	case 186: /* gettid */
		return 1;
	case 2:   /* open */
	case 257: /* openat */
		return (uint64_t)-ENOENT;
	case 157: /* prctl: names of mappings */
	case 204: /* sched_getaffinity */
	case 318: /* getrandom */
		return (uint64_t)-EINVAL;
	case 202: /* futex: somebody holds the lock */
		machine_fail(m, -EAGAIN);
		return 0;
	default:
		machine_fail(m, -ENOTSUP);
		return 0;
	}
}

static void do_syscall(struct machine *m, unsigned int variant)
{
	(void)variant;
	m->registers[RCX] = m->pc + m->insn->length;
	m->registers[11] = 0x202;
	m->registers[RAX] = answer_syscall(m);
}

/* A time that passes. */
static void do_clock(struct machine *m, unsigned int variant)
{
	(void)variant;
	m->registers[RAX] = 0x12345678;
	m->registers[RDX] = 0x9abc;
}

static const struct machine_operation flow[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	[ZYDIS_MNEMONIC_CALL] = {do_call, 0},
	[ZYDIS_MNEMONIC_JMP] = {do_jump, 0},
	[ZYDIS_MNEMONIC_RET] = {do_return, 0},
	[ZYDIS_MNEMONIC_JO] = {do_jump_if, 0},
	[ZYDIS_MNEMONIC_JNO] = {do_jump_if, 1},
	[ZYDIS_MNEMONIC_JB] = {do_jump_if, 2},
	[ZYDIS_MNEMONIC_JNB] = {do_jump_if, 3},
	[ZYDIS_MNEMONIC_JZ] = {do_jump_if, 4},
	[ZYDIS_MNEMONIC_JNZ] = {do_jump_if, 5},
	[ZYDIS_MNEMONIC_JBE] = {do_jump_if, 6},
	[ZYDIS_MNEMONIC_JNBE] = {do_jump_if, 7},
	[ZYDIS_MNEMONIC_JS] = {do_jump_if, 8},
	[ZYDIS_MNEMONIC_JNS] = {do_jump_if, 9},
	[ZYDIS_MNEMONIC_JP] = {do_jump_if, 10},
	[ZYDIS_MNEMONIC_JNP] = {do_jump_if, 11},
	[ZYDIS_MNEMONIC_JL] = {do_jump_if, 12},
	[ZYDIS_MNEMONIC_JNL] = {do_jump_if, 13},
	[ZYDIS_MNEMONIC_JLE] = {do_jump_if, 14},
	[ZYDIS_MNEMONIC_JNLE] = {do_jump_if, 15},
	[ZYDIS_MNEMONIC_PUSH] = {do_push, 0},
	[ZYDIS_MNEMONIC_POP] = {do_pop, 0},
	[ZYDIS_MNEMONIC_LEAVE] = {do_leave, 0},
	[ZYDIS_MNEMONIC_NOP] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_PAUSE] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_ENDBR64] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_PREFETCH] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_PREFETCHW] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_PREFETCHT0] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_PREFETCHT1] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_PREFETCHT2] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_PREFETCHNTA] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_LFENCE] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_MFENCE] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_SFENCE] = {do_nothing, 0},
	[ZYDIS_MNEMONIC_RDTSC] = {do_clock, 0},
	[ZYDIS_MNEMONIC_SYSCALL] = {do_syscall, 0},
};

static const struct machine_operation *operation_of(ZydisMnemonic mnemonic)
{
	const struct machine_operation *operation = integer_operation(mnemonic);

	if (!operation)
		operation = flow[mnemonic].run ? &flow[mnemonic] : NULL;
	if (!operation)
		operation = vector_operation(mnemonic);
	return operation ? operation : mask_operation(mnemonic);
}

/* EVEX: the mask stands among the operands, also where there is none (k0). Those that work by it find it in avx.mask. */
static void drop_mask(ZydisDecodedInstruction *insn, ZydisDecodedOperand *operands)
{
	uint8_t kept = 0;

	for (uint8_t i = 0; i < insn->operand_count; i++)
		if (operands[i].encoding != ZYDIS_OPERAND_ENCODING_MASK)
			operands[kept++] = operands[i];
	insn->operand_count_visible -= insn->operand_count - kept;
}

/* Code that was decoded once is taken as it was then: the machine has no page that is both written and executed. */
static int decode(struct machine *m, struct machine_decoded *ret)
{
	uint8_t code[ZYDIS_MAX_INSTRUCTION_LENGTH];
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	size_t size = memory_code(m, code);

	ret->pc = 0;
	if (!size || !m->pc)
		return -EFAULT;
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&m->decoder, code, size, &ret->insn, operands)))
		return -EILSEQ;
	ret->operation = operation_of(ret->insn.mnemonic);
	if (!ret->operation)
		return -ENOTSUP;
	drop_mask(&ret->insn, operands);
	memcpy(ret->operands, operands, sizeof(ret->operands));
	ret->pc = m->pc;
	return 0;
}

static void step(struct machine *m)
{
	struct machine_decoded *d = &m->decoded[hash_u64(m->pc, 0) % DECODED_SLOTS];
	int err = m->pc && d->pc == m->pc ? 0 : decode(m, d);

	if (err) {
		machine_fail(m, err);
		return;
	}
	m->insn = &d->insn;
	m->operands = d->operands;
	d->operation->run(m, d->operation->variant);
	/* Who goes elsewhere has set the counter to where, minus this instruction's length. */
	m->pc += m->insn->length;
}

static const uint8_t kept[] = {RBX, RBP, 12, 13, 14, 15};

static void prepare(struct machine *m, const struct machine_call *call)
{
	static const uint8_t arguments[] = {RDI, RSI, RDX, RCX, 8, 9};
	static const uint64_t return_to = RETURN_TO;

	for (unsigned int i = 0; i < 16; i++)
		m->registers[i] = MACHINE_POISON;
	for (unsigned int i = 0; i < MACHINE_ARGUMENTS; i++)
		m->registers[arguments[i]] = call->arguments[i];
	memset(m->vectors, 0xd5, sizeof(m->vectors));
	memset(&m->flags, 0, sizeof(m->flags));
	m->registers[RSP] = STACK_AT_CALL - 8;
	m->pc = call->entry;
	m->err = memory_give_at(m, STACK_TOP - STACK_BYTES, STACK_TOP + MACHINE_PAGE_BYTES);
	vec_clear(&m->entered);
	m->wrote = false;
	if (!m->err && !machine_write(m, m->registers[RSP], &return_to, sizeof(return_to)))
		m->err = -ENOMEM;
}

static bool came_back_well(const struct machine *m)
{
	for (unsigned int i = 0; i < sizeof(kept); i++)
		if (m->registers[kept[i]] != MACHINE_POISON)
			return false;
	return m->registers[RSP] == STACK_AT_CALL && !m->flags.down;
}

int machine_call(struct machine *m, const struct machine_call *call, uint64_t *ret_result)
{
	prepare(m, call);
	m->steps_left = call->steps_max;
	while (!m->err && m->pc != RETURN_TO) {
		if (!m->steps_left--)
			machine_fail(m, -E2BIG);
		else
			step(m);
	}
	if (!m->err && !came_back_well(m))
		m->err = -EPROTO;
	if (m->err)
		return m->err;
	*ret_result = m->registers[RAX];
	return 0;
}
