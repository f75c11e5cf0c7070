/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what the call frame instructions say to what the walk can do. */
#include <dwarf.h>
#include <string.h>

#include "process/elf/cfi.h"

static const struct hf_unwind_rule unsupported = {.cfa_kind = HF_CFA_UNSUPPORTED};

/* DW_OP_breg6 or DW_OP_breg7 with its offset, off the front of an expression. */
static bool take_base(struct cursor *c, uint8_t operation, int32_t *ret_offset)
{
	int64_t offset;

	if (cursor_u8(c) != operation)
		return false;
	offset = cursor_sleb(c);
	if (c->bad || offset < INT32_MIN || offset > INT32_MAX)
		return false;
	*ret_offset = (int32_t)offset;
	return true;
}

/* The whole expression is base + offset. */
static bool is_base(const struct eh_section *section, struct eh_span expression, uint8_t operation,
		    int32_t *ret_offset)
{
	struct cursor c = eh_span_cursor(section, expression);

	return take_base(&c, operation, ret_offset) && cursor_left(&c) == 0;
}

/* The whole expression is *(base + offset). */
static bool is_deref(const struct eh_section *section, struct eh_span expression, uint8_t operation,
		     int32_t *ret_offset)
{
	struct cursor c = eh_span_cursor(section, expression);

	return take_base(&c, operation, ret_offset) && cursor_u8(&c) == DW_OP_deref &&
	       cursor_left(&c) == 0;
}

/*
 * What binutils and lld write for .plt: rsp + 8 + ((((rip & 15) >= N) << 3). Lazy binding pushes one word
 * on the way through a 16-byte slot; N tells where in it.
 */
static bool is_plt(const struct eh_section *section, struct eh_span expression,
		   int32_t *ret_threshold)
{
	static const uint8_t head[] = {DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and};
	static const uint8_t tail[] = {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
	const uint8_t *code = section->bytes + expression.offset;
	uint8_t literal;

	if (expression.size != sizeof(head) + 1 + sizeof(tail))
		return false;
	literal = code[sizeof(head)];
	if (memcmp(code, head, sizeof(head)) != 0 ||
	    memcmp(code + sizeof(head) + 1, tail, sizeof(tail)) != 0 || literal < DW_OP_lit0 ||
	    literal > DW_OP_lit31)
		return false;
	*ret_threshold = literal - DW_OP_lit0;
	return true;
}

/*
 * The frame that the kernel pushed for a signal: at the return into sigreturn's code rsp points to the
 * ucontext, whose registers begin 40 bytes in (arch/x86/include/uapi/asm/sigcontext.h): rbp 10th, rsp 15th,
 * rip 16th. Known by what it says rather than by the augmentation 'S', which other code may carry.
 */
static bool is_signal(const struct eh_section *section, const struct eh_state *s)
{
	int32_t cfa, rbp, ra;

	return s->cfa_is_expression && s->rbp.kind == EH_AT_EXPRESSION &&
	       s->ra.kind == EH_AT_EXPRESSION &&
	       is_deref(section, s->cfa_expression, DW_OP_breg7, &cfa) && cfa == 160 &&
	       is_base(section, s->rbp.expression, DW_OP_breg7, &rbp) && rbp == 120 &&
	       is_base(section, s->ra.expression, DW_OP_breg7, &ra) && ra == 168;
}

static bool set_cfa_expression(const struct eh_section *section, struct eh_span expression,
			       struct hf_unwind_rule *rule)
{
	if (is_deref(section, expression, DW_OP_breg6, &rule->cfa_offset))
		rule->cfa_kind = HF_CFA_DEREF_BP;
	else if (is_deref(section, expression, DW_OP_breg7, &rule->cfa_offset))
		rule->cfa_kind = HF_CFA_DEREF_SP;
	else if (is_plt(section, expression, &rule->cfa_offset))
		rule->cfa_kind = HF_CFA_PLT;
	else
		return false;
	return true;
}

static bool set_cfa(const struct eh_section *section, const struct eh_state *state,
		    struct hf_unwind_rule *rule)
{
	if (state->cfa_is_expression)
		return set_cfa_expression(section, state->cfa_expression, rule);
	if (state->cfa_register == EH_REGISTER_RSP)
		rule->cfa_kind = HF_CFA_SP;
	else if (state->cfa_register == EH_REGISTER_RBP)
		rule->cfa_kind = HF_CFA_BP;
	else
		return false;
	if (state->cfa_offset < INT32_MIN || state->cfa_offset > INT32_MAX)
		return false;
	rule->cfa_offset = (int32_t)state->cfa_offset;
	return true;
}

/* An rbp that we cannot follow is undefined: only a frame that needs it will end the walk. */
static void set_rbp(const struct eh_section *section, const struct eh_register *rbp,
		    struct hf_unwind_rule *rule)
{
	int32_t offset;

	rule->bp_kind = HF_BP_UNDEFINED;
	if (rbp->kind == EH_UNSET || rbp->kind == EH_SAME) {
		rule->bp_kind = HF_BP_SAME;
	} else if (rbp->kind == EH_AT_CFA) {
		if (rbp->offset < INT16_MIN || rbp->offset > INT16_MAX)
			return;
		rule->bp_kind = HF_BP_CFA;
		rule->bp_offset = (int16_t)rbp->offset;
	} else if (rbp->kind == EH_AT_EXPRESSION) {
		if (!is_base(section, rbp->expression, DW_OP_breg6, &offset) ||
		    offset < INT16_MIN || offset > INT16_MAX)
			return;
		rule->bp_kind = HF_BP_BP;
		rule->bp_offset = (int16_t)offset;
	}
}

struct hf_unwind_rule cfi_rule_of(const struct eh_section *section, const struct eh_cie *cie,
				  const struct eh_state *state)
{
	struct hf_unwind_rule rule = {0};

	if (cie->other_return_column)
		return unsupported;
	if (is_signal(section, state))
		return (struct hf_unwind_rule){.cfa_kind = HF_CFA_SIGNAL};
	if (state->ra.kind == EH_UNDEFINED)
		return (struct hf_unwind_rule){.cfa_kind = HF_CFA_STOP};
	if (state->ra.kind != EH_AT_CFA || state->ra.offset != -8)
		return unsupported;
	if (!set_cfa(section, state, &rule))
		return unsupported;
	set_rbp(section, &state->rbp, &rule);
	return rule;
}
