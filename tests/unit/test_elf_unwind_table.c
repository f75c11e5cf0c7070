/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What compilers write into .eh_frame, often and rarely. Whether real binaries are read rightly is
 * test_elf_unwind_oracle.c's question, what an enemy writes test_elf_unwind_damage.c's.
 */
#include "process/elf/unwind_table.h"

#include "unit/eh_frame_builder.h"

static void frame_pointer_prologue_gives_its_four_rules(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x40);
	PUT(s, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2);
	PUT(s, DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6);
	PUT(s, DW_CFA_advance_loc1, 0x3b, DW_CFA_def_cfa, 7, 8, DW_CFA_nop, DW_CFA_nop);
	end(s);
	assert_int_equal(build(f), 0);

	assert_rule(f, TEXT - 1, RULE(NONE, 0));
	assert_rule(f, TEXT, RULE(SP, 8));
	assert_rule(f, TEXT + 1, RULE(SP, 16, AT_CFA(-16)));
	assert_rule(f, TEXT + 3, RULE(SP, 16, AT_CFA(-16)));
	assert_rule(f, TEXT + 4, RULE(BP, 16, AT_CFA(-16)));
	assert_rule(f, TEXT + 0x3e, RULE(BP, 16, AT_CFA(-16)));
	assert_rule(f, TEXT + 0x3f, RULE(SP, 8, AT_CFA(-16)));
	assert_rule(f, TEXT + 0x40, RULE(NONE, 0));
	assert_int_equal(f->table.row_count, 5);
	assert_int_equal(f->table.fde_count, 1);
	assert_int_equal(f->table.damaged_entries, 0);
}

static void remembered_state_comes_back_with_its_cfa(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x40);
	PUT(s, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 32, DW_CFA_remember_state);
	PUT(s, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 8, DW_CFA_restore | 6);
	PUT(s, DW_CFA_advance_loc | 1, DW_CFA_restore_state);
	end(s);
	assert_int_equal(build(f), 0);
	assert_rule(f, TEXT + 1, RULE(SP, 32));
	assert_rule(f, TEXT + 2, RULE(SP, 8));
	assert_rule(f, TEXT + 3, RULE(SP, 32));
}

static void realigned_stack_is_read_through_rbp_and_rsp(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x40);
	PUT(s, DW_CFA_expression, 6, 2, DW_OP_breg6, 0);
	PUT(s, DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78, DW_OP_deref);
	PUT(s, DW_CFA_advance_loc | 8);
	PUT(s, DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0x80, 1, DW_OP_deref);
	PUT(s, DW_CFA_expression, 6, 3, DW_OP_breg6, 0x80, 0x7f);
	end(s);
	assert_int_equal(build(f), 0);
	assert_rule(f, TEXT, RULE(DEREF_BP, -8, .bp_kind = HF_BP_BP));
	assert_rule(f, TEXT + 8, RULE(DEREF_SP, 128, .bp_kind = HF_BP_BP, .bp_offset = -128));
}

static void lazy_binding_stub_is_known_by_its_expression(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x40);
	PUT(s, DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
	    DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus);
	PUT(s, DW_CFA_advance_loc | 16);
	/* Shifted by 2 instead of 3: not that stub. */
	PUT(s, DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
	    DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit2, DW_OP_shl, DW_OP_plus);
	end(s);
	assert_int_equal(build(f), 0);
	assert_rule(f, TEXT, RULE(PLT, 11));
	assert_rule(f, TEXT + 16, RULE(UNSUPPORTED, 0));
	assert_int_equal(f->table.unsupported_rows, 1);
}

/* As glibc's __restore_rt says it, less the registers that are not followed. */
static void signal_frame_is_known_by_its_expressions(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	begin(s);
	s->cie = s->entry;
	put_u32(s, 0);
	PUT(s, 1, 'z', 'R', 'S', 0, 1, 0x78, 16, 1, DW_EH_PE_pcrel | DW_EH_PE_sdata4);
	PUT(s, DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 1, DW_OP_deref);
	PUT(s, DW_CFA_expression, 6, 3, DW_OP_breg7, 0xf8, 0);
	PUT(s, DW_CFA_expression, 16, 3, DW_OP_breg7, 0xa8, 1);
	end(s);
	begin_fde(s, TEXT, 10);
	end(s);
	/* Other code may carry the letter S as well; its rules are plain ones. */
	begin_fde(s, TEXT + 0x10, 10);
	PUT(s, DW_CFA_def_cfa, 7, 16, DW_CFA_offset | 16, 1, DW_CFA_same_value, 6);
	end(s);
	assert_int_equal(build(f), 0);
	assert_rule(f, TEXT, RULE(SIGNAL, 0));
	assert_rule(f, TEXT + 0x10, RULE(SP, 16));
}

static void undefined_return_address_stops_the_walk(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x20);
	PUT(s, DW_CFA_undefined, 16);
	end(s);
	begin_fde(s, TEXT + 0x20, 0x20);
	PUT(s, DW_CFA_undefined, 16, DW_CFA_advance_loc | 4, DW_CFA_restore_extended, 16);
	end(s);
	assert_int_equal(build(f), 0);
	assert_rule(f, TEXT, RULE(STOP, 0));
	assert_rule(f, TEXT + 0x20, RULE(STOP, 0));
	assert_rule(f, TEXT + 0x24, RULE(SP, 8));
	/* No row between the two functions, since nothing changes there. */
	assert_int_equal(f->table.row_count, 3);
}

static void what_a_walk_cannot_follow_is_unsupported(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	static const uint8_t cases[][4] = {
		{DW_CFA_def_cfa, 10, 0, DW_CFA_nop},  /* cfa from r10 */
		{DW_CFA_register, 16, 0, DW_CFA_nop}, /* return address in rax */
		{DW_CFA_same_value, 16, DW_CFA_nop, DW_CFA_nop},
		{DW_CFA_offset_extended, 16, 2, DW_CFA_nop}, /* at cfa - 16 */
		{DW_CFA_def_cfa_expression, 1, DW_OP_lit0, DW_CFA_nop},
		{DW_CFA_def_cfa_expression, 0, DW_CFA_nop, DW_CFA_nop},
	};
	const unsigned count = sizeof(cases) / sizeof(*cases);

	usual_cie(s);
	for (unsigned i = 0; i < count; i++) {
		begin_fde(s, TEXT + 0x100 * i, 0x20);
		put(s, cases[i], sizeof(cases[i]));
		end(s);
	}
	assert_int_equal(build(f), 0);
	for (unsigned i = 0; i < count; i++)
		assert_rule(f, TEXT + 0x100 * i, RULE(UNSUPPORTED, 0));
	assert_int_equal(f->table.unsupported_rows, count);
	assert_int_equal(f->table.rows_without_rule, 0);
	assert_int_equal(f->table.damaged_entries, 0);
}

static void rbp_that_cannot_be_followed_is_undefined(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	static const uint8_t cases[][5] = {
		{DW_CFA_undefined, 6},
		{DW_CFA_register, 6, 3},
		{DW_CFA_val_offset, 6, 2},
		{DW_CFA_expression, 6, 2, DW_OP_breg7, 8},
		{DW_CFA_val_expression, 6, 2, DW_OP_breg6, 8},
		{DW_CFA_offset | 6, 0x80, 0x80, 1}, /* at cfa - 131072: no 16-bit offset */
	};
	const unsigned count = sizeof(cases) / sizeof(*cases);

	usual_cie(s);
	for (unsigned i = 0; i < count; i++) {
		begin_fde(s, TEXT + 0x100 * i, 0x20);
		put(s, cases[i], sizeof(cases[i])); /* the zeros behind are DW_CFA_nop */
		end(s);
	}
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 0);
	for (unsigned i = 0; i < count; i++)
		assert_rule(f, TEXT + 0x100 * i, RULE(SP, 8, .bp_kind = HF_BP_UNDEFINED));
}

static void rare_instructions_are_understood(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	uint32_t here;

	usual_cie(s);
	begin_fde(s, TEXT, 0x20000);
	PUT(s, DW_CFA_GNU_args_size, 0x90, 1, DW_CFA_def_cfa_sf, 7, 0x7e); /* -2 * -8 */
	PUT(s, DW_CFA_offset_extended_sf, 6, 2);                           /* 2 * -8 */
	PUT(s, DW_CFA_advance_loc2, 0, 1, DW_CFA_def_cfa_offset_sf, 0x7d);
	PUT(s, DW_CFA_GNU_negative_offset_extended, 6, 1); /* -1 * -8 */
	PUT(s, DW_CFA_advance_loc4, 0, 0xff, 0, 0, DW_CFA_def_cfa_offset, 40, DW_CFA_set_loc);
	here = SECTION_ADDRESS + (uint32_t)s->size;
	put_u32(s, TEXT + 0x10800 - here);
	PUT(s, DW_CFA_def_cfa_offset, 48);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 0);
	assert_rule(f, TEXT, RULE(SP, 16, AT_CFA(-16)));
	assert_rule(f, TEXT + 0x100, RULE(SP, 24, AT_CFA(8)));
	assert_rule(f, TEXT + 0x10000, RULE(SP, 40, AT_CFA(8)));
	assert_rule(f, TEXT + 0x10800, RULE(SP, 48, AT_CFA(8)));
	assert_rule(f, TEXT + 0x1ffff, RULE(SP, 48, AT_CFA(8)));
}

static void rows_are_found_across_pages_without_any(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, 0x1fff0, 0x50000); /* 0x1fff0 .. 0x6fff0 */
	PUT(s, DW_CFA_advance_loc1, 0x20, DW_CFA_def_cfa_offset, 24);
	end(s);
	begin_fde(s, 0x90000, 0x10);
	PUT(s, DW_CFA_def_cfa_offset, 24);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.row_count, 5);
	assert_int_equal(f->table.page_count, 10);
	assert_int_equal(f->table.page_index[10], 5);
	assert_rule(f, 0x5, RULE(NONE, 0));
	assert_rule(f, 0x1ffef, RULE(NONE, 0));
	assert_rule(f, 0x20000, RULE(SP, 8));
	assert_rule(f, 0x20010, RULE(SP, 24));
	assert_rule(f, 0x48000, RULE(SP, 24));
	assert_rule(f, 0x6ffef, RULE(SP, 24));
	assert_rule(f, 0x6fff0, RULE(NONE, 0));
	assert_rule(f, 0x80000, RULE(NONE, 0));
	assert_rule(f, 0x90000, RULE(SP, 24));
	assert_rule(f, 0x90010, RULE(NONE, 0));
	assert_rule(f, 0xffffffffffffffff, RULE(NONE, 0));
}

static void neighbours_with_one_rule_share_a_row(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	for (uint32_t i = 0; i < 8; i++) {
		begin_fde(s, 0x1fff0 + 4 * i, 4); /* across a page border */
		end(s);
	}
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.row_count, 2);
	assert_rule(f, 0x1fff0, RULE(SP, 8));
	assert_rule(f, 0x2000f, RULE(SP, 8));
	assert_rule(f, 0x20010, RULE(NONE, 0));
}

static void unsorted_and_overlapping_functions_end_where_the_next_begins(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT + 0x80, 0x40);
	PUT(s, DW_CFA_def_cfa_offset, 80);
	end(s);
	begin_fde(s, TEXT, 0x100);
	PUT(s, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc1, 0xa0, DW_CFA_def_cfa_offset, 24);
	end(s);
	begin_fde(s, TEXT, 0x10); /* a second one for the same start */
	PUT(s, DW_CFA_def_cfa_offset, 99);
	end(s);
	assert_int_equal(build(f), 0);
	assert_rule(f, TEXT, RULE(SP, 16));
	assert_rule(f, TEXT + 0x7f, RULE(SP, 16));
	assert_rule(f, TEXT + 0x80, RULE(SP, 80));
	assert_rule(f, TEXT + 0xa0, RULE(SP, 80));
	assert_rule(f, TEXT + 0xc0, RULE(NONE, 0));
	assert_int_equal(f->table.fde_count, 2);
}

static void sections_merged_behind_a_terminator_are_read(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	usual_cie(s);
	begin_fde(s, TEXT, 0x10);
	end(s);
	put_u32(s, 0);
	usual_cie(s);
	begin_fde(s, TEXT + 0x20, 0x10);
	end(s);
	put_u32(s, 0);
	assert_int_equal(build(f), 0);
	assert_rule(f, TEXT + 0x20, RULE(SP, 8));
	assert_int_equal(f->table.fde_count, 2);
	assert_int_equal(f->table.damaged_entries, 0);
}

static void lengths_of_64_bits_are_read(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	size_t cie = s->size, fde;

	put_u32(s, 0xffffffff);
	put_u64(s, 4 + 9 + 5);
	put_u32(s, 0);
	PUT(s, 1, 'z', 'R', 0, 1, 0x78, 16, 1, DW_EH_PE_absptr);
	PUT(s, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	put_u32(s, 0xffffffff);
	put_u64(s, 4 + 8 + 8 + 1);
	fde = s->size;
	put_u32(s, (uint32_t)(fde - cie));
	put_u64(s, TEXT);
	put_u64(s, 0x10);
	PUT(s, 0);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 0);
	assert_rule(f, TEXT, RULE(SP, 8));
}

static void each_pointer_encoding_is_read(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;
	const struct {
		uint8_t encoding, bytes;
	} cases[] = {
		{DW_EH_PE_absptr, 8},
		{DW_EH_PE_udata2, 2},
		{DW_EH_PE_udata4, 4},
		{DW_EH_PE_udata8, 8},
		{DW_EH_PE_sdata2, 2},
		{DW_EH_PE_sdata4, 4},
		{DW_EH_PE_sdata8, 8},
		{DW_EH_PE_pcrel | DW_EH_PE_udata4, 4},
		{DW_EH_PE_pcrel | DW_EH_PE_sdata8, 8},
	};
	const unsigned count = sizeof(cases) / sizeof(*cases);

	for (unsigned i = 0; i < count; i++) {
		uint64_t start = 0x1000 + 0x100 * i, size = 0x20, place;

		begin_cie(s, cases[i].encoding);
		PUT(s, DW_CFA_def_cfa, 7, (uint8_t)(8 + i), DW_CFA_offset | 16, 1);
		end(s);
		begin(s);
		put_u32(s, (uint32_t)(s->size - s->cie));
		place = SECTION_ADDRESS + s->size;
		if (cases[i].encoding & DW_EH_PE_pcrel)
			start = (cases[i].bytes == 8 ? start : start + (1ULL << 32)) - place;
		put(s, &start, cases[i].bytes);
		put(s, &size, cases[i].bytes);
		PUT(s, 0);
		end(s);
	}
	assert_int_equal(build(f), 0);
	/* Without a sign, 32 bits cannot reach back. */
	assert_int_equal(f->table.damaged_entries, 1);
	for (unsigned i = 0; i < count; i++)
		if (cases[i].encoding != (DW_EH_PE_pcrel | DW_EH_PE_udata4))
			assert_rule(f, 0x1000 + 0x100 * i, RULE(SP, 8 + (int)i));
}

static void augmentation_of_cxx_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct section *s = &f->section;

	begin(s);
	s->cie = s->entry;
	put_u32(s, 0);
	PUT(s, 1, 'z', 'P', 'L', 'R', 0, 1, 0x78, 16, 7, 0x9b, 1, 2, 3, 4, 0x1b,
	    DW_EH_PE_pcrel | DW_EH_PE_sdata4, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	end(s);
	begin(s);
	put_u32(s, (uint32_t)(s->size - s->cie));
	put_u32(s, TEXT - (SECTION_ADDRESS + (uint32_t)s->size));
	put_u32(s, 0x10);
	PUT(s, 4, 0xde, 0xad, 0xbe, 0xef, DW_CFA_def_cfa_offset, 16);
	end(s);
	assert_int_equal(build(f), 0);
	assert_int_equal(f->table.damaged_entries, 0);
	assert_rule(f, TEXT, RULE(SP, 16));
}

static void rules_are_interned_once_and_the_first_two_are_fixed(void **state)
{
	struct fixture *f = *state;
	struct hf_unwind_rule rule = RULE(SP, 8);
	uint16_t one, two;

	assert_int_equal(unwind_rules_at(f->rules, 0)->cfa_kind, HF_CFA_NONE);
	assert_int_equal(unwind_rules_at(f->rules, 1)->cfa_kind, HF_CFA_UNSUPPORTED);
	assert_int_equal(unwind_rules_intern(f->rules, rule, &one), 0);
	assert_int_equal(unwind_rules_intern(f->rules, rule, &two), 0);
	assert_int_equal(one, 2);
	assert_int_equal(two, 2);
	assert_int_equal(unwind_rules_count(f->rules), 3);
	assert_null(unwind_rules_at(f->rules, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frame_pointer_prologue_gives_its_four_rules),
		TEST(remembered_state_comes_back_with_its_cfa),
		TEST(realigned_stack_is_read_through_rbp_and_rsp),
		TEST(lazy_binding_stub_is_known_by_its_expression),
		TEST(signal_frame_is_known_by_its_expressions),
		TEST(undefined_return_address_stops_the_walk),
		TEST(what_a_walk_cannot_follow_is_unsupported),
		TEST(rbp_that_cannot_be_followed_is_undefined),
		TEST(rare_instructions_are_understood),
		TEST(rows_are_found_across_pages_without_any),
		TEST(neighbours_with_one_rule_share_a_row),
		TEST(unsorted_and_overlapping_functions_end_where_the_next_begins),
		TEST(sections_merged_behind_a_terminator_are_read),
		TEST(lengths_of_64_bits_are_read),
		TEST(each_pointer_encoding_is_read),
		TEST(augmentation_of_cxx_is_skipped),
		TEST(rules_are_interned_once_and_the_first_two_are_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
