#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Those who look at a heap are killed and stopped while the target stands still for them: it goes on.
# SCAN_CYCLES=1000 for more.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: looks at a process'
	[ -x "$OUT/tests/e2e/lib/scan_loop" ] || skip 'scan_loop is not built'
}

@test "parent, guard and worker are killed and stopped at random moments: the target goes on" {
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/scan_survival.py" "$OUT/tests/e2e/lib/scan_loop" \
		"$OUT/targets/scan_counter" "${SCAN_CYCLES:-20}"
}
