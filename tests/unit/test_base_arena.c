/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "base/arena.h"

#include <string.h>

#include "cmocka_all.h"
#include "oom.h"

static void pieces_are_aligned_and_do_not_overlap(void **state)
{
	unsigned char *pieces[500];
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < 500; i++) {
		pieces[i] = arena_alloc(&a, i);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], (int)(i & 0xff), i);
	}
	for (size_t i = 0; i < 500; i++) {
		for (size_t k = 0; k < i; k++)
			assert_int_equal(pieces[i][k], i & 0xff);
	}
	assert_ptr_not_equal(arena_alloc(&a, 0), arena_alloc(&a, 0));
	arena_done(&a);
}

static void never_holds_more_than_its_bound(void **state)
{
	static const uint64_t bounds[] = {0, 1, 100, 4096, 5000, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		struct arena a;
		size_t got = 0;

		arena_init(&a, bounds[i]);
		while (arena_alloc(&a, 48))
			got += 48;
		assert_true(a.held_bytes <= bounds[i]);
		assert_int_equal(a.used_bytes, got);
		/* the bound is used, not just respected */
		if (bounds[i] >= 4096)
			assert_true(got >= bounds[i] / 10 * 9);
		arena_done(&a);
		assert_int_equal(a.held_bytes, 0);
	}
}

static void a_piece_larger_than_a_block_fits(void **state)
{
	struct arena a;
	unsigned char *big;
	volatile size_t huge = SIZE_MAX; /* volatile: the compiler would refuse the constant */

	(void)state;
	arena_init(&a, 8 << 20);
	assert_non_null(arena_alloc(&a, 16));
	big = arena_zalloc(&a, 3 << 20);
	assert_non_null(big);
	assert_int_equal(big[(3 << 20) - 1], 0);
	assert_null(arena_alloc(&a, 6 << 20));
	assert_null(arena_alloc(&a, huge));
	assert_null(arena_alloc(&a, huge - 20));
	assert_null(arena_strndup(&a, "x", huge));
	arena_done(&a);
}

static void copies_are_copies(void **state)
{
	struct arena a;
	char text[] = "hello";
	char *copy;

	(void)state;
	arena_init(&a, 1 << 16);
	copy = arena_strndup(&a, text, 4);
	text[0] = 'x';
	assert_string_equal(copy, "hell");
	assert_string_equal(arena_strndup(&a, NULL, 0), "");
	assert_memory_equal(arena_memdup(&a, text, 6), "xello", 6);
	arena_done(&a);
}

static void without_memory_it_gives_null_and_recovers(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 16);
	oom_arm(1);
	assert_null(arena_alloc(&a, 10));
	assert_true(oom_disarm());
	assert_int_equal(a.held_bytes, 0);
	assert_non_null(arena_alloc(&a, 10));
	arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
		cmocka_unit_test(never_holds_more_than_its_bound),
		cmocka_unit_test(a_piece_larger_than_a_block_fits),
		cmocka_unit_test(copies_are_copies),
		cmocka_unit_test(without_memory_it_gives_null_and_recovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
