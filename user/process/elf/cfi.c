/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs call frame instructions. The only loop is over their bytes: each step takes at least one. */
#include "process/elf/cfi.h"

#include <dwarf.h>
#include <errno.h>

#include "base/vec.h"

/* Compilers nest to one or two. */
#define REMEMBER_DEPTH 16

#define OPERAND_BITS      0x3f
#define ENCODING_RELATION 0x70

uint64_t eh_read_encoded(const struct eh_section *section, struct cursor *c, uint8_t encoding)
{
	uint64_t place = section->address + (uint64_t)(c->p - section->bytes);
	uint64_t value = 0;

	switch (encoding & EH_ENCODING_FORMAT) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = cursor_u64(c);
		break;
	case DW_EH_PE_uleb128:
		value = cursor_uleb(c);
		break;
	case DW_EH_PE_sleb128:
		value = (uint64_t)cursor_sleb(c);
		break;
	case DW_EH_PE_udata2:
		value = cursor_u16(c);
		break;
	case DW_EH_PE_sdata2:
		value = (uint64_t)(int64_t)(int16_t)cursor_u16(c);
		break;
	case DW_EH_PE_udata4:
		value = cursor_u32(c);
		break;
	case DW_EH_PE_sdata4:
		value = (uint64_t)(int64_t)(int32_t)cursor_u32(c);
		break;
	default:
		cursor_fail(c);
	}
	/* Relative to text, data or function, or indirect: no linker writes these for a function's address. */
	switch (encoding & (ENCODING_RELATION | DW_EH_PE_indirect)) {
	case DW_EH_PE_absptr:
		return value;
	case DW_EH_PE_pcrel:
		return value + place;
	default:
		cursor_fail(c);
		return 0;
	}
}

struct run {
	const struct eh_section *section;
	const struct eh_cie *cie;
	struct cursor code;
	struct eh_state state;
	struct eh_state *remembered; /* REMEMBER_DEPTH of them; apart, since clearing them costs */
	unsigned depth;
	/* A CIE's run has no rows and no addresses. */
	struct eh_rows *rows;
	uint64_t pc, limit;
	int err;
};

/* Of all registers only these two are followed. */
static struct eh_register *register_of(struct run *run, uint64_t number)
{
	if (number == EH_REGISTER_RBP)
		return &run->state.rbp;
	if (number == EH_REGISTER_RA)
		return &run->state.ra;
	return NULL;
}

static void set_register(struct run *run, uint64_t number, struct eh_register value)
{
	struct eh_register *reg = register_of(run, number);

	if (reg)
		*reg = value;
}

static void restore_register(struct run *run, uint64_t number)
{
	if (number == EH_REGISTER_RBP)
		run->state.rbp = run->cie->initial.rbp;
	else if (number == EH_REGISTER_RA)
		run->state.ra = run->cie->initial.ra;
}

static int64_t factored(struct run *run, int64_t offset)
{
	int64_t product;

	if (__builtin_mul_overflow(offset, run->cie->data_align, &product)) {
		cursor_fail(&run->code);
		return 0;
	}
	return product;
}

static int64_t unsigned_offset(struct run *run)
{
	uint64_t offset = cursor_uleb(&run->code);

	if (offset > INT64_MAX)
		cursor_fail(&run->code);
	return (int64_t)offset;
}

static void save_at_cfa(struct run *run, uint64_t number, int64_t offset)
{
	set_register(run, number,
		     (struct eh_register){.kind = EH_AT_CFA, .offset = factored(run, offset)});
}

static struct eh_span read_expression(struct run *run)
{
	struct cursor expression = cursor_sub(&run->code, cursor_uleb(&run->code));

	return eh_span_of(run->section, &expression);
}

/* The row that ends here: what holds from run->pc on until the next one. */
static void add_row(struct run *run)
{
	struct eh_row row = {(uint32_t)run->pc, cfi_rule_of(run->section, run->cie, &run->state)};

	if (run->rows && run->pc < run->limit)
		run->err = vec_push(run->rows, row);
}

static void advance_to(struct run *run, uint64_t pc)
{
	if (pc == run->pc)
		return;
	add_row(run);
	run->pc = pc;
}

static void advance(struct run *run, uint64_t delta)
{
	uint64_t bytes, pc;

	if (__builtin_mul_overflow(delta, run->cie->code_align, &bytes) ||
	    __builtin_add_overflow(run->pc, bytes, &pc))
		cursor_fail(&run->code);
	else
		advance_to(run, pc);
}

static void set_location(struct run *run)
{
	uint64_t pc = eh_read_encoded(run->section, &run->code, run->cie->pointer_encoding);

	if (pc < run->pc)
		cursor_fail(&run->code);
	else if (!run->code.bad)
		advance_to(run, pc);
}

static void define_cfa(struct run *run, uint64_t number, int64_t offset)
{
	run->state.cfa_is_expression = false;
	run->state.cfa_register = number;
	run->state.cfa_offset = offset;
}

/* Changing one half of register + offset makes no sense where an expression stands (DWARF 4, 6.4.2.2). */
static void require_cfa_register(struct run *run)
{
	if (run->state.cfa_is_expression)
		cursor_fail(&run->code);
}

static void remember(struct run *run)
{
	if (run->depth == REMEMBER_DEPTH)
		cursor_fail(&run->code);
	else
		run->remembered[run->depth++] = run->state;
}

static void restore(struct run *run)
{
	if (run->depth == 0)
		cursor_fail(&run->code);
	else
		run->state = run->remembered[--run->depth];
}

/* False: not an instruction about the CFA. */
static bool step_cfa(struct run *run, uint8_t opcode)
{
	struct cursor *c = &run->code;
	uint64_t number;

	switch (opcode) {
	case DW_CFA_def_cfa:
		number = cursor_uleb(c);
		define_cfa(run, number, unsigned_offset(run));
		return true;
	case DW_CFA_def_cfa_sf:
		number = cursor_uleb(c);
		define_cfa(run, number, factored(run, cursor_sleb(c)));
		return true;
	case DW_CFA_def_cfa_register:
		require_cfa_register(run);
		run->state.cfa_register = cursor_uleb(c);
		return true;
	case DW_CFA_def_cfa_offset:
		require_cfa_register(run);
		run->state.cfa_offset = unsigned_offset(run);
		return true;
	case DW_CFA_def_cfa_offset_sf:
		require_cfa_register(run);
		run->state.cfa_offset = factored(run, cursor_sleb(c));
		return true;
	case DW_CFA_def_cfa_expression:
		run->state.cfa_is_expression = true;
		run->state.cfa_expression = read_expression(run);
		return true;
	default:
		return false;
	}
}

/* False: not an instruction about a register. */
static bool step_register(struct run *run, uint8_t opcode)
{
	struct cursor *c = &run->code;
	uint64_t number;

	switch (opcode) {
	case DW_CFA_offset_extended:
		number = cursor_uleb(c);
		save_at_cfa(run, number, unsigned_offset(run));
		return true;
	case DW_CFA_offset_extended_sf:
		number = cursor_uleb(c);
		save_at_cfa(run, number, cursor_sleb(c));
		return true;
	case DW_CFA_GNU_negative_offset_extended:
		number = cursor_uleb(c);
		save_at_cfa(run, number, -unsigned_offset(run));
		return true;
	case DW_CFA_restore_extended:
		restore_register(run, cursor_uleb(c));
		return true;
	case DW_CFA_undefined:
		set_register(run, cursor_uleb(c), (struct eh_register){.kind = EH_UNDEFINED});
		return true;
	case DW_CFA_same_value:
		set_register(run, cursor_uleb(c), (struct eh_register){.kind = EH_SAME});
		return true;
	case DW_CFA_register:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf: /* for its size, signed or not does not matter */
		number = cursor_uleb(c);
		cursor_uleb(c);
		set_register(run, number, (struct eh_register){.kind = EH_OTHER});
		return true;
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		number = cursor_uleb(c);
		set_register(run, number,
			     (struct eh_register){.kind = opcode == DW_CFA_expression
								  ? EH_AT_EXPRESSION
								  : EH_OTHER,
						  .expression = read_expression(run)});
		return true;
	default:
		return false;
	}
}

static void step_other(struct run *run, uint8_t opcode)
{
	struct cursor *c = &run->code;

	switch (opcode) {
	case DW_CFA_nop:
		break;
	case DW_CFA_set_loc:
		set_location(run);
		break;
	case DW_CFA_advance_loc1:
		advance(run, cursor_u8(c));
		break;
	case DW_CFA_advance_loc2:
		advance(run, cursor_u16(c));
		break;
	case DW_CFA_advance_loc4:
		advance(run, cursor_u32(c));
		break;
	case DW_CFA_remember_state:
		remember(run);
		break;
	case DW_CFA_restore_state:
		restore(run);
		break;
	case DW_CFA_GNU_args_size: /* for exception handlers only */
		cursor_uleb(c);
		break;
	default:
		cursor_fail(c);
	}
}

static void step(struct run *run)
{
	uint8_t opcode = cursor_u8(&run->code);
	uint8_t operand = opcode & OPERAND_BITS;

	switch (opcode & ~OPERAND_BITS) {
	case DW_CFA_advance_loc:
		advance(run, operand);
		return;
	case DW_CFA_offset:
		save_at_cfa(run, operand, unsigned_offset(run));
		return;
	case DW_CFA_restore:
		restore_register(run, operand);
		return;
	default:
		if (!step_cfa(run, opcode) && !step_register(run, opcode))
			step_other(run, opcode);
	}
}

/* Stops at the limit: what comes after it is another function's. */
static int run_all(struct run *run)
{
	while (!run->err && cursor_left(&run->code) && run->pc < run->limit)
		step(run);
	if (run->err)
		return run->err;
	return run->code.bad ? -EINVAL : 0;
}

int cfi_run_cie(const struct eh_section *section, struct eh_cie *cie, struct eh_span instructions)
{
	struct eh_state remembered[REMEMBER_DEPTH];
	struct run run = {
		.section = section,
		.cie = cie,
		.code = eh_span_cursor(section, instructions),
		.remembered = remembered,
		.limit = UINT64_MAX,
	};
	int err = run_all(&run);

	/* An address has no meaning here. */
	if (!err && run.pc != 0)
		err = -EINVAL;
	if (!err)
		cie->initial = run.state;
	return err;
}

int cfi_run_fde(const struct eh_section *section, const struct eh_cie *cie,
		const struct eh_fde *fde, uint32_t limit, struct eh_rows *rows)
{
	struct eh_state remembered[REMEMBER_DEPTH];
	struct run run = {
		.section = section,
		.cie = cie,
		.code = eh_span_cursor(section, fde->instructions),
		.state = cie->initial,
		.remembered = remembered,
		.rows = rows,
		.pc = fde->start,
		.limit = limit,
	};
	int err;

	vec_clear(rows);
	err = run_all(&run);
	if (!err)
		add_row(&run);
	return err ? err : run.err;
}
