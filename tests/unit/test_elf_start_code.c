/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows for the linker's own start and exit code. Expected values are read from the code itself: where the stack
 * pointer moves in it. That real exits are walked rightly is test_stacks_gdb.c's question.
 */
#include <string.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "process/elf/elf_file.h"
#include "process/elf/unwind_table.h"

struct module {
	struct elf_file *file;
	struct unwind_rules *rules;
	struct unwind_table table;
};

static void open_module(const char *path, struct module *ret)
{
	if (access(path, R_OK) != 0)
		skip_because("no %s here", path);
	assert_int_equal(elf_file_open_path(path, &ret->file), 0);
	assert_int_equal(unwind_rules_new(&ret->rules), 0);
	assert_int_equal(unwind_table_init(&ret->table, ret->file, ret->rules), 0);
}

static void close_module(struct module *m)
{
	unwind_table_done(&m->table);
	unwind_rules_free(m->rules);
	elf_file_free(m->file);
}

/* The CFA's distance from rsp at @address; 0 if not told by it. */
static int distance(const struct module *m, uint64_t address)
{
	const struct hf_unwind_rule *rule =
		unwind_rules_at(m->rules, unwind_table_find(&m->table, address));

	return rule->cfa_kind == HF_CFA_SP ? rule->cfa_offset : 0;
}

static void check_section(const struct module *m, const char *name)
{
	struct elf_section s;
	uint64_t at;

	assert_int_equal(elf_file_section(m->file, name, &s), 0);
	at = s.address + (s.data[0] == 0xf3 ? 4 : 0);
	assert_int_equal(distance(m, s.address), 8);
	assert_int_equal(distance(m, at), 8);
	assert_int_equal(distance(m, at + 3), 8);
	assert_int_equal(distance(m, at + 4), 16);
	assert_int_equal(distance(m, s.address + s.size - 2), 16);
	assert_int_equal(distance(m, s.address + s.size - 1), 8);
}

static void init_and_fini_have_rows(const char *path)
{
	struct module m;

	open_module(path, &m);
	check_section(&m, ".init");
	check_section(&m, ".fini");
	close_module(&m);
}

static void own_program_init_and_fini_have_rows(void **state)
{
	(void)state;
	init_and_fini_have_rows("/proc/self/exe");
}

static void libstdcxx_init_and_fini_have_rows(void **state)
{
	(void)state;
	init_and_fini_have_rows("/usr/lib/x86_64-linux-gnu/libstdc++.so.6");
}

static int keep_dtors(const struct elf_symbol *symbol, void *user)
{
	if (strcmp(symbol->name, "__do_global_dtors_aux") != 0)
		return 0;
	*(uint64_t *)user = symbol->address;
	return 1;
}

/* This program is not stripped: its symbol table says where crtbegin.o's functions are. */
static void destructors_of_own_program_have_rows(void **state)
{
	const struct hf_unwind_rule *rule;
	const uint8_t *code, *push, *pop;
	uint64_t address = 0;
	struct module m;

	(void)state;
	open_module("/proc/self/exe", &m);
	elf_file_for_each_symbol(m.file, keep_dtors, &address);
	code = elf_file_image(m.file, address, 0x38);
	assert_non_null(code);
	push = memchr(code, 0x55, 0x20);
	assert_non_null(push);
	pop = memmem(push, 0x28, "\x5d\xc3", 2);
	assert_non_null(pop);
	assert_int_equal(distance(&m, address), 8);
	assert_int_equal(distance(&m, address + (uint64_t)(push - code)), 8);
	assert_int_equal(distance(&m, address + (uint64_t)(push - code) + 1), 16);
	rule = unwind_rules_at(m.rules,
			       unwind_table_find(&m.table, address + (uint64_t)(pop - code)));
	assert_int_equal(rule->cfa_offset, 16);
	assert_int_equal(rule->bp_kind, HF_BP_CFA);
	assert_int_equal(rule->bp_offset, -16);
	assert_int_equal(distance(&m, address + (uint64_t)(pop - code) + 1), 8);
	assert_int_equal(distance(&m, address - 0x10), 8); /* register_tm_clones */
	close_module(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_program_init_and_fini_have_rows),
		cmocka_unit_test(libstdcxx_init_and_fini_have_rows),
		cmocka_unit_test(destructors_of_own_program_have_rows),
	};

	return cmocka_run_group_tests_name("elf_start_code", tests, NULL, NULL);
}
