#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Times of programs of Python, against their own: what else runs on the machine changes them from one second to the next.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	cd "$BATS_TEST_TMPDIR"
}

@test "pauses for garbage are timed where the interpreter tells of them, as gc.callbacks has them" {
	/usr/bin/python3 -B - "$ROOT/holdfast" <<-'PYTHON'
	import json, subprocess, sys
	LOOP = """
	import gc, json, sys, threading, time
	heap = [[i, {}] for i in range(200000)]
	seen, began = {"count": 0, "ms": 0}, 0
	def told(phase, info):
	    global began
	    now = time.monotonic()
	    if phase == "stop":
	        seen["count"] += 1
	        seen["ms"] += (now - began) * 1e3
	    began = now
	gc.callbacks.append(told)
	def work():
	    while True:
	        gc.collect()
	        time.sleep(0.02)
	threading.Thread(target=work, daemon=True).start()
	for line in sys.stdin:
	    print(json.dumps(seen), flush=True)
	"""
	def tell():
	    loop.stdin.write("\n")
	    return json.loads(loop.stdout.readline())
	loop = subprocess.Popen(["/usr/bin/python3", "-c", LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
	before = tell()
	subprocess.run([sys.argv[1], "hunt", str(loop.pid), "--for", "4s", "-q", "--json", "r.json", "--html", "/dev/null", "-o", "r"], check=False)
	after = tell()
	loop.kill()
	report = json.load(open("r.json"))
	collector, series = report["python"][0]["collector"], report["memory"]["series"]
	pauses = collector["pauses"]
	counted = [s["gc_collections"] for s in series if "gc_collections" in s and s["time"] <= report["capture"]["duration_s"]]
	print(pauses, before, after, counted)
	# Readings are a second apart: what was before the first, and after the last of them, was timed too.
	assert counted[-1] - counted[0] <= pauses["count"] + 2 and pauses["count"] <= after["count"] - before["count"], (pauses, counted)
	mean, true = pauses["total_ms"] / pauses["count"], (after["ms"] - before["ms"]) / (after["count"] - before["count"])
	assert 0.5 * true < mean < 1.2 * true and mean <= pauses["longest_ms"], (mean, true)
	PYTHON
}
