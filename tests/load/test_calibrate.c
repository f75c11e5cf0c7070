// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a probe hit costs is measured, by each way to attach, and kept. What this cannot find: figures that are a little
 * wrong; tests/e2e/cost.bats holds the estimate made from them against a target's CPU time.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/probe/calibrate.h"
#include "cmocka_all.h"

static struct probe *load_probe(enum probe_way way)
{
	struct probe_options options = {.ring_bytes = 64u << 10, .test_way = way};
	struct hf_error error = HF_ERROR_INIT;
	struct probe *probe = NULL;

	assert_int_equal(probe_new(&options, &probe, &error), 0);
	error_done(&error);
	return probe;
}

static void measures_by(enum probe_way way)
{
	struct probe_costs costs = {0}, kept = {0};
	struct probe *probe;
	uint64_t began_ns;

	if (geteuid())
		skip_because("needs root: attaches probes");
	probe = load_probe(way);
	if (probe_way(probe) != way) {
		probe_free(probe);
		skip_because("no %s here", probe_way_name(way));
	}
	assert_int_equal(probe_calibrate(probe, true, &costs), 0);
	assert_true(costs.measured);
	assert_true(costs.emulated_ns > 100);
	assert_true(costs.stepped_ns > 1.5 * costs.emulated_ns);
	assert_true(costs.session_ns > 1.1 * costs.emulated_ns);
	assert_true(costs.return_ns > 1.1 * costs.emulated_ns);
	assert_true(costs.nop5_ns < 1.5 * costs.emulated_ns);
	assert_true(costs.session_entry_only_ns < costs.session_ns);
	assert_true(costs.bare_syscall_ns > 20);
	/* Who was probed for it is gone. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	began_ns = clock_now_ns();
	assert_int_equal(probe_calibrate(probe, false, &kept), 0);
	print_message("# %s: kept figures in %.2f ms\n", probe_way_name(way),
		      (double)(clock_now_ns() - began_ns) / NS_PER_MS);
	assert_true(kept.measured_at_s == costs.measured_at_s);
	assert_true(kept.emulated_ns - costs.emulated_ns < 1 &&
		    costs.emulated_ns - kept.emulated_ns < 1);
	probe_free(probe);
}

static void by_sessions(void **state)
{
	(void)state;
	measures_by(PROBE_WAY_SESSION);
}

static void by_uprobe_multi(void **state)
{
	(void)state;
	measures_by(PROBE_WAY_MULTI);
}

static void by_perf_events(void **state)
{
	(void)state;
	measures_by(PROBE_WAY_PERF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_sessions),
		cmocka_unit_test(by_uprobe_multi),
		cmocka_unit_test(by_perf_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
