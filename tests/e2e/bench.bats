#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bench works: one small row of its table, whole. The figures are bounded only where no machine and no
# load may break them.

setup_file()
{
	[ "$(id -u)" -eq 0 ] || return 0
	export ROOT="$BATS_TEST_DIRNAME/../.."
	cd "$ROOT"
	scripts/bench.sh --targets loop-10k-1 --tools 'scan,exact,bcc memleak' --seconds 0.5 --patience 45 \
		--peer 'false {pid}' --json "$BATS_FILE_TMPDIR/bench.json" > "$BATS_FILE_TMPDIR/text" < /dev/null
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	cd "$BATS_FILE_TMPDIR"
}

# row TOOL EXPRESSION: holds for that tool's row.
row()
{
	/usr/bin/python3 -c 'import json, sys
rows = [row for row in json.load(open("bench.json"))["main"] if row["tool"] == sys.argv[1]]
assert len(rows) == 1, rows
r = rows[0]
assert eval(sys.argv[2]), r' "$1" "$2"
}

@test "a row has the target's figures with and without the tool" {
	row exact 'r["target"] == "loop-10k-1" and r["windows"] == 2'
	row exact 'r["base"]["rate"] > 0 and 0 < r["rate"] < 11000 and r["cpu_us"] > r["base"]["cpu_us"] > 0'
	row exact '0 < r["base"]["p50_us"] <= r["base"]["p99_us"] and r["p50_us"] > r["base"]["p50_us"]'
	row exact 'r["cpu_change_percent"]["low"] <= r["cpu_change_percent"]["median"] <= r["cpu_change_percent"]["high"]'
	row scan '0 < r["rate"] < 11000 and r["windows"] == 2'
}

@test "a row has our own cost, and the whole run is longer than its windows" {
	row exact 'r["our_bytes"] > 4 << 20 and r["our_cpu_percent"]["median"] >= 0'
	row exact 'r["whole_s"]["median"] > 1 and r["whole_percent"]["median"] > -100'
}

@test "the leak is named, in its own function and nowhere else, and nothing is lost" {
	row exact 'r["named_of"] == [1, 1] and 0 < r["named_s"]["median"] < 60'
	row exact '0 < r["right"] <= r["leaked"] and r["wrong"] == 0 and r["lost_events"] == 0'
	row scan 'r["named_of"] == [0, 0] and r["right"] is None'
}

@test "a tool that is not there, or ends at once, is a row with the reason" {
	if ! command -v memleak-bpfcc memleak > /dev/null; then
		row 'bcc memleak' 'r["rate"] is None and "skipped: not installed" in r["notes"][0]'
	fi
	# A peer is measured without being chosen.
	[ "$(grep -c '^  false ' text)" -eq 1 ]
	row false 'r["rate"] is None and "ended" in r["notes"][0]'
}

@test "nothing is left running" {
	! ps -eo args | grep -q '[b]ench_loop --rate=10000 --threads=1'
}

@test "a target ends with what is around it" {
	command -v heaptrack > /dev/null || skip 'heaptrack is not installed'
	cd "$BATS_TEST_DIRNAME/../.."
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=scripts/bench /usr/bin/python3 - "$BATS_TEST_TMPDIR" <<-'END'
		import os, sys
		from targets import Loop
		from tools import Heaptrack
		with Loop("x", 10_000, 1).start(Heaptrack().prefix(sys.argv[1])) as running:
		    assert running.pid != running.process.pid
		    running.window(0.2)
		assert not os.path.exists(f"/proc/{running.pid}")
	END
}
