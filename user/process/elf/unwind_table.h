/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * .eh_frame -> unwind rows (include/holdfast/unwind_row.h).
 *
 * Follows: LSB 5.0 Core 10.6 (.eh_frame), DWARF 4 6.4 (call frame instructions), System V ABI AMD64
 * (register numbers: 6 rbp, 7 rsp, 16 return address). Of the register rules only rbp's and the
 * return address's are kept: they and the CFA are all that a walk needs.
 */
#ifndef HOLDFAST_UNWIND_TABLE_H
#define HOLDFAST_UNWIND_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <holdfast/unwind_row.h>

struct elf_file;

/*
 * Rules interned over all tables of a session; rule 0 is HF_CFA_NONE. At most HF_MAX_RULES: past that
 * unwind_rules_intern() answers -ENOSPC and the rows concerned become "unsupported" (rule 1), counted
 * in unwind_table.rows_without_rule.
 */
struct unwind_rules;

#define UNWIND_RULE_UNSUPPORTED 1

int unwind_rules_new(struct unwind_rules **ret);
void unwind_rules_free(struct unwind_rules *rules);
int unwind_rules_intern(struct unwind_rules *rules, struct hf_unwind_rule rule,
			uint16_t *ret_number);
size_t unwind_rules_count(const struct unwind_rules *rules);
/* NULL past the last one. Valid until the next rule is interned. */
const struct hf_unwind_rule *unwind_rules_at(const struct unwind_rules *rules, size_t number);

/*
 * One module's table in the two arrays that the kernel side searches.
 * rows[page_index[p] .. page_index[p + 1]) are the rows whose address lies in 64 KiB page p;
 * page_index has page_count + 1 entries (also for an empty table). Rows are ascending; between functions
 * stands a row of rule 0, the last row of all is one. Neighbours differ in their rule, across pages too: where
 * no row of page p is at or below an address, the row before rows[page_index[p]] holds, if there is one.
 *
 * Where FDEs overlap, each ends where the next begins; of those with one start the first of the section holds.
 * A damaged FDE leaves a gap.
 */
struct unwind_table {
	struct hf_unwind_row *rows;
	uint32_t row_count;
	uint32_t *page_index;
	uint32_t page_count;
	uint32_t fde_count;
	uint32_t unsupported_rows;  /* rows with HF_CFA_UNSUPPORTED, those without rule included */
	uint32_t rows_without_rule; /* their rule was one too many */
	uint32_t damaged_entries;   /* CIEs or FDEs skipped because they did not parse */
};

/* Builds the table of @file, rows for the linker's own start and exit code included (start_code.h). A file without
 * .eh_frame gives an empty table and 0. -ENOMEM, -EFBIG (nothing but
 * addresses past 4 GiB, or more than 2^24 rows; a single FDE past 4 GiB counts as damaged), -EINVAL (the
 * section is not within the file). */
int unwind_table_init(struct unwind_table *ret, const struct elf_file *file,
		      struct unwind_rules *rules);
void unwind_table_done(struct unwind_table *table);

/* From an .eh_frame section's bytes alone, for tests and fuzzing: @address is where it is linked. */
int unwind_table_init_bytes(struct unwind_table *ret, const uint8_t *eh_frame, size_t size,
			    uint64_t address, struct unwind_rules *rules);

/* The rule that holds at module address @address; 0 if none. */
uint16_t unwind_table_find(const struct unwind_table *table, uint64_t address);

#endif
