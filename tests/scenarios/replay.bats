#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Scenarios that were recorded, reported anew: what is said of each is what its row of table.tsv says, and nobody
# is accused who loses nothing. The pace of the machine is that of the recording: only changes of the code change the words.

setup()
{
	cd "$BATS_TEST_DIRNAME/../.."
	[ -x ./holdfast ] || skip './holdfast is not built'
}

@test "each recording says what is true of its program" {
	/usr/bin/python3 tests/scenarios/run.py --replay tests/scenarios/recordings --jobs 2
}

@test "they are many, and small" {
	[ "$(ls tests/scenarios/recordings/*.hfrec | wc -l)" -ge 25 ]
	for file in tests/scenarios/recordings/*.hfrec; do
		[ "$(stat -c %s "$file")" -le 65536 ] || { echo "$file is too large"; false; }
	done
	[ "$(cat tests/scenarios/recordings/*.hfrec | wc -c)" -le 1500000 ]
}

@test "a wrong word in a recording's report is found" {
	mkdir "$BATS_TEST_TMPDIR/wrong"
	cp tests/scenarios/recordings/lose_linear.hfrec "$BATS_TEST_TMPDIR/wrong/lose_none.hfrec"
	run /usr/bin/python3 tests/scenarios/run.py --replay "$BATS_TEST_TMPDIR/wrong"
	[ "$status" -eq 1 ]
	[[ "$output" == *"leaking, not steady"* ]]
}
