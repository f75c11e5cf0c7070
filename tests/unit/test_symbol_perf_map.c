/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "process/symbol/perf_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmocka_all.h"
#include "oom.h"

DEFINE_CLEANUP(struct perf_map *, perf_map_free);

static int new_from(const char *text, size_t size, struct perf_map **ret)
{
	/* exactly as large as promised, so that ASan sees a byte too many */
	char *copy = malloc(size + 1);

	assert_non_null(copy);
	memcpy(copy, text, size);
	return perf_map_new(copy, size, ret);
}

static struct perf_map *map_of(const char *text)
{
	struct perf_map *map;

	assert_int_equal(new_from(text, strlen(text), &map), 0);
	return map;
}

static void assert_name(const struct perf_map *map, uint64_t address, const char *want)
{
	const char *name = "";
	uint64_t start;

	assert_true(perf_map_find(map, address, &name, &start));
	assert_string_equal(name, want);
}

static void assert_nobody(const struct perf_map *map, uint64_t address)
{
	const char *name;
	uint64_t start;

	assert_false(perf_map_find(map, address, &name, &start));
}

static void names_with_blanks_are_whole(void **state)
{
	_cleanup_(perf_map_freep) struct perf_map *map =
		map_of("7f00 20 LazyCompile:~fetch all /app/x.js:12\n8000 10 py::run:/srv/a.py\n");
	const char *name;
	uint64_t start;

	(void)state;
	assert_name(map, 0x7f00, "LazyCompile:~fetch all /app/x.js:12");
	assert_name(map, 0x800f, "py::run:/srv/a.py");
	assert_nobody(map, 0x7eff);
	assert_nobody(map, 0x7f20);
	assert_nobody(map, 0x8010);
	assert_true(perf_map_find(map, 0x7f10, &name, &start));
	assert_true(start == 0x7f00);
	assert_int_equal(perf_map_dropped(map), 0);
}

static void later_line_replaces_what_it_overlaps(void **state)
{
	_cleanup_(perf_map_freep) struct perf_map *map =
		map_of("1000 100 old\n2000 100 other\n1080 100 new\n1000 10 newest");

	(void)state;
	assert_name(map, 0x1005, "newest");
	assert_name(map, 0x1010, "old");
	assert_name(map, 0x1080, "new");
	assert_name(map, 0x10ff, "new");
	assert_name(map, 0x2050, "other");
}

static void malformed_lines_are_counted_and_skipped(void **state)
{
	_cleanup_(perf_map_freep) struct perf_map *map = map_of("zz 10 a\n"
								"10 zz b\n"
								"10 10\n"
								"10 10 \n"
								"10 0 empty\n"
								"10000000000000000 1 too_long\n"
								"ffffffffffffffff 10 wraps\n"
								"-10 10 negative\n"
								"0x 10 no_digits\n"
								"\n"
								"0x300 0X10 prefixed\r\n"
								"400 10 good");

	(void)state;
	assert_int_equal(perf_map_dropped(map), 9);
	assert_nobody(map, 0x10);
	assert_name(map, 0x300, "prefixed\r");
	assert_name(map, 0x40f, "good");
}

static void empty_and_binary_texts_are_fine(void **state)
{
	static const char binary[] = "100 10 a\0b\n\0\0\n200 10 c";
	struct perf_map *map = map_of("");

	(void)state;
	assert_nobody(map, 0);
	perf_map_free(map);
	assert_int_equal(new_from(binary, sizeof(binary) - 1, &map), 0);
	assert_name(map, 0x100, "a");
	assert_name(map, 0x200, "c");
	perf_map_free(map);
	perf_map_free(NULL);
}

static void failing_allocation_is_reported(void **state)
{
	static const char text[] = "100 10 a\n200 10 b\n";
	struct perf_map *map;
	int err;

	(void)state;
	for (long n = 1;; n++) {
		char *copy = malloc(sizeof(text));

		assert_non_null(copy);
		memcpy(copy, text, sizeof(text));
		oom_arm(n);
		err = perf_map_new(copy, sizeof(text) - 1, &map);
		if (!oom_disarm())
			break;
		if (!err)
			perf_map_free(map);
		else
			assert_int_equal(err, -ENOMEM);
	}
	assert_int_equal(err, 0);
	perf_map_free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_with_blanks_are_whole),
		cmocka_unit_test(later_line_replaces_what_it_overlaps),
		cmocka_unit_test(malformed_lines_are_counted_and_skipped),
		cmocka_unit_test(empty_and_binary_texts_are_fine),
		cmocka_unit_test(failing_allocation_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
