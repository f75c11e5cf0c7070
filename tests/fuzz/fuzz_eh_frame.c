/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An .eh_frame section linked at 1 MiB. Whatever it says, the table keeps its invariants. */
#include <stdlib.h>
#include <string.h>

#include <holdfast/limits.h>

#include "process/elf/unwind_table.h"

#define ADDRESS (1u << 20)

static void check_page(const struct unwind_table *t, uint32_t page, size_t rule_count)
{
	uint32_t begin = t->page_index[page], end = t->page_index[page + 1];

	if (begin > end || end > t->row_count)
		abort();
	for (uint32_t i = begin; i < end; i++) {
		uint64_t address = (uint64_t)page << HF_ROW_PAGE_SHIFT | t->rows[i].pc_low;

		if (i > begin && t->rows[i].pc_low <= t->rows[i - 1].pc_low)
			abort();
		if (i && t->rows[i].rule == t->rows[i - 1].rule)
			abort();
		if (t->rows[i].rule >= rule_count ||
		    unwind_table_find(t, address) != t->rows[i].rule)
			abort();
	}
}

static void check_table(const struct unwind_table *t, const struct unwind_rules *rules)
{
	if (t->page_index[0] != 0 || t->page_index[t->page_count] != t->row_count)
		abort();
	for (uint32_t page = 0; page < t->page_count; page++)
		check_page(t, page, unwind_rules_count(rules));
	if (t->row_count && t->rows[t->row_count - 1].rule != 0)
		abort();
	if (t->row_count && t->rows[0].rule == 0)
		abort();
	if (unwind_table_find(t, UINT64_MAX) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind_rules *rules;
	struct unwind_table table;

	if (unwind_rules_new(&rules))
		return 0;
	if (unwind_table_init_bytes(&table, data, size, ADDRESS, rules) == 0) {
		check_table(&table, rules);
		unwind_table_done(&table);
	}
	unwind_rules_free(rules);
	return 0;
}
