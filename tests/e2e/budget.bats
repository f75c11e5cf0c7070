#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 2
#
# The budget: a target that allocates too often to be seen all the time is seen in windows, and where it calls malloc
# rarely, at those calls. It loses 20 blocks a second among up to a million allocations. These targets and windows leave
# most of a machine's time alone: two are looked at at once, and nothing else. Those that take longest begin.

load lib/budget

@test "many calls: a leak behind a call that is made often is told by samples" {
	hold 22 leak --rate=1000000 --leak=hot
}
# bats test_tags=slow
@test "many calls: a leak behind a rare call is told by it" { hold 9 leak --rate=1000000 --leak=cold; }
# bats test_tags=slow
@test "many calls: a leak behind a wrapper that is called often is told by its rare caller" {
	hold 9 leak --rate=1000000 --leak=caller
}
# bats test_tags=slow
@test "counts are estimated without bias where windows do not slow the target down" {
	hold 8 estimates --rate=8000
}
