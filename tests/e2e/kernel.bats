#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What this kernel offers is used, and what it does not is said. Under scripts/kernel-matrix.sh,
# HF_TEST_UPROBES is what the booted kernel is known to have.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
	[ "$(id -u)" -eq 0 ] || return 0
	"$ROOT/holdfast" doctor --json "$BATS_FILE_TMPDIR/doctor" -q < /dev/null || echo $? > "$BATS_FILE_TMPDIR/status"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
}

# check NAME KEY: of what doctor says.
check()
{
	/usr/bin/python3 -c 'import json, sys
print(next(c for c in json.load(open(sys.argv[1]))["checks"] if c["name"] == sys.argv[2])[sys.argv[3]])' \
		"$BATS_FILE_TMPDIR/doctor" "$@"
}

@test "nothing that holdfast needs is missing" {
	cat "$BATS_FILE_TMPDIR/doctor"
	[ ! -e "$BATS_FILE_TMPDIR/status" ]
}

@test "doctor names the uprobes that there are" {
	text=$(check uprobes text)
	echo "$text"
	case $text in
	"${HF_TEST_UPROBES:-uprobe_multi session}"*) ;;
	"perf uprobe: "* | "uprobe_multi (before"*) [ -z "${HF_TEST_UPROBES-}" ] ;;
	*) false ;;
	esac
}

@test "doctor says what to do about what is limited" {
	/usr/bin/python3 -c 'import json, sys
for c in json.load(open(sys.argv[1]))["checks"]:
    assert c["state"] == "ok" or c["fix"], c' "$BATS_FILE_TMPDIR/doctor"
}

@test "a hunt's plan names the same uprobes" {
	cd "$BATS_TEST_TMPDIR"
	"$ROOT/holdfast" hunt --for 2s -o r -- "$OUT/targets/leaky_server" --auto > text 2> log < /dev/null || [ $? -le 2 ]
	cat text log
	used=$(sed -n 's/.*functions by \([^;]*\);.*/\1/p' text)
	case $(check uprobes text) in
	"${used:?}"*) ;;
	*) false ;;
	esac
}
