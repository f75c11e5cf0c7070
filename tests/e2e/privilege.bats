#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What agent, broker and jobs hold of privileges, as the kernel tells it; that all works with no more, also where root has
# started nothing; and the unit for systemd. What each list of system calls refuses is tests/unit/test_agent_confine.c's.

setup()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
	UNIT="$ROOT/scripts/holdfast.service"
}

# live CASE
live()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: watches and traces processes'
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/privilege_cases.py" --holdfast "$ROOT/holdfast" \
		--targets "$OUT/targets" --scratch "$BATS_TEST_TMPDIR" --unit "$UNIT" "$1"
}

# needs PROGRAM...
needs()
{
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip "there is no $program here"
	done
}

@test "root starts it: the agent holds nothing, broker and job what they need, and all that it does works" {
	live root
}

@test "the broker, which may know programs, says by which rule a process is watched" {
	live rules
}

@test "as another user: the store is that user's, and what only root may read is read anew all the same" {
	live user
}

@test "a user that is not there: exit 78" {
	live no_such_user
}

@test "another user's ambient capabilities suffice for all: leaks of others' processes, collections" {
	needs setpriv
	live ambient
}

@test "so do capabilities of the file" {
	needs setpriv setcap
	live file_capabilities
}

@test "without any capability it watches, and says that it may not trace" {
	needs setpriv
	live plain_user
}

@test "systemd rates the unit's exposure at 2.5 or less" {
	needs systemd-analyze
	run systemd-analyze security --offline=true "$UNIT"
	echo "$output"
	level=$(echo "$output" | sed -n 's/.*Overall exposure level for holdfast.service: \([0-9.]*\).*/\1/p')
	[ -n "$level" ]
	awk -v level="$level" 'BEGIN { exit !(level > 0 && level <= 2.5) }'
}

@test "with the unit's capabilities, system calls and read-only file system it works" {
	needs setpriv systemd-analyze unshare
	live unit
}

@test "make install puts the unit in place, with the program's path" {
	make -C "$ROOT" -s install DESTDIR="$BATS_TEST_TMPDIR/root" PREFIX=/opt/hf
	grep -qx 'ExecStart=/opt/hf/bin/holdfast agent --config /etc/holdfast/agent.yaml' \
		"$BATS_TEST_TMPDIR/root/opt/hf/lib/systemd/system/holdfast.service"
}
