#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# NAME.events (see make_recording.c) -> recording -> report, as text and as JSON: exactly NAME.expected.
# After a change that is meant: HF_GOLDEN_WRITE=1 bats tests/golden/golden.bats, and read the diff.

setup() {
	export LC_ALL=C.UTF-8 TERM=dumb
	make=.output/tests/golden/make_recording
	[ -x "$make" ] || skip "$make is not built"
}

# Text and JSON, without the version.
show() {
	./holdfast report "$1" | sed 's/^holdfast [0-9.]* /holdfast VERSION /; s/cut off after [0-9]* bytes/cut off after N bytes/'
	./holdfast report "$1" --json - | sed 's/"version":"[0-9.]*"/"version":"VERSION"/; s/cut off after [0-9]* bytes/cut off after N bytes/'
}

compare() {
	expected=tests/golden/$1.expected
	"$make" "tests/golden/$1.events" "$BATS_TEST_TMPDIR/$1.hfrec"
	show "$BATS_TEST_TMPDIR/$1.hfrec" >"$BATS_TEST_TMPDIR/$1.out"
	[ -z "${HF_GOLDEN_WRITE:-}" ] || cp "$BATS_TEST_TMPDIR/$1.out" "$expected"
	diff -u "$expected" "$BATS_TEST_TMPDIR/$1.out"
}

@test "growth: a block a second is found, its steady neighbour is not accused" { compare growth; }
@test "realloc that failed: the block stays its owner's" { compare realloc_undone; }
@test "realloc(p, 0) frees" { compare realloc_to_nothing; }
@test "munmap of head, tail and middle leaves the rest" { compare munmap_parts; }
@test "mremap moves a mapping to its new site" { compare mremap_move; }
@test "fork: parent and child each free their own" { compare fork_inherits; }
@test "exec: what was held before is not held any more" { compare exec_clears; }
@test "a lost free: the address belongs to the newer block" { compare lost_free; }
@test "munmap that failed gives the range back" { compare unmap_undone; }
@test "a private allocator is called by its name" { compare custom_allocator; }
@test "what one place holds is summed up over all ways to it" { compare two_ways; }
@test "losses are shown with their reason" { compare losses_shown; }
@test "lost by looks and growing: leaking, with its stack and its type" { compare lost_and_growing; }
@test "lost in one go and none since: lost, not leaking" { compare lost_once; }
@test "called lost and then freed: the looks are not believed, nobody is accused" { compare lost_then_freed; }
@test "lost before attach: type and size, without a stack" { compare untraced_lost; }
@test "rings that are lost: who is in them only follows" { compare lost_ring; }
@test "a recording that was cut off is reported with a note" { compare truncated; }

@test "every text here is compared, and has lines to compare with" {
	for events in tests/golden/*.events; do
		name=$(basename "$events" .events)
		grep -q "{ compare $name; }" tests/golden/golden.bats || { echo "$name is not compared"; false; }
		[ -s "tests/golden/$name.expected" ]
	done
}

@test "diff reads recordings: growth against itself shows no change" {
	"$make" tests/golden/growth.events "$BATS_TEST_TMPDIR/a.hfrec"
	run ./holdfast diff "$BATS_TEST_TMPDIR/a.hfrec" "$BATS_TEST_TMPDIR/a.hfrec"
	[ "$status" -eq 0 ]
	[[ "$output" == *"2 same, 0 new, 0 grew"* ]]
}

@test "cut off at any byte: a report with a note, or a plain refusal; never a crash" {
	"$make" tests/golden/fork_inherits.events "$BATS_TEST_TMPDIR/whole.hfrec"
	size=$(stat -c %s "$BATS_TEST_TMPDIR/whole.hfrec")
	reports=0
	for cut in $(seq 0 7 $((size - 1))); do
		head -c "$cut" "$BATS_TEST_TMPDIR/whole.hfrec" >"$BATS_TEST_TMPDIR/cut.hfrec"
		run ./holdfast report "$BATS_TEST_TMPDIR/cut.hfrec"
		[ "$status" -eq 0 ] || [ "$status" -eq 65 ] || { echo "$cut: $status $output"; false; }
		[ "$status" -ne 0 ] || { [[ "$output" == *"the recording is cut off after"* ]] && reports=$((reports + 1)); }
	done
	[ "$reports" -gt 10 ]
}
