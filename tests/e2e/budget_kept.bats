#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 2
#
# The budget: what is seen, or not, however busy the machine is.

load lib/budget

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

@test "few calls: all of them are seen" { hold 3 exact --rate=500; }
@test "killed 6 times at any moment of windows: the target goes on, and no probe is left in it" {
	hold 6 killed --rate=500000 --threads=2
}
