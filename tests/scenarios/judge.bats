#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.py's judgement of a report, which the scenarios rest on: it accepts a right report, and finds
# each thing that can be wrong with one. The programs are not run here (make scenarios does).

# judged TRUTH EXPRESSION: what is said of a report that is right of a row of that truth, after the
# EXPRESSION changed it (f: its first finding, v: its verdict, row, account).
judged()
{
	cd "$BATS_TEST_DIRNAME/../.."
	PYTHONPATH=tests/scenarios /usr/bin/python3 - "$1" "$2" <<-'END'
		import copy, os, sys
		import run
		truth = sys.argv[1]
		state = dict(leak="leaking", lost="lost", innocent="steady")[truth]
		own = os.path.join(run.PROGRAMS, "x")
		f = dict(state=state, growth_bytes_per_second=100.0, growth_interval=[95, 105], lost_count=100, evidence=[], stack=[
		    dict(function="wrap", module="libc.so.6"), dict(function="spill(int)", module=own),
		    dict(function="main", module=own)])
		v = dict(state=state, confidence=1, growth_bytes_per_second=100.0, growth_interval=[95, 105])
		report = dict(verdict=v, findings=[f], memory=dict(rss_bytes=1))
		if truth == "innocent":
		    report["findings"].clear()
		row = run.parse_row(f"x\tc\tx\t1\t60\t{truth}\t{state}\t" +
		                    {"leak": "spill\t100", "lost": "-\t-", "innocent": "-\t-"}[truth], "here")
		account = [(10.0, 0), (11.0, 100), (20.0, 1000)]
		status = 0 if truth == "innocent" else 1
		exec(sys.argv[2])
		result = run.judge(row, report, status, account)
		print("; ".join(result["wrong"]) or "right", end="")
		print(", false leaking" if result["false_leaking"] else "", end="")
		print(", recalled" if result["recalled"] else "", end="")
		print(", not covered" if result["covered"] is False else "")
	END
}

@test "a right report is right" {
	[ "$(judged leak pass)" = "right, recalled" ]
	[ "$(judged lost pass)" = "right, recalled" ]
	[ "$(judged innocent pass)" = right ]
}

@test "a state that is not true is wrong" {
	[ "$(judged leak 'v["state"] = "growing"; status = 2')" = "growing, not leaking" ]
	[ "$(judged innocent 'v["state"] = "watching"; status = 2')" = "watching, not steady" ]
	[ "$(judged leak 'status = 2')" = "leaking, but exit 2, recalled" ]
	[ "$(judged innocent 'status = 1')" = "steady, but exit 1" ]
}

@test "in windows a line may not have been sampled yet, if the report says so; a rate may be off within its interval" {
	local unsampled='f["stack"] = []; f["evidence"] = [dict(kind="unsampled")]'

	[ "$(judged leak "$unsampled")" = right ]
	[[ "$(judged leak 'f["stack"] = []')" == "names None, not spill"* ]]
	[ "$(judged leak 'f.update(growth_bytes_per_second=150.0, growth_interval=[90, 210]); report["capture"] = dict(windows=9)')" = \
		"right, recalled" ]
	[[ "$(judged leak 'f.update(growth_bytes_per_second=150.0, growth_interval=[90, 210])')" == "rate off by +50.0 %"* ]]
}

@test "leaking where nothing leaks is a false alarm" {
	[[ "$(judged innocent 'v["state"] = "leaking"; status = 1')" == "leaking, not steady, false leaking" ]]
	[[ "$(judged innocent 'report["findings"] = [f]; f["state"] = "leaking"')" == "spill called leaking"*"false leaking" ]]
	[[ "$(judged lost 'f["state"] = "leaking"')" == *"false leaking"* ]]
}

@test "many lost blocks where none is lost are wrong, a few are not" {
	[ "$(judged innocent 'report["findings"] = [dict(f, state="watching", lost_count=8)]')" = \
		"spill called watching, 8 blocks lost" ]
	[ "$(judged innocent 'report["findings"] = [dict(f, state="watching", lost_count=7)]')" = right ]
}

@test "a leak at another function too is a false alarm" {
	[[ "$(judged leak 'g = copy.deepcopy(f); g["stack"][1]["function"] = "fill"; report["findings"].append(g)')" == \
		"fill called leaking"*"false leaking"* ]]
}

@test "the first finding names the function: its first own frame, or with * any" {
	[[ "$(judged leak 'row["function"] = "main"')" == "names spill, not main"* ]]
	[ "$(judged leak 'row["function"] = "*main"')" = "right, recalled" ]
	[[ "$(judged leak 'report["findings"] = []')" == *"no finding"* ]]
}

@test "a rate that is off by more than a tenth is wrong, one outside its interval is counted" {
	[[ "$(judged leak 'f["growth_bytes_per_second"] = 111')" == "rate off by +11.0 %, recalled" ]]
	[ "$(judged leak 'f["growth_interval"] = [101, 105]')" = "right, recalled, not covered" ]
	[ "$(judged leak 'f["growth_bytes_per_second"] = 150; row["bursts"] = True')" = "right, recalled" ]
}

@test "a program that does not keep its pace is no measure, but for one lump" {
	[ "$(judged leak 'account = [(0.0, 0), (10.0, 0), (10.5, 1400)]')" = "right, recalled" ]
	[[ "$(judged leak 'account = [(float(t), 140 * t) for t in range(60)]')" == "the program itself grew"* ]]
	[[ "$(judged leak 'account = []')" == "the program gave no account"* ]]
}

@test "the table is sound, and has a program for each row" {
	cd "$BATS_TEST_DIRNAME"
	PYTHONPATH=. /usr/bin/python3 - <<-'END'
		import glob, os
		import run
		sources = {os.path.basename(path).split(".")[0] for path in glob.glob("*.c") + glob.glob("*.cc")}
		targets = {os.path.basename(path).split(".")[0] for path in glob.glob("../targets/*.c*")}
		rows = run.read_table("table.tsv")
		for row in rows:
		    program = os.path.basename(row["command"].split()[0])
		    assert program in (targets if row["build"] == "target" else sources) or os.path.exists(program), row
		    assert row["truth"] == "innocent" or {"leaking", "lost"} & set(row["states"]), row
		    assert row["truth"] != "innocent" or not {"leaking", "lost"} & set(row["states"]), row
		assert len(rows) >= 36
	END
}
