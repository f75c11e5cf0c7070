/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=mmap */
/*
 * The n-th allocation fails, for every n, during a stream that calls every public function: sums hold, nothing
 * leaks, what was not kept is counted, and afterwards all goes on. Pages of blocks come from mmap.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "account/ledger/ledger.h"
#include "account/ledger/series.h"
#include "cmocka_all.h"
#include "oom.h"

#define HEAP   UINT64_C(0x555500000000)
#define MAPS   UINT64_C(0x7f0000000000)
#define BLOCKS 700

/* Declared with what they need; the rest of the arguments is passed on as it came. */
void *__real_mmap(void *address, size_t size, ...);
void *__wrap_mmap(void *address, size_t size, ...);

void *__wrap_mmap(void *address, size_t size, ...)
{
	int arguments[3];
	va_list list;

	if (oom_strikes()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	va_start(list, size);
	for (int i = 0; i < 3; i++)
		arguments[i] = va_arg(list, int);
	va_end(list);
	return __real_mmap(address, size, arguments[0], arguments[1], arguments[2], (off_t)0);
}

static void assert_fine_or_out_of_memory(int err)
{
	assert_true(err == 0 || err == -ENOMEM);
}

static void use_blocks(struct ledger *l)
{
	for (uint32_t i = 0; i < BLOCKS; i++) {
		struct ledger_alloc alloc = {.address = HEAP + i * 32,
					     .size_bytes = UINT64_C(1) << i % 36,
					     .time_ns = i,
					     .stack = i % 90 + 1,
					     .tid = i % 40 + 1};
		struct ledger_release release = {.address = alloc.address,
						 .time_ns = i + (UINT64_C(1) << i % 30),
						 .tid = alloc.tid,
						 .tentative = i % 3 == 0};

		assert_fine_or_out_of_memory(ledger_record_alloc(l, &alloc));
		if (i % 2)
			continue;
		ledger_record_free(l, &release);
		if (i % 4 == 0)
			ledger_undo_free(l, alloc.tid, alloc.address);
		if (i % 100 == 0)
			ledger_thread_exit(l, alloc.tid);
	}
}

static void use_mappings(struct ledger *l)
{
	for (uint32_t i = 0; i < 300; i++) {
		struct ledger_alloc map = {.address = MAPS + i * UINT64_C(65536),
					   .size_bytes = 40960,
					   .time_ns = i,
					   .stack = i % 20 + 1,
					   .tid = 1,
					   .class = SITE_MAPPING};
		struct ledger_release unmap = {.address = map.address + 4096,
					       .time_ns = i + 1,
					       .tid = 1,
					       .class = SITE_MAPPING,
					       .tentative = true};

		assert_fine_or_out_of_memory(ledger_record_map(l, &map));
		if (i % 3 == 0)
			ledger_record_unmap(l, &unmap, 8192);
		if (i % 6 == 0)
			ledger_undo_unmap(l, 1, unmap.address);
	}
}

static void compare_copy(const struct ledger *l)
{
	struct ledger *copy = NULL;
	int err = ledger_copy_sites(l, &copy);

	assert_fine_or_out_of_memory(err);
	if (!err)
		assert_int_equal(ledger_site_count(copy), ledger_site_count(l));
	ledger_free(copy);
}

static void any_failed_allocation_leaves_the_ledger_sound(void **state)
{
	long n = 1;

	(void)state;
	for (bool struck = true; struck; n++) {
		struct ledger *l = NULL;
		struct ledger_counts counts;
		int err;

		oom_arm(n);
		err = ledger_new(64 << 20, &l);
		if (!err) {
			use_blocks(l);
			use_mappings(l);
			compare_copy(l);
		}
		struck = oom_disarm();
		if (err) {
			assert_int_equal(err, -ENOMEM);
			continue;
		}
		assert_int_equal(ledger_verify(l), 0);
		ledger_counts(l, &counts);
		assert_int_equal(counts.allocs, BLOCKS + 300);
		/* one failure costs at most one thing of what is counted */
		assert_true(counts.refused + counts.histogram_lost <= 1);
		use_blocks(l);
		use_mappings(l);
		assert_int_equal(ledger_verify(l), 0);
		ledger_free(l);
	}
	print_message("# %ld allocations made to fail\n", n - 2);
	assert_true(n > 150);
}

static void any_failed_allocation_leaves_the_series_sound(void **state)
{
	struct ledger *l;
	uint64_t time = 0;

	(void)state;
	assert_int_equal(ledger_new(64 << 20, &l), 0);
	for (long n = 1, struck = 1; struck; n++) {
		struct series_point points[SERIES_MAX_POINTS];
		struct series *series = NULL, *copy = NULL;
		struct series_counts counts;
		int err, copied = -1;

		oom_arm(n);
		err = series_new(1 << 20, &series);
		for (int i = 0; !err && i < 300; i++) {
			struct ledger_alloc alloc = {.address = HEAP + i % 7 * 32,
						     .size_bytes = 8,
						     .time_ns = ++time,
						     .stack = 1 + i % 5,
						     .tid = 1};

			assert_fine_or_out_of_memory(ledger_record_alloc(l, &alloc));
			assert_fine_or_out_of_memory(series_sample(series, l, NULL, time));
		}
		if (!err)
			copied = series_copy(series, &copy);
		struck = oom_disarm();
		assert_fine_or_out_of_memory(err);
		if (err)
			continue;
		assert_fine_or_out_of_memory(copied);
		series_counts(series, &counts);
		assert_int_equal(counts.samples, 300);
		assert_true(series_read(series, 1, points) > 0);
		if (!copied)
			assert_true(series_read(copy, 1, points) > 0);
		series_free(copy);
		series_free(series);
	}
	ledger_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_failed_allocation_leaves_the_ledger_sound),
		cmocka_unit_test(any_failed_allocation_leaves_the_series_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
