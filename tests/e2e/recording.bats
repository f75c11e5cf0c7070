#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What a recording is worth when holdfast could not finish it.

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	ROOT="$BATS_TEST_DIRNAME/../.."
	HF="$ROOT/holdfast"
	cd "$BATS_TEST_TMPDIR"
	cp "${O:-$ROOT/.output}/targets/churn" churn
	mkfifo in
	./churn --auto --rate=2000 --leak=10 < in > /dev/null 3>&- &
	echo $! > pid
	sleep 600 > in 3>&- &
	echo $! > keeper
}

teardown()
{
	[ ! -e pid ] || kill "$(cat pid)" "$(cat keeper)"
}

# killed_recording: k.hfrec, of some ticks, its recorder killed.
killed_recording()
{
	"$HF" record --for 60s --interval 200ms -q -o k "$(cat pid)" < /dev/null > out 2> err 3>&- & recorder=$!
	for _ in $(seq 300); do
		[ "$(stat -c %s k.hfrec 2> /dev/null || echo 0)" -gt 30000 ] && break
		sleep 0.1
	done
	kill -KILL "$recorder"
	wait "$recorder" || true
	cat err
	[ -s k.hfrec ]
}

@test "a recording whose recorder was killed has names, from the files" {
	killed_recording
	"$HF" report k.hfrec --json report.json > text
	cat text
	grep -q 'the recording is cut off after' text
	grep -q leaked_block text
	grep -q 'churn\.c:[0-9]' text
	/usr/bin/python3 - <<-'PY'
		import json
		d = json.load(open("report.json"))
		leaf = lambda s: d["frames"][s["stack"][0]]
		site = max(d["sites"], key=lambda s: s["outstanding_count"])
		assert leaf(site)["function"] == "leaked_block", leaf(site)
		assert leaf(site)["build_id"] and leaf(site)["module"].endswith("/churn"), leaf(site)
	PY
}

@test "another file in the place of the recorded one names nothing" {
	killed_recording
	rm churn
	cp /bin/true churn
	"$HF" report k.hfrec --json report.json > text
	! grep -q leaked_block text
	/usr/bin/python3 - <<-'PY'
		import json
		d = json.load(open("report.json"))
		site = max(d["sites"], key=lambda s: s["outstanding_count"])
		leaf = d["frames"][site["stack"][0]]
		assert leaf["function"] == "" and leaf["module"].endswith("/churn") and leaf["address"] != "0x0", leaf
	PY
}
