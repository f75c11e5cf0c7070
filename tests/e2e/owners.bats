#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What components and spans hold, against what the programs say themselves (tests/targets). What this cannot find: a
# wrong growth (the verdict's tests do).

load lib/truth

# owners [OPTION ...] PROGRAM [ARGUMENT ...]
owners()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/owners.py" --holdfast "$ROOT/holdfast" \
		--targets "$OUT/targets" "$@"
}

@test "components by function, module and source; the rest is other, and the sum is the whole" {
	owners --part small=leak_small --part half=keep_half --part rest=leak_big,grow_by_realloc,copy_string \
		--option=--component --option='small=function:leak_sm*,source:plain_scenario.h' \
		--option=--component --option='half=function:keep_half,module:no_such_module' \
		--option=--component --option='half=function:keep_half,module:static_*' \
		--option=--component --option='rest=function:main' static_glibc
}

@test "a recording is told by components when it is reported" {
	cd "$BATS_TEST_TMPDIR"
	(echo go && sleep 3) | "$ROOT/holdfast" record --exact --for 3s -q -o r -- "$OUT/targets/static_glibc" 2> err
	"$ROOT/holdfast" report r.hfrec --component 'small=function:leak_small' --json r.json > text
	grep 'PARTS *small *3.91 KiB in 100' text
	/usr/bin/python3 - <<-'PY'
		import json
		r = json.load(open("r.json"))
		small, other = r["components"]
		assert (small["name"], small["outstanding_bytes"], other["name"]) == ("small", 4000, "other"), r["components"]
		assert small["outstanding_bytes"] + other["outstanding_bytes"] == sum(s["outstanding_bytes"] for s in r["sites"])
	PY
}
