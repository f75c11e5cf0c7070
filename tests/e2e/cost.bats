#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a hunt says that it costs, against the target's CPU time. Figures of another machine would be wrong three or four
# times, each time; a heavy load of other programs, or of the machine's host, makes traps dearer than they are told, so one
# of three tries has to hold.

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	export HF="$BATS_TEST_DIRNAME/../../holdfast"
	export CHURN="${O:-$BATS_TEST_DIRNAME/../../.output}/targets/churn"
	cd "$BATS_TEST_TMPDIR"
}

# told THREADS FRAMES: the estimate is that of the CPU time that each pair took longer.
told()
{
	try "$@" || try "$@" || try "$@"
}

try()
{
	/usr/bin/python3 - "$@" <<-'PY'
	import json, os, subprocess, sys, time
	threads, frames = sys.argv[1:]
	churn = subprocess.Popen([os.environ["CHURN"], f"--threads={threads}", f"--depth={frames}"],
	                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
	def seen():
	    churn.stdin.write("stat\n")
	    pairs = json.loads(churn.stdout.readline())["pairs"]
	    tasks = f"/proc/{churn.pid}/task"
	    return pairs, sum(int(open(f"{tasks}/{t}/schedstat").read().split()[0]) for t in os.listdir(tasks))
	def bare():
	    before = seen()
	    time.sleep(0.4)
	    after = seen()
	    return (after[1] - before[1]) / (after[0] - before[0])
	try:
	    churn.stdout.readline()
	    churn.stdin.write("go\n")
	    time.sleep(0.2)
	    bare_ns, before = bare(), seen()
	    hunt = subprocess.run([os.environ["HF"], "hunt", str(churn.pid), "--exact", "--for", "3s", "-q",
	                           "--json", "r.json", "--html", "/dev/null"], stdin=subprocess.DEVNULL)
	    after = seen()
	    bare_ns = (bare_ns + bare()) / 2
	finally:
	    churn.kill()
	assert hunt.returncode <= 2, hunt.returncode
	report = json.load(open("r.json"))
	traced = sum(site["allocs"] for site in report["sites"])
	told_ns = report["capture"]["overhead_percent"] / 100 * report["capture"]["duration_s"] * 1e9 / traced
	true_ns = (after[1] - before[1] - bare_ns * (after[0] - before[0])) / traced
	print(f"{threads} threads, {frames} frames: {told_ns:.0f} ns a pair told, {true_ns:.0f} measured")
	assert report["quality"]["lost_events"] == 0, report["quality"]["lost_by_reason"]
	assert 0.5 < told_ns / true_ns < 2
	PY
}

@test "the estimated cost is the true one: one thread" { told 1 5; }
@test "the estimated cost is the true one: two threads, deep stacks" { told 2 32; }
