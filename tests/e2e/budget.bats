#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The budget: a target that allocates too often to be seen all the time is seen in windows, and where it calls malloc
# rarely, at those calls. It loses 20 blocks a second among up to a million allocations.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	"$ROOT/holdfast" doctor | grep -q 'uprobes *uprobe_multi' || skip 'windows need uprobe_multi (kernel 6.6)'
}

# hold SECONDS CHECK [ARGUMENT ...]: see lib/budget.py.
hold()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/budget.py" "$ROOT/holdfast" "$OUT/tests/bench/bench_loop" "$@"
}

@test "few calls: all of them are seen" { hold 3 exact --rate=500; }
# bats test_tags=slow
@test "many calls: a leak behind a rare call is told by it" { hold 9 leak --rate=1000000 --leak=cold; }
# bats test_tags=slow
@test "many calls: a leak behind a wrapper that is called often is told by its rare caller" {
	hold 9 leak --rate=1000000 --leak=caller
}
@test "many calls: a leak behind a call that is made often is told by samples" {
	hold 22 leak --rate=1000000 --leak=hot
}
# bats test_tags=slow
@test "many threads, as fast as they go: the leak is told all the same" {
	hold 30 leak --rate=0 --threads=4 --leak=cold
}
# bats test_tags=slow
@test "counts are estimated without bias where windows do not slow the target down" {
	hold 8 estimates --rate=8000
}
@test "killed 6 times at any moment of windows: the target goes on, and no probe is left in it" {
	hold 6 killed --rate=500000 --threads=2
}

# A stop of a fifth of a second is more than twice what five seconds allow; there is none for half a minute then.
# bats test_tags=slow
@test "one look at a large heap is not twice the budget" {
	/usr/bin/python3 -c 'import sys; held = [bytes(700) for _ in range(1500000)]; print("ready", flush=True); sys.stdin.read()' \
		< <(sleep 60) > "$BATS_TEST_TMPDIR/out" 3>&- &
	local pid=$! status=0

	until grep -q ready "$BATS_TEST_TMPDIR/out"; do sleep 0.1; done
	"$ROOT/holdfast" hunt "$pid" --for 7s --max-stop 2s --json "$BATS_TEST_TMPDIR/report" --html /dev/null || status=$?
	kill "$pid"
	echo "exit $status, $(grep -o '"stop_ms_max":[0-9.]*' "$BATS_TEST_TMPDIR/report")"
	[ "$status" -eq 0 ] || [ "$status" -eq 2 ]
}

# bats test_tags=slow
@test "children that are soon over are not stopped for looks at their heaps" {
	/usr/bin/python3 - > "$BATS_TEST_TMPDIR/out" 3>&- <<-'PYTHON' &
	import subprocess, sys, time
	print("ready", flush=True)
	for _ in range(8):
	    subprocess.run([sys.executable, "-c", "import time; held = [bytes(700) for _ in range(100000)]; time.sleep(0.5)"])
	time.sleep(30)
	PYTHON
	local pid=$! status=0

	until grep -q ready "$BATS_TEST_TMPDIR/out"; do sleep 0.1; done
	# At 0.1 % even a Python that has only begun is too young for 4 s: no child lives so long, on whatever machine.
	"$ROOT/holdfast" hunt "$pid" --for 9s --budget 0.1 --log-level debug --json "$BATS_TEST_TMPDIR/report" --html /dev/null \
		2> "$BATS_TEST_TMPDIR/log" || status=$?
	kill "$pid"
	grep 'was seen' "$BATS_TEST_TMPDIR/log"
	grep -q "heap of pid $pid was seen" "$BATS_TEST_TMPDIR/log"
	! grep 'was seen' "$BATS_TEST_TMPDIR/log" | grep -v "pid $pid "
}

# bats test_tags=slow
@test "a fork's leak is not blamed on what it inherited and released unseen" {
	/usr/bin/python3 "$ROOT/tests/scenarios/run.py" --holdfast "$ROOT/holdfast" --hunt=--budget=0.5 child_lost
}
