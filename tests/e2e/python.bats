#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 3
#
# Programs of Python: what is told of them, against what they say themselves.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	cd "$BATS_TEST_TMPDIR"
}

# stacks INTERPRETER: each stack is the one that faulthandler writes at the same line.
stacks()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/python_frames.py" --holdfast "$ROOT/holdfast" -- "$@"
}

@test "stacks are faulthandler's: threads, generators, asyncio, exceptions, callbacks from C" { stacks /usr/bin/python3; }
@test "the same of an interpreter in a shared library, in a program of C" {
	[ -x "$OUT/targets/embedded_python" ] || skip 'libpython3.11.so is not installed'
	stacks "$OUT/targets/embedded_python"
}

# census INTERPRETER: objects as the process itself counts them.
census()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/python_census.py" --holdfast "$ROOT/holdfast" -- "$@"
}

@test "objects by type, pools, holders and garbage are what gc and sys say: python3" { census /usr/bin/python3; }
@test "objects of an interpreter in a shared library, in a program of C" {
	[ -x "$OUT/targets/embedded_python" ] || skip 'libpython3.11.so is not installed'
	census "$OUT/targets/embedded_python"
}

@test "objects of subinterpreters are counted, with what holds them" {
	cat > sub.py <<-'PYTHON'
	import sys, _xxsubinterpreters as interpreters
	kept = [interpreters.create() for _ in range(2)] # they end with their numbers
	for number in kept:
	    interpreters.run_string(number, "class Inner: pass\nKEPT = [Inner() for _ in range(1000)]")
	print("ready", flush=True)
	sys.stdin.read()
	PYTHON
	/usr/bin/python3 -c 'import _xxsubinterpreters' || skip 'this python3 has no _xxsubinterpreters'
	/usr/bin/python3 sub.py > out 3>&- < <(sleep 60) &
	local pid=$!
	until grep -q ready out; do sleep 0.1; done
	"$ROOT/holdfast" scan "$pid" --json r.json > /dev/null
	kill "$pid"
	/usr/bin/python3 - <<-'PYTHON'
	import json
	python = json.load(open("r.json"))["python"][0]
	inner = [(t["count"], t["held_by"], t["unreachable_count"]) for t in python["types"] if t["type"] == "__main__.Inner"]
	assert python["complete"] and inner == 2 * [(1000, "__main__.KEPT[*]", 0)], (python["reason"], inner)
	PYTHON
}

@test "tables of CPython's layout agree with its headers" {
	local flags
	flags=$(/usr/bin/python3-config --includes 2> /dev/null) || skip 'no python3-config (python3-dev)'
	# shellcheck disable=SC2086
	cc -w -D_GNU_SOURCE -I"$ROOT/user" -I"$ROOT/include" $flags $(printf '%s/internal ' $flags) \
		"$ROOT/tests/data/python_layout.c" "$ROOT/user/process/python/layout.c" -o layout
	./layout
}

# hunt_kind KIND: a hunt of that way to keep what is done with (tests/scenarios/pyleaks.py), its report in KIND.json.
hunt_kind()
{
	/usr/bin/python3 -B "$ROOT/tests/scenarios/pyleaks.py" --kind="$1" > "$1.out" 3>&- &
	local pid=$!
	until grep -q ready "$1.out"; do sleep 0.1; done
	sleep 1
	"$ROOT/holdfast" hunt "$pid" --for "$((25 * ${HF_TEST_PATIENCE:-1}))s" --budget 20% --json "$1.json" -o "$1" > "$1.text" 3>&- || :
	kill "$pid"
}

@test "types that grow are told with their holder and the line that makes them; those that nothing holds are leaking" {
	for kind in list circles extension; do hunt_kind "$kind" & done
	wait
	cat list.text circles.text extension.text
	local windows=no
	"$ROOT/holdfast" doctor | grep -q 'uprobes *uprobe_multi' && windows=yes
	# Without windows there are no lines.
	/usr/bin/python3 - "$windows" <<-'PYTHON'
	import json, os, sys
	windows = sys.argv[1] == "yes"
	# A guest without KVM is looked at too rarely to be sure.
	leaking = ("leaking", "lost") if "HF_TEST_PATIENCE" in os.environ else ("leaking",)
	def first(kind):
	    report = json.load(open(kind + ".json"))
	    finding = report["findings"][0]
	    lines = [(frame["function"], frame["line"]) for frame in finding["stack"] if frame["kind"] == "python"]
	    return report, finding, lines
	report, finding, lines = first("list")
	assert report["verdict"]["state"] == "watching" and report["verdict"]["explained_percent"] > 50, report["verdict"]
	assert finding["type"] == "__main__.Row" and finding["held_by"] == "__main__.ROWS[*]", finding
	assert (not windows or lines[0] == ("keep_row", 45)) and abs(finding["growth_bytes_per_second"] - 9600) < 960, (lines, finding)
	report, finding, lines = first("circles")
	assert finding["state"] in leaking and finding["type"] == "__main__.Circle", finding
	assert (not windows or lines[0] == ("make_circle", 80)) and "gc.enable()" in finding["recommendation"], (lines, finding)
	report, finding, lines = first("extension")
	assert finding["state"] in leaking and finding["type"] == "__main__.Packet", finding
	assert (not windows or lines[0] == ("decode", 141)) and "Py_DECREF" in finding["recommendation"], (lines, finding)
	PYTHON
}

@test "text that grows has the line at which what holds it grew" {
	cat > texts.py <<-'PYTHON'
	import time
	TEXTS = []
	def keep_text(number): TEXTS.append("text " + str(number))
	print("ready", flush=True)
	for number in range(10**9):
	    keep_text(number)
	    time.sleep(0.001)
	PYTHON
	/usr/bin/python3 texts.py > out 3>&- &
	local pid=$!
	until grep -q ready out; do sleep 0.1; done
	# A budget: where no CPU is idle, objects would be looked at less often.
	"$ROOT/holdfast" hunt "$pid" --for "$((15 * ${HF_TEST_PATIENCE:-1}))s" --exact --budget 100 --json r.json --html /dev/null -q || :
	kill "$pid"
	/usr/bin/python3 - <<-'PYTHON'
	import json
	finding = next(f for f in json.load(open("r.json"))["findings"] if f["type"] == "str")
	lines = [(frame["function"], frame["line"]) for frame in finding["stack"] if frame["kind"] == "python"]
	assert finding["held_by"] == "__main__.TEXTS[*]" and lines[0] == ("keep_text", 3), (finding["held_by"], lines)
	assert any(e["kind"] == "filled" for e in finding["evidence"]), finding["evidence"]
	PYTHON
}

@test "gc collects once, at a safe point, and says what there was before and after" {
	/usr/bin/python3 "$ROOT/tests/targets/python_objects.py" pools 1000 > out 3>&- < /dev/null &
	local pid=$!
	until [ -s out ] && grep -q available pools; do sleep 0.1; done
	"$ROOT/holdfast" gc "$pid" --json gc.json > text
	cat text
	grep -q '^collected  4,000 objects, in .* ms, while a thread of it waited' text
	/usr/bin/python3 - gc.json <<-'PYTHON'
	import json, sys
	gc = json.load(open(sys.argv[1]))["processes"][0]
	assert gc["done"] and gc["collected_objects"] == 4000 and gc["objects_freed"] >= 4000, gc
	assert gc["bytes_after"] < gc["bytes_before"], gc
	PYTHON
	"$ROOT/holdfast" gc "$pid" | grep -q '^collected  0 objects'
	kill "$pid"
}

@test "forced collections are each made once, also when we are killed: idle, busy, threads, asyncio" {
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/force_survival.py" "$OUT/tests/e2e/lib/force_loop" \
		"$ROOT/tests/targets/python_busy.py" "${FORCE_ROUNDS:-8}" "${FORCE_KILLS:-5}" \
		idle busy threads asyncio -- /usr/bin/python3
}

@test "a collection that was put on the list of a busy thread is made when that goes to wait" {
	# One call in C that computes with the GIL held, then waits: the interpreter's list is looked at after both.
	cat > late.py <<-'PYTHON'
	import collections, functools, gc, os, sys
	gc.disable()
	print("ready", flush=True)
	call = functools.partial.__call__
	while True:
	    works = [functools.partial(pow, 7, int(sys.argv[1])), functools.partial(os.read, 0, 1)]
	    collections.deque(map(call, works), maxlen=0)
	    print(gc.get_stats()[2]["collections"], flush=True)
	PYTHON
	mkfifo in
	/usr/bin/python3 late.py 600000 < in > out 3>&- &
	local pid=$!
	exec 7> in
	until grep -q ready out; do sleep 0.01; done
	"$OUT/tests/e2e/lib/force_loop" "$pid" 1 > forced
	cat forced
	grep -q '^done' forced
	printf xx >&7 # it goes on, comes to its list, and computes and waits once more
	until [ "$(wc -l < out)" -ge 3 ]; do sleep 0.05; done
	cat out
	[ "$(sed -n 2p out)" = 1 ] && [ "$(sed -n 3p out)" = 1 ] # it was made once
	exec 7>&-
	kill "$pid"
}

@test "gc --trim gives free memory back, of a program of C too; without Python gc says what it can't" {
	cat > free.c <<-'C'
	#include <stdlib.h>
	#include <string.h>
	#include <unistd.h>
	int main(void)
	{
		static char *p[20000];
		for (int i = 0; i < 20000; i++)
			memset(p[i] = malloc(4000), 1, 4000);
		for (int i = 0; i < 20000; i++)
			if (i % 100)
				free(p[i]);
		(void)!write(1, "ready", 5);
		while (read(0, p, 1) > 0)
			;
	}
	C
	cc -O1 -o free free.c
	mkfifo in
	./free < in > out 3>&- &
	local pid=$!
	exec 4> in
	until grep -q ready out; do sleep 0.1; done
	run "$ROOT/holdfast" gc "$pid"
	[ "$status" -eq 69 ]
	[[ $output == *'it runs no Python'* ]]
	"$ROOT/holdfast" gc "$pid" --trim --json gc.json
	/usr/bin/python3 - gc.json <<-'PYTHON'
	import json, sys
	gc = json.load(open(sys.argv[1]))["processes"][0]
	assert gc["rss_bytes_before"] > 70 << 20 > 20 << 20 > gc["rss_bytes_after"], gc
	PYTHON
	kill -0 "$pid"
	kill -STOP "$pid"
	run "$ROOT/holdfast" gc "$pid" --trim --wait 1s
	[ "$status" -eq 75 ]
	kill -CONT "$pid"
	kill "$pid"
	exec 4>&-
}

@test "a fork's stacks have its parent's names; a recording has them too, without the process" {
	cat > work.py <<-'PYTHON'
	import ctypes, os, sys, time
	libc = ctypes.CDLL(None)
	def keep_row(): libc.malloc(2000)
	def serve(rounds):
	    for _ in range(rounds):
	        keep_row()
	        time.sleep(0.02)
	print("ready", flush=True)
	sys.stdin.readline()
	child = os.fork()
	serve(100)
	if child: os.waitpid(child, 0)
	PYTHON
	mkfifo in
	/usr/bin/python3 work.py < in > out 3>&- &
	local pid=$!
	exec 4> in
	until grep -q ready out; do sleep 0.1; done
	"$ROOT/holdfast" record "$pid" --exact --for 20s -o recorded --log-level info 2> log 3>&- 4>&- &
	local tracer=$!
	until grep -q 'attached pid' log || ! kill -0 "$tracer"; do sleep 0.1; done
	echo go >&4
	exec 4>&-
	wait "$tracer"
	"$ROOT/holdfast" report recorded.hfrec --json report.json > text
	cat text
	/usr/bin/python3 - report.json <<-'PYTHON'
	import json, sys
	report = json.load(open(sys.argv[1]))
	pids = {}
	for site in report["sites"]:
	    frames = [report["frames"][index] for index in site["stack"]]
	    python = [(frame["function"], frame["line"]) for frame in frames if frame["kind"] == "python"]
	    if python[:1] == [("keep_row", 3)]:
	        assert python == [("keep_row", 3), ("serve", 6), ("<module>", 11)], python
	        pids[site["pid"]] = pids.get(site["pid"], 0) + site["allocs"]
	assert len(pids) == 2 and all(allocs >= 90 for allocs in pids.values()), pids
	PYTHON
}

@test "the first own frame is the line of Python, not what serves it" {
	cat > lose.py <<-'PYTHON'
	import ctypes, time
	libc = ctypes.CDLL(None)
	def parse_row(): libc.malloc(1000)
	while True:
	    parse_row()
	    time.sleep(0.01)
	PYTHON
	local status=0
	"$ROOT/holdfast" hunt --for 30s --exact -- /usr/bin/python3 lose.py > text 2> log || status=$?
	cat text
	[ "$status" -eq 1 ]
	grep -q 'parse_row .*lose.py:3 .*<- first frame in your code' text
	grep -q 'look for a missing free on the way out of parse_row (lose.py:3)' text
}

@test "an interpreter whose frames are not known is named, and its native stacks are told" {
	# 3.11's libpython with another number in it: a version of the future.
	cp /usr/bin/python3.11 future
	/usr/bin/python3 - future <<-'PYTHON'
	import re, subprocess, sys
	name = sys.argv[1]
	symbols = subprocess.run(["readelf", "-W", "--dyn-syms", name], capture_output=True, text=True).stdout
	address = int(re.search(r": ([0-9a-f]+) .* Py_Version\n", symbols).group(1), 16)
	for line in subprocess.run(["readelf", "-lW", name], capture_output=True, text=True).stdout.splitlines():
	    words = line.split()
	    if words[:1] == ["LOAD"]:
	        offset, start, size = int(words[1], 16), int(words[2], 16), int(words[4], 16)
	        if start <= address < start + size:
	            with open(name, "r+b") as file:
	                file.seek(offset + address - start)
	                assert file.read(4)[3] == 3
	                file.seek(offset + address - start)
	                file.write(bytes((0xf0, 0, 99, 3)))
	PYTHON
	./future -S -c 'import time; time.sleep(60)' 3>&- &
	local pid=$! status=0
	sleep 0.5
	"$ROOT/holdfast" hunt "$pid" --for 2s --exact --html /dev/null --json /dev/null > text || status=$?
	kill "$pid"
	cat text
	grep -q "process $pid runs Python 3.99.0, whose frames are not read: this version is not known" text
}

@test "workers that were forked before are looked at with their master" {
	cat > serve.py <<-'PYTHON'
	import ctypes, os, time
	libc = ctypes.CDLL(None)
	def parse_row(): libc.malloc(1000)
	for _ in range(2):
	    if os.fork() == 0:
	        while os.getppid() != 1:
	            parse_row()
	            time.sleep(0.01)
	        os._exit(0)
	print("ready", flush=True)
	time.sleep(100)
	PYTHON
	/usr/bin/python3 serve.py > out 3>&- &
	local pid=$! status=0
	until grep -q ready out; do sleep 0.1; done
	"$ROOT/holdfast" hunt "$pid" --for "$((30 * ${HF_TEST_PATIENCE:-1}))s" --exact --json report.json --html /dev/null > text || status=$?
	kill "$pid"
	cat text
	[ "$status" -eq 1 ]
	/usr/bin/python3 - report.json "$pid" <<-'PYTHON'
	import json, sys
	report = json.load(open(sys.argv[1]))
	workers = {process["pid"] for process in report["processes"]} - {int(sys.argv[2])}
	assert len(workers) == 2 and all(p["parent"] == int(sys.argv[2]) for p in report["processes"] if p["pid"] in workers), report["processes"]
	leaks = [f for f in report["findings"] if f["state"] == "leaking"]
	assert leaks and all(any(frame["function"] == "parse_row" for frame in f["stack"]) for f in leaks), leaks
	assert {f["pid"] for f in leaks} <= workers
	PYTHON
	status=0
	"$ROOT/holdfast" hunt $$ --no-follow --for 1s --exact --json alone.json --html /dev/null > text || status=$?
	/usr/bin/python3 -c 'import json; assert len(json.load(open("alone.json"))["processes"]) == 1'
}

@test "a process that dies while its objects are looked at is told so, or what was seen is" {
	local wait pid
	for wait in 0.05 0.1 0.2 0.3 0.5 0.7; do
		/usr/bin/python3 -c "
import sys, time
rows = [{'number': i} for i in range(60000)]
print('ready', flush=True)
time.sleep(60)" > out 3>&- &
		pid=$!
		until grep -q ready out; do sleep 0.05; done
		(sleep "$wait"; kill -KILL "$pid") 3>&- &
		run "$ROOT/holdfast" scan "$pid"
		[[ $status -eq 0 || $status -eq 66 || $status -eq 75 ]] || { echo "$status: $output"; return 1; }
		[ "$status" -eq 0 ] || [[ $output == *'[HF-E-'* ]]
		wait
	done
}

@test "of other languages' objects it is said that they are not seen, and what sees them" {
	echo 'int in_the_jvm;' > jvm.c
	cc -shared -fPIC -o libjvm.so jvm.c
	LD_PRELOAD=$PWD/libjvm.so sleep 60 3>&- &
	local pid=$!
	sleep 0.3
	run "$ROOT/holdfast" scan "$pid"
	kill "$pid"
	[ "$status" -eq 0 ]
	[[ $output == *'runs Java'*'jcmd PID GC.class_histogram'* ]]
}

# What a Java virtual machine shares, from a program that does the same: its counters rise by 10 collections of 5 ms a second.
@test "how often and how long a JVM collects garbage is told, by its own counters" {
	mkdir -p hsperfdata_me
	cat > jvm.py <<-'PYTHON'
	import mmap, struct, time
	def entry(name, value):
	    text = name.encode().ljust((len(name) + 8) // 8 * 8 + 4, b"\0")
	    return struct.pack("<iiiBBBBi", 28 + len(text), 20, 0, ord("J"), 1, 3, 2, 20 + len(text)) + text + struct.pack("<Q", value)
	def counters(collections):
	    body = [entry("sun.gc.collector.0.invocations", collections), entry("sun.gc.collector.0.time", 5000 * collections),
	            entry("sun.os.hrt.frequency", 1000000), entry("sun.gc.generation.0.space.0.used", 3 << 20)]
	    return bytes.fromhex("cafec0c001020001") + struct.pack("<iiqii", 0, 0, 0, 32, len(body)) + b"".join(body)
	with open("hsperfdata_me/1", "w+b") as file:
	    file.truncate(32768)
	    shared = mmap.mmap(file.fileno(), 32768)
	began = time.monotonic()
	while True:
	    data = counters(100 + int(10 * (time.monotonic() - began)))
	    shared[:len(data)] = data
	    time.sleep(0.02)
	PYTHON
	/usr/bin/python3 jvm.py 3>&- &
	local pid=$!
	sleep 0.5
	"$ROOT/holdfast" hunt "$pid" --for 6s --json r.json --html /dev/null -q || :
	kill "$pid"
	/usr/bin/python3 - <<-'PYTHON'
	import json, re
	report = json.load(open("r.json"))
	[note] = [note for note in report["quality"]["notes"] if "its JVM" in note]
	print(note)
	count, seconds, percent = re.search(r"garbage (\d+) times in (\d+) s, which took ([0-9.]+) % of the time; 3.00 MiB", note).groups()
	assert 7 * int(seconds) <= int(count) <= 13 * int(seconds) and 3.5 <= float(percent) <= 6.5, note
	PYTHON
}
