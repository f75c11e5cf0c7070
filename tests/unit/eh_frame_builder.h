/* SPDX-License-Identifier: GPL-2.0-or-later */
/* .eh_frame sections made by hand, and the rules that come out of them. */
#ifndef HF_TESTS_EH_FRAME_BUILDER_H
#define HF_TESTS_EH_FRAME_BUILDER_H

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "process/elf/unwind_table.h"

#define SECTION_ADDRESS 0x200000u
#define TEXT            0x10000u

/* A section under construction. */
struct section {
	uint8_t bytes[8192];
	size_t size;
	size_t entry; /* where the last one begins */
	size_t cie;   /* where the last CIE begins */
};

static inline void put(struct section *s, const void *bytes, size_t size)
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

static inline void put_u32(struct section *s, uint32_t value)
{
	put(s, &value, sizeof(value));
}

static inline void put_u64(struct section *s, uint64_t value)
{
	put(s, &value, sizeof(value));
}

static inline void begin(struct section *s)
{
	s->entry = s->size;
	put_u32(s, 0);
}

static inline void end(struct section *s)
{
	uint32_t length = (uint32_t)(s->size - s->entry - 4);

	memcpy(s->bytes + s->entry, &length, sizeof(length));
}

/* "zR", code alignment 1, data alignment -8, return address 16; without instructions. */
static inline void begin_cie(struct section *s, uint8_t encoding)
{
	begin(s);
	s->cie = s->entry;
	put_u32(s, 0);
	PUT(s, 1, 'z', 'R', 0, 1, 0x78, 16, 1, encoding);
}

/* What every x86-64 compiler's CIE says: cfa = rsp + 8, return address at cfa - 8. */
static inline void usual_cie(struct section *s)
{
	begin_cie(s, DW_EH_PE_pcrel | DW_EH_PE_sdata4);
	PUT(s, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1);
	end(s);
}

static inline void begin_fde(struct section *s, uint32_t start, uint32_t size)
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

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f ? unwind_rules_new(&f->rules) : -1;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	unwind_table_done(&f->table);
	unwind_rules_free(f->rules);
	free(f);
	return 0;
}

/* From a heap block of exactly that size, so that ASan sees any read beyond. */
static inline int build(struct fixture *f)
{
	uint8_t *copy = memcpy(malloc(f->section.size + 1), f->section.bytes, f->section.size);
	int err;

	copy = realloc(copy, f->section.size ? f->section.size : 1);
	err = unwind_table_init_bytes(&f->table, copy, f->section.size, SECTION_ADDRESS, f->rules);
	free(copy);
	return err;
}

static inline struct hf_unwind_rule rule_at(const struct fixture *f, uint64_t address)
{
	return *unwind_rules_at(f->rules, unwind_table_find(&f->table, address));
}

static inline void assert_rule(const struct fixture *f, uint64_t address,
			       struct hf_unwind_rule expected)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
