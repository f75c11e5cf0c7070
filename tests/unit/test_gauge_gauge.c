/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build: -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc */
#include "account/gauge/gauge.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "oom.h"

static void add(struct gauge *gauge, uint64_t time_ns)
{
	struct sample sample = {.time_ns = time_ns, .rss_bytes = time_ns * 2};

	assert_int_equal(gauge_add(gauge, &sample), 0);
}

static void samples_come_back_in_order(void **state)
{
	struct gauge *gauge;

	(void)state;
	assert_int_equal(gauge_new(10, &gauge), 0);
	for (uint64_t i = 0; i < 10; i++)
		add(gauge, i);
	assert_int_equal(gauge_count(gauge), 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(gauge_at(gauge, i)->rss_bytes, i * 2);
	assert_null(gauge_at(gauge, 10));
	gauge_free(gauge);
	gauge_free(NULL);
}

static void a_full_gauge_keeps_its_span_and_loses_resolution(void **state)
{
	(void)state;
	for (size_t capacity = 4; capacity < 20; capacity++) {
		struct gauge *gauge;

		assert_int_equal(gauge_new(capacity, &gauge), 0);
		for (uint64_t i = 0; i < 1000; i++) {
			add(gauge, 100 + i);
			assert_true(gauge_count(gauge) <= capacity);
			assert_int_equal(gauge_at(gauge, 0)->time_ns, 100);
			assert_int_equal(gauge_at(gauge, gauge_count(gauge) - 1)->time_ns, 100 + i);
			for (size_t k = 1; k < gauge_count(gauge); k++)
				assert_true(gauge_at(gauge, k)->time_ns >
					    gauge_at(gauge, k - 1)->time_ns);
		}
		assert_true(gauge_count(gauge) >= capacity / 2);
		gauge_free(gauge);
	}
}

static void time_does_not_go_back(void **state)
{
	struct sample earlier = {.time_ns = 4};
	struct gauge *gauge;

	(void)state;
	assert_int_equal(gauge_new(4, &gauge), 0);
	add(gauge, 5);
	assert_int_equal(gauge_add(gauge, &earlier), -EINVAL);
	assert_int_equal(gauge_count(gauge), 1);
	gauge_free(gauge);
}

static void a_capacity_that_cannot_be_is_an_error(void **state)
{
	struct gauge *gauge = NULL;

	(void)state;
	assert_int_equal(gauge_new(0, &gauge), -EINVAL);
	assert_int_equal(gauge_new(3, &gauge), -EINVAL);
	assert_int_equal(gauge_new(SIZE_MAX, &gauge), -ENOMEM);
	oom_arm(1);
	assert_int_equal(gauge_new(100, &gauge), -ENOMEM);
	assert_true(oom_disarm());
	assert_null(gauge);
}

static void a_process_is_read(void **state)
{
	struct sample quick, full;

	(void)state;
	assert_int_equal(gauge_read(getpid(), 123, false, &quick), 0);
	assert_int_equal(quick.time_ns, 123);
	assert_true(quick.rss_bytes > 0 && quick.vms_bytes >= quick.rss_bytes);
	assert_true(quick.minor_faults > 0);
	assert_false(quick.full);
	assert_int_equal(gauge_read(getpid(), 124, true, &full), 0);
	assert_true(full.full);
	assert_true(full.pss_bytes > 0 && full.uss_bytes > 0 && full.uss_bytes <= full.pss_bytes);
	assert_true(full.rss_anon_bytes > 0);
}

static void a_process_that_is_gone_is_told(void **state)
{
	struct sample sample = {.time_ns = 77};
	pid_t child = fork();

	(void)state;
	if (!child)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(gauge_read(child, 1, false, &sample), -ESRCH);
	assert_int_equal(sample.time_ns, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_come_back_in_order),
		cmocka_unit_test(a_full_gauge_keeps_its_span_and_loses_resolution),
		cmocka_unit_test(time_does_not_go_back),
		cmocka_unit_test(a_capacity_that_cannot_be_is_an_error),
		cmocka_unit_test(a_process_is_read),
		cmocka_unit_test(a_process_that_is_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
