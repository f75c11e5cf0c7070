/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Call frame instructions: what a CIE and an FDE say about a function's frames, as rules for a walk. Behind
 * unwind_table.h; eh_frame.h finds the entries.
 *
 * The bytes are hostile: all reads go through a cursor, each step takes at least one byte.
 *
 * Follows: DWARF 4 6.4 and 7.23, LSB 5.0 Core 10.5.1 (pointer encodings), System V ABI AMD64 3.6.2 (registers).
 */
#ifndef HOLDFAST_CFI_H
#define HOLDFAST_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/unwind_row.h>

#include "base/bytes.h"

#define EH_REGISTER_RBP 6
#define EH_REGISTER_RSP 7
#define EH_REGISTER_RA  16

/* An .eh_frame section of less than 4 GiB; borrowed. */
struct eh_section {
	const uint8_t *bytes;
	size_t size;
	uint64_t address; /* where it is linked */
};

/* Bytes of the section. */
struct eh_span {
	uint32_t offset, size;
};

/* What @c, a cursor into the section, has left. */
static inline struct eh_span eh_span_of(const struct eh_section *section, const struct cursor *c)
{
	return (struct eh_span){(uint32_t)(c->p - section->bytes), (uint32_t)cursor_left(c)};
}

static inline struct cursor eh_span_cursor(const struct eh_section *section, struct eh_span span)
{
	return cursor_window(section->bytes, section->size, span.offset, span.size);
}

#define EH_ENCODING_FORMAT \
	0x0f /* of a DW_EH_PE_* byte: how a pointer is written, without relative to what */

/* A pointer in a DW_EH_PE_* encoding, pcrel resolved; the cursor is bad if it is not supported. */
uint64_t eh_read_encoded(const struct eh_section *section, struct cursor *c, uint8_t encoding);

/* How a register's value in the caller is found. */
enum eh_register_kind {
	EH_UNSET = 0, /* no instruction spoke of it: rbp is unchanged, the return address unknown */
	EH_SAME,
	EH_UNDEFINED,
	EH_AT_CFA,        /* *(cfa + offset) */
	EH_AT_EXPRESSION, /* *(expression) */
	EH_OTHER,         /* another register, or a value rather than a place */
};

struct eh_register {
	enum eh_register_kind kind;
	int64_t offset;
	struct eh_span expression;
};

/* What the instructions so far say. */
struct eh_state {
	bool cfa_is_expression;
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct eh_span cfa_expression;
	struct eh_register rbp, ra;
};

struct eh_cie {
	uint64_t code_align;
	int64_t data_align;
	uint8_t pointer_encoding; /* of its FDEs' addresses: DW_EH_PE_* */
	bool has_augmentation_data;
	bool other_return_column; /* return address not in column 16: rows are unsupported */
	struct eh_state initial;
};

/* One function's entry. [start, end) are module addresses. */
struct eh_fde {
	uint32_t start, end;
	struct eh_span instructions;
	uint32_t cie; /* index into eh_frame.cies */
};

/* From @pc on this rule holds. */
struct eh_row {
	uint32_t pc;
	struct hf_unwind_rule rule;
};

struct eh_rows {
	struct eh_row *items;
	size_t count, capacity;
};

/* Runs a CIE's instructions into cie->initial. 0 or -EINVAL. */
int cfi_run_cie(const struct eh_section *section, struct eh_cie *cie, struct eh_span instructions);

/*
 * Runs an FDE's instructions: its rows from fde->start up to before @limit replace those in @rows (the
 * caller frees rows->items). -EINVAL if the instructions are damaged, -ENOMEM.
 */
int cfi_run_fde(const struct eh_section *section, const struct eh_cie *cie,
		const struct eh_fde *fde, uint32_t limit, struct eh_rows *rows);

/* What @state means for a walk; HF_CFA_UNSUPPORTED if we cannot say. */
struct hf_unwind_rule cfi_rule_of(const struct eh_section *section, const struct eh_cie *cie,
				  const struct eh_state *state);

#endif
