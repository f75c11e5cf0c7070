/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/call_cache.h"

#include "code_fixture.h"

#define CALLS 3

static const char code[] = ".text\n" FUNCTION(one, "call malloc@PLT; call malloc@PLT; ret")
	FUNCTION(two, "call malloc@PLT; ret");

static const struct call_sites *find(struct call_cache *cache, const struct module *module,
				     const char *symbol)
{
	struct code_goal goal = {.symbol = symbol, .pointer_argument = HF_ARG_NONE};
	const struct call_sites *found = NULL;

	assert_int_equal(call_cache_find(cache, module, &goal, 1, &found), 0);
	return found;
}

static void a_module_is_looked_at_once_for_the_same_goals(void **state)
{
	struct module module = {.elf = assemble(code, "")};
	struct call_cache cache;
	const struct call_sites *first, *other;

	(void)state;
	call_cache_init(&cache, 100);
	first = find(&cache, &module, "malloc");
	assert_int_equal(first->count, CALLS);
	other = find(&cache, &module, "calloc");
	assert_int_equal(other->count, 0);
	assert_ptr_equal(find(&cache, &module, "malloc"), first);
	assert_int_equal(cache.site_count, CALLS);
	call_cache_done(&cache);
	elf_file_free(module.elf);
}

static void the_oldest_are_let_go_where_there_are_too_many(void **state)
{
	struct module modules[4] = {0};
	struct call_cache cache;

	(void)state;
	call_cache_init(&cache, 2 * CALLS);
	for (size_t i = 0; i < 4; i++) {
		modules[i].elf = assemble(code, "");
		assert_int_equal(find(&cache, &modules[i], "malloc")->count, CALLS);
	}
	assert_int_equal(cache.site_count, 2 * CALLS);
	assert_int_equal(cache.entries.count, 2);
	assert_ptr_equal(cache.entries.items[0].module, &modules[2]);
	assert_int_equal(find(&cache, &modules[0], "malloc")->count, CALLS);
	call_cache_done(&cache);
	/* One that is too large by itself is kept until the next. */
	call_cache_init(&cache, 1);
	assert_int_equal(find(&cache, &modules[0], "malloc")->count, CALLS);
	assert_int_equal(find(&cache, &modules[1], "malloc")->count, CALLS);
	assert_int_equal(cache.entries.count, 1);
	call_cache_done(&cache);
	for (size_t i = 0; i < 4; i++)
		elf_file_free(modules[i].elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_is_looked_at_once_for_the_same_goals),
		cmocka_unit_test(the_oldest_are_let_go_where_there_are_too_many),
	};

	return cmocka_run_group_tests_name("call_cache", tests, fixture_open, fixture_close);
}
