/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small interpreter made by hand (pyheap_image.h): what is told of it, and what of one that is damaged or forged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/pyheap/census.h"
#include "cmocka_all.h"
#include "pyheap_image.h"

static struct image image;
static uint64_t main_dict;
static struct py_heap heap;
static struct pyheap_snapshot told;

static int setup(void **state)
{
	(void)state;
	image_init(&image, &main_dict);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	py_census_done(&told);
	py_heap_done(&heap);
	free(image.bytes);
	return 0;
}

static int examine(void)
{
	static struct python_runtime runtime;

	runtime = image_runtime();
	told = (struct pyheap_snapshot){0};
	image_load(&heap, &runtime, image.bytes, IMAGE_BYTES);
	return py_examine(&heap, true, true, &told);
}

static const struct pyheap_type *type(const char *name)
{
	for (size_t i = 0; i < told.type_count; i++)
		if (!strcmp(told.types[i].name, name))
			return &told.types[i];
	return NULL;
}

static void objects_are_counted_with_what_holds_them(void **state)
{
	uint64_t points[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		points[i] = image_point(&image, 1, 0, 0);
	image_set_item(&image, main_dict, "SHAPES", image_list(&image, 1, points, 3));
	assert_int_equal(examine(), 0);
	assert_int_equal(told.interpreters, 1);
	assert_int_equal(type("shapes.Point")->count, 3);
	assert_int_equal(type("shapes.Point")->tracked, 3);
	assert_int_equal(type("shapes.Point")->bytes, 3 * (32 + 16));
	assert_string_equal(type("shapes.Point")->ways[0].path, "__main__.SHAPES[*]");
	assert_int_equal(type("list")->bytes, 40 + 16 + 3 * 8);
	assert_string_equal(type("list")->ways[0].path, "__main__.SHAPES");
	assert_null(type("cell"));
	/* Without pools nothing is called unreachable. */
	assert_false(told.complete);
	assert_non_null(strstr(told.reason, "PYTHONMALLOC"));
}

static void circles_and_references_too_many_are_told_apart(void **state)
{
	uint64_t a, b, lost, held;

	(void)state;
	image_make_pool(&image, 1, 2);
	a = image_point(&image, 1, 0, 0);
	b = image_point(&image, 1, a, 0);
	image_put(&image, a + 16, b);
	held = image_point(&image, 1, 0, 0);
	lost = image_point(&image, 2, held, 0);
	image_put(&image, lost + 24, lost); /* one reference is its own, and one is nobody's */
	assert_int_equal(examine(), 0);
	assert_true(told.complete);
	assert_int_equal(told.unreachable_count, 4);
	assert_int_equal(type("shapes.Point")->unreachable_count, 4);
	assert_int_equal(type("shapes.Point")->overcounted_count, 2);
	assert_int_equal(type("shapes.Point")->overcounted_itself, 1);
	assert_null(type("shapes.Point")->ways[0].path);
}

static void a_word_outside_of_objects_holds_what_it_points_to(void **state)
{
	uint64_t point, memory;

	(void)state;
	image_make_pool(&image, 1, 2);
	point = image_point(&image, 1, 0, 0);
	memory = image_take(&image, 64);
	image_put(&image, memory + 24, point);
	assert_int_equal(examine(), 0);
	assert_int_equal(told.unreachable_count, 0);
	assert_string_equal(type("shapes.Point")->ways[0].path, "<native memory>");
}

static void pools_are_believed_only_if_their_books_are_right(void **state)
{
	(void)state;
	image_make_pool(&image, 5, 9);
	assert_int_equal(examine(), 0);
	assert_int_equal(told.pools.pools, 1);
	assert_int_equal(told.pools.used_blocks, 5);
	assert_int_equal(told.pools.used_bytes, 5 * 32);
	assert_int_equal(told.pools.free_bytes, (510 - 5) * 32);
	assert_int_equal(told.pools.damaged, 0);
}

static void a_pool_whose_free_list_is_a_circle_is_left_out(void **state)
{
	uint64_t block = IMAGE_POOL + PYTHON_POOL_HEAD + 32 * 8;

	(void)state;
	image_make_pool(&image, 5, 9);
	image_put(&image, block, block);
	assert_int_equal(examine(), 0);
	assert_int_equal(told.pools.pools, 0);
	assert_int_equal(told.pools.damaged, 1);
	assert_false(told.complete);
}

static void a_copy_of_a_pool_is_none(void **state)
{
	(void)state;
	image_make_pool(&image, 5, 9);
	/* A copy of a pool, as in a buffer: its free blocks lie in the first one. */
	memcpy(image.bytes + (IMAGE_POOL - IMAGE_BASE) + PYTHON_POOL_BYTES,
	       image.bytes + (IMAGE_POOL - IMAGE_BASE), PYTHON_POOL_BYTES);
	assert_int_equal(examine(), 0);
	assert_int_equal(told.pools.pools, 1);
	assert_int_equal(told.pools.damaged, 1);
}

static void lists_that_are_not_whole_are_an_error(void **state)
{
	uint64_t point;

	(void)state;
	point = image_point(&image, 1, 0, 0);
	image_point(&image, 1, 0, 0);
	image_put(&image, point - 8, IMAGE_FREE);
	assert_int_equal(examine(), -EUCLEAN);
}

static void a_circle_in_a_list_is_an_error(void **state)
{
	uint64_t first, second;

	(void)state;
	first = image_point(&image, 1, 0, 0);
	second = image_point(&image, 1, 0, 0);
	image_put(&image, second - 16, first - 16);
	image_put(&image, first - 8, second - 16);
	assert_int_equal(examine(), -EUCLEAN);
}

static void a_collection_under_way_is_waited_for(void **state)
{
	(void)state;
	image_put(&image, IMAGE_INTERPRETER + 648 + PYTHON_GC_COLLECTING, 1);
	assert_int_equal(examine(), -EAGAIN);
}

static void no_interpreter_is_an_error(void **state)
{
	(void)state;
	image_put(&image, IMAGE_RUNTIME + 40, 0);
	assert_int_equal(examine(), -ESRCH);
}

/* A count that no list has: all of memory, again and again. */
static void lists_that_share_all_of_memory_end_the_walk(void **state)
{
	uint64_t list;

	(void)state;
	for (int i = 0; i < 400; i++) {
		list = image_list(&image, 1, NULL, 0);
		image_put(&image, list + PYTHON_OBJECT_COUNT, 1u << 30);
		image_put(&image, list + PYTHON_LIST_ITEMS, IMAGE_BASE);
	}
	image_make_pool(&image, 1, 2);
	(void)examine();
	assert_true(heap.steps < 1ull << 33);
}

static void garbage_in_place_of_memory_does_no_harm(void **state)
{
	uint64_t points[2], random = 88172645463325252ull;

	(void)state;
	points[0] = image_point(&image, 1, 0, 0);
	points[1] = image_point(&image, 1, points[0], 0);
	image_set_item(&image, main_dict, "SHAPES", image_list(&image, 1, points, 2));
	image_make_pool(&image, 5, 9);
	for (int round = 0; round < 300; round++) {
		uint8_t saved[IMAGE_BYTES / 4];

		memcpy(saved, image.bytes, sizeof(saved));
		for (int i = 0; i < 8; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			image_put(&image, IMAGE_BASE + random % sizeof(saved) / 8 * 8,
				  random >> 60 ? IMAGE_BASE + (random >> 20) % IMAGE_BYTES
					       : random);
		}
		(void)examine();
		py_census_done(&told);
		py_heap_done(&heap);
		memcpy(image.bytes, saved, sizeof(saved));
	}
	assert_int_equal(examine(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(objects_are_counted_with_what_holds_them, setup,
						teardown),
		cmocka_unit_test_setup_teardown(circles_and_references_too_many_are_told_apart,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_word_outside_of_objects_holds_what_it_points_to,
						setup, teardown),
		cmocka_unit_test_setup_teardown(pools_are_believed_only_if_their_books_are_right,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_pool_whose_free_list_is_a_circle_is_left_out,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_of_a_pool_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_that_are_not_whole_are_an_error, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_circle_in_a_list_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_collection_under_way_is_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_interpreter_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_that_share_all_of_memory_end_the_walk, setup,
						teardown),
		cmocka_unit_test_setup_teardown(garbage_in_place_of_memory_does_no_harm, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
