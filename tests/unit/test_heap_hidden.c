// SPDX-License-Identifier: GPL-2.0-or-later
/* Pointers that are not written as such: what they point to is suspected at first, and not called lost. */
#include <sys/mman.h>

#include "heap_subject.h"

#define TAG    0xbeef000000000000ul
#define COUNT  20000
#define CHAIN  60000
#define LEAKED 300

static uint64_t head;
static void *volatile anchor;

static void *map(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* And some that are really lost. */
static __attribute__((noinline)) void leak(void)
{
	for (int i = 0; i < LEAKED; i++)
		anchor = memset(malloc(200), 1, 200);
	anchor = NULL;
}

static void stay(void)
{
	leak();
	for (;;) {
		subject_forget();
		subject_ready();
	}
}

static __attribute__((noinline)) void fill_tagged(uint64_t *table)
{
	for (size_t i = 0; i < COUNT; i++)
		table[i] = (uintptr_t)memset(malloc(40), 2, 40) | TAG;
}

static void tagged(void)
{
	fill_tagged(map(COUNT * 8));
	stay();
}

/* Of 12 bytes each: every offset, also across pages. */
static __attribute__((noinline)) void fill_packed(char *table)
{
	for (size_t i = 0; i < COUNT; i++) {
		void *block = memset(malloc(40), 2, 40);

		memcpy(table + 12 * i + 3, &block, sizeof(block));
	}
}

static void packed(void)
{
	fill_packed(map(COUNT * 12 + 16));
	stay();
}

static __attribute__((noinline)) void fill_chain(void)
{
	for (size_t i = 0; i < CHAIN; i++) {
		uint64_t *node = malloc(40);

		memset(node, 2, 40);
		node[1] = head;
		head = (uintptr_t)node | TAG;
	}
}

/* A list whose links are tagged, against the order of addresses. */
static void chain(void)
{
	fill_chain();
	stay();
}

static uint64_t *shelf;

static __attribute__((noinline)) void write_into_all(void)
{
	for (size_t i = 0; i < COUNT; i++)
		++*(uint64_t *)(uintptr_t)~shelf[i];
}

static __attribute__((noinline)) void fill_shelf(void)
{
	shelf = map(COUNT * 8);
	for (size_t i = 0; i < COUNT; i++)
		shelf[i] = ~(uintptr_t)memset(malloc(40), 2, 40);
}

/* Hidden beyond finding, but in use: each order writes into all of them. */
static void in_use(void)
{
	fill_shelf();
	leak();
	for (;;) {
		subject_forget();
		subject_ready();
		write_into_all();
	}
}

static const struct subject_role roles[] = {
	{"tagged", tagged}, {"packed", packed}, {"chain", chain}, {"in_use", in_use}, {NULL, NULL}};

static void check(const char *role, uint64_t suspects)
{
	struct heap_snapshot *first, *second;
	struct subject subject;

	subject_start(&subject, role);
	first = subject_scan(&subject, NULL);
	assert_true(first->lost_total >= suspects);
	assert_int_equal(first->lost_count, 0);
	subject_order(&subject, 'x');
	second = subject_scan(&subject, first);
	if (second->lost_count != LEAKED)
		print_message("# %s: %lu lost of %d\n", role, second->lost_count, LEAKED);
	/* The last one's address may still stand somewhere. */
	assert_in_range(second->lost_count, LEAKED - 2, LEAKED);
	for (size_t i = 0; i < second->lost_total; i++)
		if (second->lost[i].confirmed)
			assert_int_equal(second->lost[i].size_bytes, 200);
	heap_snapshot_free(first);
	heap_snapshot_free(second);
	subject_stop(&subject);
}

static void high_bits_do_not_hide_a_pointer(void **state)
{
	(void)state;
	check("tagged", COUNT);
}

static void an_odd_place_does_not_hide_a_pointer(void **state)
{
	(void)state;
	check("packed", COUNT / 2);
}

static void links_may_be_hidden_one_after_the_other(void **state)
{
	(void)state;
	check("chain", CHAIN);
}

static void what_changes_is_not_lost(void **state)
{
	(void)state;
	check("in_use", COUNT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(high_bits_do_not_hide_a_pointer),
		cmocka_unit_test(an_odd_place_does_not_hide_a_pointer),
		cmocka_unit_test(links_may_be_hidden_one_after_the_other),
		cmocka_unit_test(what_changes_is_not_lost),
	};

	subject_run(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
