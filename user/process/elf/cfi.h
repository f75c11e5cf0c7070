/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Call frame instructions: between eh_frame.c (entries) and cfi.c (what they say). */
#ifndef HOLDFAST_CFI_H
#define HOLDFAST_CFI_H

#include "base/bytes.h"
#include "process/elf/eh_frame.h"

/* System V ABI AMD64, figure 3.36. */
#define EH_REGISTER_RBP 6
#define EH_REGISTER_RSP 7
#define EH_REGISTER_RA  16

/* What @c has left, as a place in the section. */
static inline struct eh_span eh_span_of(const struct eh_frame *frame, const struct cursor *c)
{
	return (struct eh_span){(uint32_t)(c->p - frame->bytes), (uint32_t)cursor_left(c)};
}

static inline struct cursor eh_span_cursor(const struct eh_frame *frame, struct eh_span span)
{
	return cursor_window(frame->bytes, frame->size, span.offset, span.size);
}

/* An address in a DW_EH_PE_* encoding, pcrel resolved; the cursor is bad if it is not supported. */
uint64_t eh_read_encoded(const struct eh_frame *frame, struct cursor *c, uint8_t encoding);

/* Runs a CIE's instructions into cie->initial. 0 or -EINVAL. */
int eh_run_cie(const struct eh_frame *frame, struct eh_cie *cie, struct eh_span instructions);

/* What @state means for a walk; HF_CFA_UNSUPPORTED if we cannot say. */
struct hf_unwind_rule eh_rule_of(const struct eh_frame *frame, const struct eh_cie *cie,
				 const struct eh_state *state);

#endif
