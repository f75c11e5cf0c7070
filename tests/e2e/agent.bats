#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 2
#
# The agent as a whole, live: what it finds, tells, keeps and survives. Each test has an agent of its own, on a free port,
# with its store in the test's folder. What takes long to happen runs beside the rest.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
	[ "$(id -u)" -eq 0 ] || return 0
	for slow in leak thresholds oom killed_target cleared_restart; do
		mkdir "$BATS_FILE_TMPDIR/$slow"
		(status=0; live "$slow" "$BATS_FILE_TMPDIR/$slow" > "$BATS_FILE_TMPDIR/$slow.out" 2>&1 || status=$?
			echo "$status" > "$BATS_FILE_TMPDIR/$slow.rc") < /dev/null 3>&- &
	done
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: watches and traces processes'
}

# live CASE [FOLDER]
live()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/agent_cases.py" --holdfast "$ROOT/holdfast" \
		--targets "$OUT/targets" --scratch "${2:-$BATS_TEST_TMPDIR}" "$1"
}

# ended CASE: one of those that setup_file has started.
ended()
{
	for _ in $(seq 1200); do
		[ ! -s "$BATS_FILE_TMPDIR/$1.rc" ] || break
		sleep 0.1
	done
	[ "$(cat "$BATS_FILE_TMPDIR/$1.rc")" -ne 77 ] || skip "$(cat "$BATS_FILE_TMPDIR/$1.out")"
	cat "$BATS_FILE_TMPDIR/$1.out"
	[ "$(cat "$BATS_FILE_TMPDIR/$1.rc")" -eq 0 ]
}

@test "a wrong configuration at start: exit 78, and every error with its line and column" {
	live wrong_start
}

@test "an address in use: exit 73" {
	live address_in_use
}

@test "SIGTERM ends it in order while it traces, and leaves nothing behind" {
	live end
}

@test "a wrong file leaves the old configuration in force and is told whole; a right one holds at once" {
	live reload
}

@test "a reload that fails at its end leaves nothing of the new configuration in force" {
	live failed_reload
}

@test "other addresses than loopback need a token; foreign hosts and pages, and what is not understood, are refused" {
	live refusals
}

@test "a stream of events is live, and goes on from the last id without loss or doubles" {
	live stream
}

@test "events of a time: all of them and no others, page by page, in both directions" {
	live event_times
}

@test "a session answers when its target is traced, and ends with peak, report, snapshots and chart" {
	live session
}

@test "a session where nothing is traced has its gauges, and says that there is no report" {
	live session_basic
}

@test "all metrics of a Python program that was traced are there, as Prometheus reads them" {
	live metrics
}

@test "collections of a Python program that is not traced are counted, as long as that is wanted" {
	live gc_counts
}

@test "components by thread, by the configuration's file: what threads of such names have allocated" {
	live threads
}

@test "the example for an assistant in Python, as it is printed, tells what its five managers hold" {
	live example
}

@test "a target that a reload gives another name and rule has them in the store, too" {
	live renamed
}

@test "the processes of the agent itself are no targets, whatever a rule says" {
	live own
}

@test "each of enabled_backends switches what it names: what is off is not there, and a report says so" {
	live backends
}

@test "heaps are looked at as the mode says: never, on suspicion, where growth persists" {
	live scans
}

@test "a damaged store is set aside and told, and the agent goes on" {
	live damaged
}

@test "killed again and again under load: what was shown stays, targets are untouched, nothing is left over" {
	live killed
}

@test "thousands of short-lived processes: it stays up, and small" {
	live storm
}

@test "thresholds: told once, bad health, an alert; over when the memory is given back" {
	ended thresholds
}

@test "a leak is found without being asked for, with its line; cleared, it comes back with new evidence only" {
	ended leak
}

@test "a cleared leak does not come back after a restart of the agent, but with new evidence" {
	ended cleared_restart
}

@test "the kernel kills a target for memory: told with what it held, its growth and leaks; its last profile comes" {
	ended oom
}

@test "a traced target is killed: its last report comes, and its leaks stay known" {
	ended killed_target
}
