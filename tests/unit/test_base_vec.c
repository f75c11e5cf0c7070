/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "base/vec.h"

#include "cmocka_all.h"
#include "oom.h"

struct pair {
	int a, b;
};

static void pushed_values_are_kept_in_order(void **state)
{
	VEC(struct pair) v = VEC_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(vec_push(&v, (struct pair){i, -i}), 0);
	assert_int_equal(v.count, 1000);
	for (int i = 0; i < 1000; i++)
		assert_true(v.items[i].a == i && v.items[i].b == -i);
	assert_int_equal(vec_pop(&v).a, 999);
	vec_remove_unordered(&v, 0);
	assert_int_equal(v.items[0].a, 998);
	assert_int_equal(v.count, 998);
	vec_clear(&v);
	assert_int_equal(v.count, 0);
	vec_done(&v);
	assert_null(v.items);
}

static void arrays_are_appended_also_empty_ones(void **state)
{
	VEC(int) v = VEC_INIT;
	const int three[] = {1, 2, 3};

	(void)state;
	assert_int_equal(vec_append(&v, three, 0), 0);
	assert_int_equal(vec_append(&v, three, 3), 0);
	assert_int_equal(vec_append(&v, three, 3), 0);
	assert_int_equal(v.count, 6);
	assert_int_equal(v.items[5], 3);
	vec_done(&v);
}

static void a_push_that_fails_leaves_the_vector_as_it_was(void **state)
{
	VEC(int) v = VEC_INIT;

	(void)state;
	oom_arm(1);
	assert_int_equal(vec_push(&v, 1), -ENOMEM);
	assert_true(oom_disarm());
	assert_int_equal(v.count, 0);
	while (v.count < 8)
		assert_int_equal(vec_push(&v, 7), 0);
	oom_arm(1);
	assert_int_equal(vec_push(&v, 1), -ENOMEM);
	assert_true(oom_disarm());
	assert_int_equal(v.count, 8);
	assert_int_equal(v.items[7], 7);
	vec_done(&v);
}

static void sizes_that_overflow_are_refused(void **state)
{
	VEC(uint64_t) v = VEC_INIT;

	(void)state;
	assert_int_equal(vec_reserve(&v, SIZE_MAX), -ENOMEM);
	assert_int_equal(vec_reserve(&v, SIZE_MAX / 8 + 1), -ENOMEM);
	assert_int_equal(vec_push(&v, 1), 0);
	assert_int_equal(vec_reserve(&v, SIZE_MAX), -ENOMEM);
	assert_int_equal(v.items[0], 1);
	vec_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushed_values_are_kept_in_order),
		cmocka_unit_test(arrays_are_appended_also_empty_ones),
		cmocka_unit_test(a_push_that_fails_leaves_the_vector_as_it_was),
		cmocka_unit_test(sizes_that_overflow_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
