/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/elf/unwind_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <holdfast/limits.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "process/elf/eh_frame.h"
#include "process/elf/elf_file.h"
#include "process/elf/start_code.h"

#define MAX_ROWS    (1u << 24)
#define PAGE_OF(pc) ((pc) >> HF_ROW_PAGE_SHIFT)
#define NO_PC       UINT64_MAX

VEC_STRUCT(row_vec, struct hf_unwind_row);
VEC_STRUCT(index_vec, uint32_t);

/* A table under construction; addresses come ascending. */
struct builder {
	struct unwind_rules *rules;
	struct row_vec rows;
	struct index_vec
		pages; /* pages.items[p]: first row of page p, for all pages up to the last row's */
	uint64_t last_pc; /* of rows' last; NO_PC if it was taken back */
	uint32_t rows_without_rule;
};

static void builder_done(struct builder *b)
{
	vec_done(&b->rows);
	vec_done(&b->pages);
}

static uint16_t last_rule(const struct builder *b)
{
	return b->rows.count ? b->rows.items[b->rows.count - 1].rule : 0;
}

static int begin_pages(struct builder *b, uint32_t pc)
{
	while (b->pages.count <= PAGE_OF(pc))
		if (vec_push(&b->pages, (uint32_t)b->rows.count))
			return -ENOMEM;
	return 0;
}

/* From @pc on @rule holds. Says it again for the same @pc: the last word counts. */
static int add_row(struct builder *b, uint32_t pc, uint16_t rule)
{
	struct hf_unwind_row row = {.pc_low = (uint16_t)pc, .rule = rule};

	if (b->last_pc == pc) {
		b->rows.count--;
		b->last_pc = NO_PC;
	}
	if (last_rule(b) == rule)
		return 0;
	if (b->rows.count >= MAX_ROWS)
		return -EFBIG;
	if (begin_pages(b, pc) || vec_push(&b->rows, row))
		return -ENOMEM;
	b->last_pc = pc;
	return 0;
}

static int add_rule(struct builder *b, uint32_t pc, struct hf_unwind_rule rule)
{
	uint16_t number;
	int err = unwind_rules_intern(b->rules, rule, &number);

	if (err == -ENOSPC) {
		b->rows_without_rule++;
		number = UNWIND_RULE_UNSUPPORTED;
	} else if (err) {
		return err;
	}
	return add_row(b, pc, number);
}

/* Adds the rows of @fde up to @limit, and the gap behind it. */
static int add_fde(struct builder *b, struct eh_frame *frame, const struct eh_fde *fde,
		   struct eh_rows *scratch)
{
	uint32_t limit = fde->end;
	int err;

	/* The next function's entry cuts this one's short. */
	if (fde + 1 < frame->fdes + frame->fde_count && fde[1].start < limit)
		limit = fde[1].start;
	err = cfi_run_fde(&frame->section, &frame->cies[fde->cie], fde, limit, scratch);
	if (err == -EINVAL) {
		frame->damaged_entries++;
		return 0;
	}
	for (size_t k = 0; !err && k < scratch->count; k++)
		err = add_rule(b, scratch->items[k].pc, scratch->items[k].rule);
	return err ? err : add_row(b, limit, 0);
}

/* Adds those of @start's rows that lie below @limit, from *@next on. */
static int add_start_rows(struct builder *b, const struct start_code *start, uint64_t limit,
			  size_t *next)
{
	int err = 0;

	for (; !err && *next < start->count && start->rows[*next].pc < limit; (*next)++)
		err = add_rule(b, start->rows[*next].pc, start->rows[*next].rule);
	return err;
}

static int add_all(struct builder *b, struct eh_frame *frame, const struct start_code *start)
{
	struct eh_rows scratch = {0};
	size_t next = 0;
	int err = 0;

	for (size_t i = 0; !err && i < frame->fde_count; i++) {
		err = add_start_rows(b, start, frame->fdes[i].start, &next);
		if (!err)
			err = add_fde(b, frame, &frame->fdes[i], &scratch);
	}
	if (!err)
		err = add_start_rows(b, start, UINT64_MAX, &next);
	vec_done(&scratch);
	return err;
}

static uint32_t count_unsupported(const struct builder *b)
{
	uint32_t count = 0;

	for (size_t i = 0; i < b->rows.count; i++)
		count += b->rows.items[i].rule == UNWIND_RULE_UNSUPPORTED;
	return count;
}

/* Hands the arrays over. */
static int finish(struct builder *b, const struct eh_frame *frame, struct unwind_table *ret)
{
	if (vec_push(&b->pages, (uint32_t)b->rows.count))
		return -ENOMEM;
	*ret = (struct unwind_table){
		.row_count = (uint32_t)b->rows.count,
		.page_count = (uint32_t)b->pages.count - 1,
		.fde_count = (uint32_t)frame->fde_count,
		.unsupported_rows = count_unsupported(b),
		.rows_without_rule = b->rows_without_rule,
		.damaged_entries = frame->damaged_entries,
	};
	ret->rows = no_free_ptr(b->rows.items);
	ret->page_index = no_free_ptr(b->pages.items);
	return 0;
}

static int build(struct unwind_table *ret, struct eh_section section, const struct elf_file *file,
		 struct unwind_rules *rules)
{
	_cleanup_(builder_done) struct builder b = {
		.rules = rules,
		.rows = VEC_INIT,
		.pages = VEC_INIT,
		.last_pc = NO_PC,
	};
	_cleanup_(eh_frame_done) struct eh_frame frame = {0};
	struct start_code start = {.count = 0};
	int err = eh_frame_init(&frame, section);

	if (!err && frame.fde_count == 0 && frame.far_entries)
		err = -EFBIG;
	if (!err && file && frame.fde_count)
		start_code_find(file, &frame, &start);
	if (!err)
		err = add_all(&b, &frame, &start);
	return err ? err : finish(&b, &frame, ret);
}

int unwind_table_init_bytes(struct unwind_table *ret, const uint8_t *eh_frame, size_t size,
			    uint64_t address, struct unwind_rules *rules)
{
	return build(ret, (struct eh_section){eh_frame, size, address}, NULL, rules);
}

int unwind_table_init(struct unwind_table *ret, const struct elf_file *file,
		      struct unwind_rules *rules)
{
	struct elf_section section = {0};
	int err = elf_file_section(file, ".eh_frame", &section);

	if (err && err != -ENOENT)
		return err;
	return build(ret, (struct eh_section){section.data, section.size, section.address}, file,
		     rules);
}

void unwind_table_done(struct unwind_table *table)
{
	free(table->rows);
	free(table->page_index);
	*table = (struct unwind_table){0};
}

uint16_t unwind_table_find(const struct unwind_table *table, uint64_t address)
{
	uint64_t page = PAGE_OF(address);
	uint16_t pc_low = (uint16_t)address;
	uint32_t low, high;

	if (page >= table->page_count)
		return 0;
	low = table->page_index[page];
	high = table->page_index[page + 1];
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->rows[middle].pc_low <= pc_low)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? table->rows[low - 1].rule : 0;
}
