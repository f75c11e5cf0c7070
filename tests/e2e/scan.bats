#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 3
#
# One look at a process that nobody traced: what it holds by type and size, who holds it, what is lost. What this cannot
# find: wrong blocks (the unit tests of account/heap compare each with the program's own account).

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: stops other processes'
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
	export HF="$ROOT/holdfast"
	cd "$BATS_TEST_TMPDIR"
}

teardown()
{
	[ ! -e pid ] || kill -9 "$(cat pid)" 2> /dev/null || true
}

# begin PROGRAM [ARGUMENT ...]: once it is ready, its number is in the file pid.
begin()
{
	"$@" < /dev/null > said 2> /dev/null 3>&- &
	echo $! > pid
	for _ in $(seq 100); do
		! grep -q ready said || return 0
		sleep 0.1
	done
	return 1
}

# json EXPRESSION: holds for what is in report.json.
json()
{
	/usr/bin/python3 -c 'import json, sys
d = json.load(open("report.json"))
assert eval(sys.argv[1]), sys.argv[1]' "$1"
}

# refuses STATUS CODE WORD ...
refuses()
{
	local status=0 wanted=$1 code=$2
	shift 2
	"$HF" scan "$@" > out 2> err < /dev/null || status=$?
	cat err
	[ "$status" -eq "$wanted" ]
	[ ! -s out ]
	grep -q "^holdfast: \[$code\]" err
}

@test "the function whose variable holds blocks is named, in each thread and below 20 calls" {
	begin "$OUT/targets/variables"
	"$HF" scan "$(cat pid)" --json report.json > text
	cat text
	grep -q '488 KiB in 100 of 4.88 KiB .* <- a variable of keep_array in thread' text
	grep -q '391 KiB in 400 of 1000 B .* <- a variable of keep_table in the main thread' text
	json '[c["held_by"] for c in d["census"] if c["count"] in (299, 300)] == ["a variable of keep_list in the main thread"]'
	json 'd["verdict"]["state"] == "steady" and d["capture"]["mode"] == "scan"'
}

@test "what was lost before has type and size; nothing else is lost" {
	begin "$OUT/scenarios/early"
	sleep 2
	"$HF" scan "$(cat pid)" --json report.json > text
	cat text
	grep -q '^LOST' text
	json 'sum(c["lost_count"] for c in d["census"]) > 0'
	json 'd["verdict"]["state"] == "lost"'
	json 'all(not f["stack"] for f in d["findings"])'
	kill -0 "$(cat pid)"
}

@test "with --every it tells what was lost in between, and how fast" {
	begin "$OUT/scenarios/lose" --rate=50 --account --seconds=60
	"$HF" scan --every 4s "$(cat pid)" --json report.json > text
	cat text
	grep -q '^GREW     +1.* of 408 B  ' text
	json 'any(c["size"] == 408 and 150 < c["grown_count"] < 350 for c in d["census"])'
	"$HF" report report.json > again
	grep '^GREW' text | diff - <(grep '^GREW' again)
	json 'd["verdict"]["state"] == "leaking" and abs(d["verdict"]["growth_bytes_per_second"] / 20000 - 1) < 0.15'
}

@test "what can't be looked at is refused by name" {
	refuses 66 HF-E-NOPID 999999999
	refuses 64 HF-E-USAGE nobody
	refuses 64 HF-E-USAGE
	refuses 69 HF-E-UNSUPPORTED 2
	sh -c 'sleep 0 & exec sleep 5' 3>&- &
	sleep 0.5
	local zombie
	zombie=$(pgrep -P $! | head -1)
	[ -z "$zombie" ] || refuses 66 HF-E-NOPID "$zombie"
	kill $!
}

@test "a process that is traced by another is left alone" {
	command -v gdb > /dev/null || skip 'no gdb'
	begin "$OUT/targets/variables"
	gdb -q -batch -ex 'shell touch stopped; sleep 6' -p "$(cat pid)" > /dev/null 2>&1 < /dev/null 3>&- &
	local tracer=$!
	for _ in $(seq 100); do [ -e stopped ] && break; sleep 0.1; done
	refuses 69 HF-E-UNSUPPORTED "$(cat pid)"
	wait "$tracer"
	"$HF" scan "$(cat pid)" > text
}

@test "what was seen is told when the process ends before the last look" {
	begin "$OUT/scenarios/lose" --rate=50 --account --seconds=4
	"$HF" scan --every 30s "$(cat pid)" --json early.json > text 2> err || status=$?
	[ "${status:-0}" -eq 66 ]
	begin "$OUT/scenarios/lose" --rate=50 --account --seconds=8
	"$HF" scan --every 9s "$(cat pid)" --json report.json > text
	cat text
	grep -q 'no further look: process' text
	grep -q 'the process \(has \)\?ended' text
	json 'd["processes"][0]["ended"] is not None and sum(c["lost_count"] for c in d["census"]) > 100'
	rm pid
}

@test "as many blocks are lost as the program and LeakSanitizer count" {
	gcc -O1 -g -fsanitize=leak -o sanitized "$ROOT/tests/targets/lost_graph.c" || skip 'no -fsanitize=leak'
	for seed in 1 2; do
		begin "$OUT/targets/lost_graph" "--seed=$seed"
		"$HF" scan "$(cat pid)" --json report.json > text
		cat text said
		read -r _ _ _ count bytes < said
		json "sum(c['lost_count'] for c in d['census']) == $count"
		# By malloc_usable_size() they are up to 23 bytes larger.
		json "0 <= sum(c['lost_bytes'] for c in d['census']) - $bytes < 24 * $count"
		kill -9 "$(cat pid)"
		./sanitized "--seed=$seed" < /dev/null > /dev/null 2> leaks 3>&- &
		echo $! > pid
		for _ in $(seq 100); do ! grep -q SUMMARY leaks || break; sleep 0.1; done
		grep "^SUMMARY: LeakSanitizer: $bytes byte(s) leaked in $count allocation(s)" leaks
		kill -9 "$(cat pid)"
	done
}

@test "free memory inside the heap is told by size; the parts are the whole" {
	begin "$OUT/scenarios/holes" --account --seconds=60
	sleep 2
	"$HF" scan "$(cat pid)" --json report.json > text
	cat text
	grep -q '^FREE     .* holes of 128 B to 256 B' text
	grep -q 'at the ends of heaps, which malloc_trim() gives back' text
	json 'sum(s["bytes"] for s in d["memory"]["heap_free_by_size"]) + d["memory"]["heap_free_end_bytes"] == d["memory"]["heap_free_bytes"]'
	"$HF" report report.json | grep '^FREE' | diff - <(grep '^FREE' text)
}
