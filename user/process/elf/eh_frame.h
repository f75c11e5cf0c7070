/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entries of an .eh_frame section and their call frame instructions. Behind unwind_table.h; nothing
 * else should need it.
 *
 * The bytes are hostile: no pointer between entries is followed except to a CIE that the walk through the
 * section has met itself, so the work is linear in the section's size.
 *
 * Follows: LSB 5.0 Core 10.6 (.eh_frame, pointer encodings, augmentations z R P L S), DWARF 4 6.4 and 7.23,
 * System V ABI AMD64 3.6.2 (register numbers). The CIE pointer has 4 bytes also after a 64-bit length (LSB).
 */
#ifndef HOLDFAST_EH_FRAME_H
#define HOLDFAST_EH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/unwind_row.h>

/* Bytes of the section; offsets fit because a section has less than 4 GiB. */
struct eh_span {
	uint32_t offset, size;
};

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

struct eh_frame {
	const uint8_t *bytes; /* borrowed */
	size_t size;
	uint64_t address;
	struct eh_cie *cies;
	size_t cie_count;
	struct eh_fde *fdes; /* ascending by start; those of the same start in the section's order */
	size_t fde_count;
	uint32_t damaged_entries;
	uint32_t far_entries; /* damaged_entries that merely reach past 4 GiB */
};

/* @bytes must outlive the result. 0, -ENOMEM, or -EFBIG if the section has 4 GiB or more. */
int eh_frame_init(struct eh_frame *ret, const uint8_t *bytes, size_t size, uint64_t address);
void eh_frame_done(struct eh_frame *frame);

/* From @pc on this rule holds. */
struct eh_row {
	uint32_t pc;
	struct hf_unwind_rule rule;
};

struct eh_rows {
	struct eh_row *items;
	size_t count, capacity;
};

/*
 * Runs one FDE's instructions: its rows from fde->start up to before @limit replace those in @rows (the
 * caller frees rows->items). -EINVAL if the instructions are damaged, -ENOMEM.
 */
int eh_frame_rows(const struct eh_frame *frame, const struct eh_fde *fde, uint32_t limit,
		  struct eh_rows *rows);

#endif
