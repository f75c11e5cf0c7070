/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/* What damages or overfills an unwind table: it is counted, and the rest stays right. */
#include "process/elf/unwind_table.h"

#include <errno.h>

#include <holdfast/limits.h>

#include "oom.h"
#include "unit/eh_frame_builder.h"

static void remembering_without_end_is_damage(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x40);
	for (int i = 0; i < 100; i++)
		PUT(s, DW_CFA_remember_state);
	end(s);
	begin_fde(s, TEXT + 0x40, 0x40);
	PUT(s, DW_CFA_restore_state);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 2);
	assert_int_equal(f->table.row_count, 0);
}

static void instructions_past_the_functions_end_have_no_rows(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x10);
	PUT(s, DW_CFA_advance_loc | 0x10, DW_CFA_def_cfa_offset, 16);
	PUT(s, DW_CFA_advance_loc4, 0xff, 0xff, 0xff, 0xff, DW_CFA_def_cfa_offset, 24);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.row_count, 2);
	assert_rule(f, TEXT + 0x10, RULE(NONE, 0));
}

static void addresses_relative_to_data_are_damage(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	static const uint8_t encodings[] = {
		DW_EH_PE_datarel | DW_EH_PE_sdata4,
		DW_EH_PE_textrel | DW_EH_PE_sdata4,
		DW_EH_PE_indirect | DW_EH_PE_pcrel | DW_EH_PE_sdata4,
		DW_EH_PE_aligned,
		DW_EH_PE_omit,
		0x07,
	};

	for (size_t i = 0; i < sizeof(encodings); i++) {
		begin_cie(s, encodings[i]);
		PUT(s, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
		end(s);
		begin_fde(s, TEXT, 0x10);
		end(s);
	}
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, sizeof(encodings));
	assert_int_equal(f->table.fde_count, 0);
}

static void unknown_augmentation_or_version_is_damage(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	begin(s);
	s->cie = s->entry;
	put_u32(s, 0);
	PUT(s, 1, 'z', 'Q', 'R', 0, 1, 0x78, 16, 2, 0, 0x1b);
	end(s);
	begin_fde(s, TEXT, 0x10);
	end(s);
	begin(s);
	put_u32(s, 0);
	PUT(s, 2, 0, 1, 0x78, 16);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 3);
}

static void damaged_function_leaves_a_gap_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	static const uint8_t cases[][6] = {
		{DW_CFA_advance_loc | 1, 0x3f}, /* no such instruction */
		{DW_CFA_advance_loc | 1, DW_CFA_restore_state},
		{DW_CFA_def_cfa_expression, 200}, /* longer than the entry */
		{DW_CFA_def_cfa_expression, 1, DW_OP_lit0, DW_CFA_def_cfa_offset, 1},
		{DW_CFA_nop, DW_CFA_nop, DW_CFA_nop, DW_CFA_nop, DW_CFA_nop, DW_CFA_def_cfa},
		{DW_CFA_offset | 6, 0x80, 0x80, 0x80, 0x80, 0x80}, /* a number without end */
	};
	const unsigned count = sizeof(cases) / sizeof(*cases);

	usual_cie(s);
	begin_fde(s, TEXT - 0x10, 0x10);
	end(s);
	for (unsigned i = 0; i < count; i++) {
		begin_fde(s, TEXT + 0x10 * i, 0x10);
		put(s, cases[i], sizeof(cases[i]));
		end(s);
	}
	begin_fde(s, TEXT + 0x10 * count, 0x10);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, count);
	assert_rule(f, TEXT - 1, RULE(SP, 8));
	for (unsigned i = 0; i < count; i++)
		assert_rule(f, TEXT + 0x10 * i, RULE(NONE, 0));
	assert_rule(f, TEXT + 0x10 * count, RULE(SP, 8));
}

static void cie_pointer_to_anything_but_a_cie_is_damage(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	static const uint32_t pointers[] = {1, 2, 0x7fffffff, 0xffffffff};

	usual_cie(s);
	for (size_t i = 0; i < sizeof(pointers) / sizeof(*pointers); i++) {
		begin(s);
		put_u32(s, pointers[i]);
		put_u64(s, 0);
		PUT(s, 0);
		end(s);
	}
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 4);
}

static void entry_longer_than_the_section_ends_the_walk(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x10);
	end(s);
	put_u32(s, 1000);
	put_u32(s, 0);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 1);
	assert_rule(f, TEXT, RULE(SP, 8));
}

static void every_truncation_is_survived(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	size_t whole;

	usual_cie(s);
	begin_fde(s, TEXT, 0x40);
	PUT(s, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2);
	end(s);
	whole = s->size;
	for (s->size = 0; s->size < whole; s->size++) {
		assert_int_equal(build(f), 0);
		assert_int_equal(f->table.row_count, 0);
		assert_int_equal(f->table.page_index[0], 0);
		unwind_table_done(&f->table);
	}
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.row_count, 3);
}

static void functions_past_4_gib_are_refused(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	begin_cie(s, DW_EH_PE_absptr);
	PUT(s, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	end(s);
	begin(s);
	put_u32(s, (uint32_t)(s->size - s->cie));
	put_u64(s, 0xfffffff0);
	put_u64(s, 0x10);
	PUT(s, 0);
	end(s);
	assert_int_equal(build(f), -EFBIG);
	begin(s);
	put_u32(s, (uint32_t)(s->size - s->cie));
	put_u64(s, 0x1000);
	put_u64(s, 0x10);
	PUT(s, 0);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 1);
	assert_rule(f, 0x1000, RULE(SP, 8));
}

static void discarded_functions_are_no_damage(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, 0, 0x100);
	end(s);
	begin_fde(s, TEXT, 0);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 0);
	assert_int_equal(f->table.fde_count, 0);
}

static void one_rule_too_many_is_counted_and_unsupported(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	struct hf_unwind_rule rule = {.cfa_kind = HF_CFA_BP};
	uint16_t number;

	while (unwind_rules_count(f->rules) < HF_MAX_RULES) {
		rule.cfa_offset++;
		assert_int_equal(unwind_rules_intern(f->rules, rule, &number), 0);
	}
	assert_int_equal(number, HF_MAX_RULES - 1);
	assert_int_equal(unwind_rules_intern(f->rules, rule, &number), 0); /* known */
	rule.cfa_offset++;
	assert_int_equal(unwind_rules_intern(f->rules, rule, &number), -ENOSPC);
	usual_cie(s);
	begin_fde(s, TEXT, 0x10);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.rows_without_rule, 1);
	assert_int_equal(unwind_table_find(&f->table, TEXT), UNWIND_RULE_UNSUPPORTED);
}

static void failing_allocation_leaves_the_result_untouched(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	int err;

	usual_cie(s);
	for (uint32_t i = 40; i > 0; i--) {
		begin_fde(s, TEXT + 0x1000 * i, 0x10);
		PUT(s, DW_CFA_def_cfa_offset, (uint8_t)i, DW_CFA_advance_loc | 1,
		    DW_CFA_def_cfa_offset, 64);
		end(s);
	}
	for (long n = 1;; n++) {
		struct unwind_rules *rules = NULL;
		struct unwind_table table = {.row_count = 12345};

		oom_arm(n);
		err = unwind_rules_new(&rules);
		if (!err)
			err = unwind_table_init_bytes(&table, s->bytes, s->size, SECTION_ADDRESS,
						      rules);
		if (!oom_disarm()) {
			assert_int_equal(err, 0);
			assert_int_equal(table.row_count, 120);
			unwind_table_done(&table);
			unwind_rules_free(rules);
			break;
		}
		/* qsort falls back to sorting in place without the memory it asked for. */
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(table.row_count, 12345);
		} else {
			unwind_table_done(&table);
		}
		unwind_rules_free(rules);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(remembering_without_end_is_damage),
		TEST(instructions_past_the_functions_end_have_no_rows),
		TEST(addresses_relative_to_data_are_damage),
		TEST(unknown_augmentation_or_version_is_damage),
		TEST(damaged_function_leaves_a_gap_and_no_more),
		TEST(cie_pointer_to_anything_but_a_cie_is_damage),
		TEST(entry_longer_than_the_section_ends_the_walk),
		TEST(every_truncation_is_survived),
		TEST(functions_past_4_gib_are_refused),
		TEST(discarded_functions_are_no_damage),
		TEST(one_rule_too_many_is_counted_and_unsupported),
		TEST(failing_allocation_leaves_the_result_untouched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
