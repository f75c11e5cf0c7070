/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
/*
 * .eh_frame sections made by hand: what compilers write, what they rarely write, and what only an enemy does.
 * Whether real binaries are read rightly is test_elf_unwind_oracle.c's question.
 */
#include "process/elf/unwind_table.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/limits.h>

#include "cmocka_all.h"
#include "oom.h"

#define SECTION_ADDRESS 0x200000u
#define TEXT            0x10000u

/* A section under construction. */
struct section {
	uint8_t bytes[8192];
	size_t size;
	size_t entry; /* where the last one begins */
	size_t cie;   /* where the last CIE begins */
};

static void put(struct section *s, const void *bytes, size_t size)
{
	assert_true(size <= sizeof(s->bytes) - s->size);
	memcpy(s->bytes + s->size, bytes, size);
	s->size += size;
}

#define PUT(s, ...)                                   \
	do {                                          \
		const uint8_t put_[] = {__VA_ARGS__}; \
		put((s), put_, sizeof(put_));         \
	} while (0)

static void put_u32(struct section *s, uint32_t value)
{
	put(s, &value, sizeof(value));
}

static void put_u64(struct section *s, uint64_t value)
{
	put(s, &value, sizeof(value));
}

static void begin(struct section *s)
{
	s->entry = s->size;
	put_u32(s, 0);
}

static void end(struct section *s)
{
	uint32_t length = (uint32_t)(s->size - s->entry - 4);

	memcpy(s->bytes + s->entry, &length, sizeof(length));
}

/* "zR", code alignment 1, data alignment -8, return address 16; without instructions. */
static void begin_cie(struct section *s, uint8_t encoding)
{
	begin(s);
	s->cie = s->entry;
	put_u32(s, 0);
	PUT(s, 1, 'z', 'R', 0, 1, 0x78, 16, 1, encoding);
}

/* What every x86-64 compiler's CIE says: cfa = rsp + 8, return address at cfa - 8. */
static void usual_cie(struct section *s)
{
	begin_cie(s, DW_EH_PE_pcrel | DW_EH_PE_sdata4);
	PUT(s, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	end(s);
}

static void begin_fde(struct section *s, uint32_t start, uint32_t size)
{
	begin(s);
	put_u32(s, (uint32_t)(s->size - s->cie));
	put_u32(s, start - (SECTION_ADDRESS + (uint32_t)s->size));
	put_u32(s, size);
	PUT(s, 0);
}

struct fixture {
	struct section section;
	struct unwind_rules *rules;
	struct unwind_table table;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f ? unwind_rules_new(&f->rules) : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unwind_table_done(&f->table);
	unwind_rules_free(f->rules);
	free(f);
	return 0;
}

/* From a heap block of exactly that size, so that ASan sees any read beyond. */
static int build(struct fixture *f)
{
	uint8_t *copy = memcpy(malloc(f->section.size + 1), f->section.bytes, f->section.size);
	int err;

	copy = realloc(copy, f->section.size ? f->section.size : 1);
	err = unwind_table_init_bytes(&f->table, copy, f->section.size, SECTION_ADDRESS, f->rules);
	free(copy);
	return err;
}

static struct hf_unwind_rule rule_at(const struct fixture *f, uint64_t address)
{
	return *unwind_rules_at(f->rules, unwind_table_find(&f->table, address));
}

static void assert_rule(const struct fixture *f, uint64_t address, struct hf_unwind_rule expected)
{
	struct hf_unwind_rule rule = rule_at(f, address);

	assert_int_equal(rule.cfa_kind, expected.cfa_kind);
	assert_int_equal(rule.cfa_offset, expected.cfa_offset);
	assert_int_equal(rule.bp_kind, expected.bp_kind);
	assert_int_equal(rule.bp_offset, expected.bp_offset);
}

#define RULE(cfa, offset, ...) \
	((struct hf_unwind_rule){.cfa_kind = HF_CFA_##cfa, .cfa_offset = (offset), ##__VA_ARGS__})
#define AT_CFA(offset) .bp_kind = HF_BP_CFA, .bp_offset = (offset)

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frame_pointer_prologue_gives_its_four_rules),
		TEST(remembered_state_comes_back_with_its_cfa),
		TEST(remembering_without_end_is_damage),
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
		TEST(instructions_past_the_functions_end_have_no_rows),
		TEST(sections_merged_behind_a_terminator_are_read),
		TEST(lengths_of_64_bits_are_read),
		TEST(each_pointer_encoding_is_read),
		TEST(addresses_relative_to_data_are_damage),
		TEST(augmentation_of_cxx_is_skipped),
		TEST(unknown_augmentation_or_version_is_damage),
		TEST(damaged_function_leaves_a_gap_and_no_more),
		TEST(cie_pointer_to_anything_but_a_cie_is_damage),
		TEST(entry_longer_than_the_section_ends_the_walk),
		TEST(every_truncation_is_survived),
		TEST(functions_past_4_gib_are_refused),
		TEST(discarded_functions_are_no_damage),
		TEST(one_rule_too_many_is_counted_and_unsupported),
		TEST(rules_are_interned_once_and_the_first_two_are_fixed),
		TEST(failing_allocation_leaves_the_result_untouched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
