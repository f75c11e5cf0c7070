#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the bench makes of its measurements: ratios, spreads, names and blame. Nothing is measured here
# (tests/e2e/bench.bats does), so a wrong figure of a program, read rightly, is not found.

setup()
{
	cd "$BATS_TEST_DIRNAME/../.."
}

# holds: the Python on stdin, with the bench's modules at hand.
holds()
{
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=scripts/bench /usr/bin/python3 -
}

@test "each window is held against the bare one beside it" {
	holds <<-'END'
		from matrix import Samples, row_of
		from targets import Target, Window
		samples = Samples()
		# operations, seconds, CPU ns: the machine is half as fast in the second half
		samples.add_pair(Window(1000, 1, 1_000_000, 100, 200), Window(500, 1, 2_000_000, 300, 400))
		samples.add_pair(Window(500, 1, 1_000_000, 100, 200), Window(200, 1, 1_000_000, 500, 600))
		row = row_of(Target("t", ""), "exact", samples)
		assert row["rate"] == 350 and row["base"]["rate"] == 750
		assert round(row["change_percent"]["median"], 6) == -55
		assert round(row["change_percent"]["low"], 6) == -60 and round(row["change_percent"]["high"], 6) == -50
		assert [round(row["cpu_change_percent"][key], 6) for key in ("low", "high")] == [150, 300]
		assert [round(row["cpu_added_us"][key], 6) for key in ("low", "high")] == [3, 3]
		assert row["p50_us"] == 0.4 and row["p99_us"] == 0.5
		assert row["windows"] == 2 and row["named_s"] is None and row["named_of"] == [0, 0]
	END
}

@test "a target that did nothing is no division by zero, and no figure" {
	holds <<-'END'
		from matrix import Samples, cells_of, row_of
		from targets import Target, Window
		samples = Samples()
		samples.add_pair(Window(0, 1, 0), Window(0, 1, 0))
		row = row_of(Target("t", ""), "exact", samples)
		assert row["change_percent"] is None and row["cpu_us"] is None and row["p99_us"] is None
		assert cells_of(row)[1:5] == ["0.00", "-", "0.00", "-"]
	END
}

@test "lost blocks are right at a stack with the function, wrong at another, and without a stack neither" {
	holds <<-'END'
		from tools import right_and_wrong
		def finding(lost, *names):
		    return {"lost_count": lost, "stack": [{"function": name} for name in names]}
		findings = [finding(5, "new_session", "handle_upgrade"), finding(3, "new_session", "renew_session"), finding(9)]
		assert right_and_wrong(findings, "handle_upgrade") == (5, 3)
		assert right_and_wrong(findings, "renew_session") == (3, 5)
	END
}

@test "a name counts from the line that has it, anywhere in the stack and whole" {
	holds <<-'END'
		from tools import Hunt
		hunt = Hunt.__new__(Hunt)
		hunt.lines = [
		    (1.0, "holdfast: info: session: attached pid=7 functions=8 emulated=8 in 12.4 ms"),
		    (2.0, "holdfast: info: cli: named after 1900 ms: state=watching lost=3 stack=new_session < renew_session"),
		    (3.5, "holdfast: info: cli: named after 3400 ms: state=leaking lost=9 stack=a(b, c) < handle_upgrade < main")]
		assert hunt.named_s("handle_upgrade") == 3.5 and hunt.named_s("a(b, c)") == 3.5
		assert hunt.named_s("renew") is None
	END
}

@test "latencies of wrk and durations for people have their units" {
	holds <<-'END'
		from common import duration
		from targets import wrk_us
		said = "  Latency Distribution\n     50%  110.00us\n     75%    1.00ms\n     99%    2.50s \n"
		assert wrk_us(said, 50) == 110 and wrk_us(said, 75) == 1000 and wrk_us(said, 99) == 2.5e6
		assert [duration(us) for us in (0.123, 4700, 3.1e6)] == ["0.12 us", "4.70 ms", "3.10 s"]
	END
}

@test "every target and tool is listed, with the reason where it is missing" {
	scripts/bench.sh --list > "$BATS_TEST_TMPDIR/list"
	for name in loop-10k-1 loop-100k-2 loop-1m-16 loop-max-16 redis-jemalloc-1 redis-glibc-16 python python-web nginx clang \
		scan budget exact 'bcc memleak' heaptrack 'valgrind memcheck' 'jemalloc prof' 'tcmalloc sampling'; do
		grep -q "^  $name\( \|$\)" "$BATS_TEST_TMPDIR/list"
	done
	PATH=/nowhere /usr/bin/python3 scripts/bench/run.py --list | grep -q '^  nginx .*(nginx is not installed)$'
}

@test "what is not there is refused by name" {
	refused()
	{
		local status=0
		/usr/bin/python3 scripts/bench/run.py --list "$@" > "$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
		[ "$status" -eq 2 ]
		grep -q "no [a-z]* nonesuch" "$BATS_TEST_TMPDIR/out"
	}
	refused --targets loop-1m-1,nonesuch
	refused --tools nonesuch
	refused --rows main,nonesuch
}
