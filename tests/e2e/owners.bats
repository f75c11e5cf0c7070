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

THREADS="--option=--component --option=engine=thread:engine-*,function:keep --option=--component --option=engine=thread:engine-*,function:map_and_cut --option=--component --option=plugin=thread:plugin-* --option=--component --option=workflow=thread:workflow"

@test "components by thread: blocks and mappings of one function, by who allocated them; renamed and ended threads" {
	owners $THREADS named_threads
}

@test "components by thread in windows are estimated, and say so" {
	owners $THREADS --about 50 --mode=--budget --mode=20% named_threads --busy=12
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
	"$ROOT/holdfast" report r.hfrec --component 'small=thread:*' > text
	grep 'a recording has no names of threads' text
}

@test "a recording has its spans" {
	cd "$BATS_TEST_TMPDIR"
	(echo go && sleep 4) | "$ROOT/holdfast" record --exact --for 4s -q -o r \
		--span 'session=serve_session(arg1)' -- "$OUT/targets/span_server" 2> err
	"$ROOT/holdfast" report r.hfrec --json r.json > text
	grep 'session alice ' text
	/usr/bin/python3 - <<-'PY'
		import json
		truth = json.loads(next(line for line in open("err") if line.startswith('{"pid"')))
		spans = {s["key"]: s["outstanding_bytes"] for s in json.load(open("r.json"))["spans"]}
		for s in truth["spans"]:
		    assert s["span"] != "session" or spans[s["key"]] == s["outstanding_bytes"], (s, spans)
	PY
}

SERVER="--option=--span --option=session=serve_session(arg1) --option=--span --option=job=job_begin(arg2:int)..job_end --option=--span --option=step=run_step(arg1:int)"

@test "spans of threads: nested, recursive, left by longjmp and exceptions, ended by another function, gone on by a jump" {
	owners $SERVER span_server
}

@test "the example for an assistant, as it is printed: asyncio's sessions, plugins, steps, components, inference, interleaved" {
	"$ROOT/holdfast" agent --print-example > "$BATS_TEST_TMPDIR/assistant.yaml"
	owners --option=--config --option="$BATS_TEST_TMPDIR/assistant.yaml" --targets "$ROOT/tests/targets" span_assistant.py
}

@test "keys beyond 4,096 are one, and nothing is missing" {
	cd "$BATS_TEST_TMPDIR"
	cat > many.c <<-'C'
	#include <stdlib.h>
	__attribute__((noinline, noipa)) void *serve(long number)
	{
		void *p = malloc(100);
		__asm__ volatile("" : : "r"(p));
		return p;
	}
	int main(void)
	{
		for (long i = 0; i < 6000; i++)
			serve(i - 1000);
		return 0;
	}
	C
	"${CC:-gcc}" -O1 -g many.c -o many
	"$ROOT/holdfast" hunt --exact --for 20s -q --json r.json -o r --span 'number=serve(arg1:int)' -- ./many || [ $? -le 2 ]
	/usr/bin/python3 - <<-'PY'
		import json
		spans = {s["key"]: s["outstanding_bytes"] for s in json.load(open("r.json"))["spans"]}
		assert len(spans) == 4097, len(spans)
		assert spans["-1000"] == spans["3095"] == 100 and spans["(more)"] == (6000 - 4096) * 100, spans["(more)"]
	PY
}
