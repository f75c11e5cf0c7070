/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long CPUs were idle. */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "process/proc/machine.h"

static int parse(const char *text, uint64_t *ret)
{
	return machine_parse_idle(text, strlen(text), ret);
}

static void idle_and_waiting_for_disks_are_summed(void **state)
{
	uint64_t ticks = 0;

	(void)state;
	assert_int_equal(parse("cpu  10 20 30 400 5 6 7 8 0 0\ncpu0 1 2 3 4 5\n", &ticks), 0);
	assert_int_equal(ticks, 405);
}

static void another_text_is_none(void **state)
{
	static const char *const texts[] = {
		"", "cpu", "cpu0 1 2 3 4 5\n", "cpu 1 2 3 4", "cpu 1 2 3 x 5", "cpu 1 2 3 4y 5"};
	uint64_t ticks = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(parse(texts[i], &ticks), -EBADMSG);
	assert_int_equal(ticks, 77);
}

static void it_is_no_more_than_all_cpus_had(void **state)
{
	struct timespec gap = {0, 200000000};
	uint64_t before, after, from = clock_now_ns(), passed;

	(void)state;
	assert_int_equal(machine_idle_ns(&before), 0);
	nanosleep(&gap, NULL);
	assert_int_equal(machine_idle_ns(&after), 0);
	passed = clock_now_ns() - from;
	assert_true(after >= before);
	assert_true(after - before <= (passed + NS_PER_S) * 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_and_waiting_for_disks_are_summed),
		cmocka_unit_test(another_text_is_none),
		cmocka_unit_test(it_is_no_more_than_all_cpus_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
