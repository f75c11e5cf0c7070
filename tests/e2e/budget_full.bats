#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The budget where a target takes all CPUs, and where a stop is long: nothing may run beside these.

load lib/budget

# bats test_tags=slow
@test "many threads, as fast as they go: the leak is told all the same" {
	hold 30 leak --rate=0 --threads=4 --leak=cold
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
