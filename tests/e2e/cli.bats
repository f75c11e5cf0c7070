#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The program as a user meets it: help, errors, exit codes, what goes to stdout and to files. One hunt
# (setup_file) serves the tests that look at files.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
	export HF="$ROOT/holdfast"
	export RUN="$BATS_FILE_TMPDIR"
	[ "$(id -u)" -eq 0 ] || return 0
	mkfifo "$RUN/in"
	"$OUT/targets/churn" --auto --rate=2000 --leak=10 < "$RUN/in" > /dev/null 3>&- &
	echo $! > "$RUN/pid"
	sleep 600 > "$RUN/in" 3>&- &
	echo $! > "$RUN/keeper"
	cd "$RUN"
	"$HF" hunt --for 2s -q --fail-on watching -o first "$(cat pid)" < /dev/null || true
	"$HF" hunt --for 4s -o r --folded r.folded --pprof r.pprof --speedscope r.speedscope "$(cat pid)" \
		> text 2> log < /dev/null || echo $? > status
}

teardown_file()
{
	[ -e "$RUN/pid" ] || return 0
	kill "$(cat "$RUN/pid")" "$(cat "$RUN/keeper")"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	cd "$RUN"
	pid=$(cat pid)
}

# ends STATUS WORD ...: holdfast's exit status; its output is in $BATS_TEST_TMPDIR/out and err.
ends()
{
	local status=0 wanted=$1
	shift
	"$HF" "$@" > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err" < /dev/null || status=$?
	echo "holdfast $*: exit $status, expected $wanted"
	head -5 "$BATS_TEST_TMPDIR/err"
	[ "$status" -eq "$wanted" ]
}

# refuses STATUS CODE WORD ...: and nothing on stdout, at most three lines on stderr.
refuses()
{
	local wanted=$1 code=$2
	shift 2
	ends "$wanted" "$@"
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
	grep -q "^holdfast: \[$code\]" "$BATS_TEST_TMPDIR/err"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/err")" -le 3 ]
}

# json EXPRESSION [FILE]: holds for what is the whole of FILE, or of stdout.
json()
{
	/usr/bin/python3 -c 'import json, sys
d = json.load(open(sys.argv[2]))
assert eval(sys.argv[1]), sys.argv[1]' "$1" "${2:-$BATS_TEST_TMPDIR/out}"
}

# page_data: the JSON that a page on stdin carries.
page_data()
{
	sed -n 's/.*id="hf-data">\([^<]*\)<.*/\1/p' | base64 -d | gunzip -c
}

@test "help of the program and of each command fits a screen and has an example" {
	ends 0 --help
	for command in hunt attach scan record report diff ps gc doctor agent ctl; do
		grep -q "^  $command " "$BATS_TEST_TMPDIR/out"
	done
	for command in hunt attach scan record report diff ps gc doctor agent ctl; do
		ends 0 "$command" --help
		grep -q "^example  holdfast $command" "$BATS_TEST_TMPDIR/out"
		[ "$(wc -l < "$BATS_TEST_TMPDIR/out")" -le 24 ]
		[ "$(wc -L < "$BATS_TEST_TMPDIR/out")" -le 100 ]
		[ ! -s "$BATS_TEST_TMPDIR/err" ]
	done
	ends 0 --version
}

@test "wrong command lines are refused" {
	refuses 64 HF-E-USAGE
	refuses 64 HF-E-USAGE hant 1
	grep -q 'holdfast hunt' "$BATS_TEST_TMPDIR/err"
	refuses 64 HF-E-USAGE hunt
	refuses 64 HF-E-USAGE hunt abc
	refuses 64 HF-E-USAGE hunt 0
	refuses 64 HF-E-USAGE hunt --fro 3 1
	grep -q -- '--for' "$BATS_TEST_TMPDIR/err"
	refuses 64 HF-E-USAGE hunt --for banana 1
	refuses 64 HF-E-USAGE hunt --for 1ms 1
	refuses 64 HF-E-USAGE hunt --fail-on tomorrow 1
	refuses 64 HF-E-USAGE diff a
	refuses 64 HF-E-USAGE report a b
	refuses 64 HF-E-USAGE ps --fail-above 1MiB/min
}

@test "files and processes that are not there, or are damaged" {
	refuses 66 HF-E-NOFILE report nosuch.json
	refuses 66 HF-E-NOPID hunt 4194304
	refuses 66 HF-E-NOPID attach 4194304
	echo rubbish > rubbish.json
	refuses 65 HF-E-BADFILE report rubbish.json
	head -c 700 r.json.gz > half.json.gz
	refuses 65 HF-E-BADFILE report half.json.gz
	echo 'no_such_key: 1' > bad.yaml
	refuses 78 HF-E-CONFIG ps --config bad.yaml
}

@test "report and diff read stdin where - stands for a file" {
	"$HF" report r.json.gz > whole
	"$HF" report - < r.json.gz > out
	cmp whole out
	gzip -dc r.json.gz | "$HF" report - > out
	cmp whole out
	"$HF" diff r.json.gz - < r.json.gz > out
	local status=0
	echo rubbish | "$HF" report - > out 2> err || status=$?
	[ "$status" -eq 65 ]
}

@test "agent checks a file, and prints one that passes" {
	ends 0 agent --print-defaults
	cp "$BATS_TEST_TMPDIR/out" defaults.yaml
	for key in 'mode: ' 'sampling_interval: ' '#targets:' '#      secret: ' '#for: '; do
		grep -q "^  $key" defaults.yaml
	done
	ends 0 agent --check defaults.yaml
	[ "$(wc -l < "$BATS_TEST_TMPDIR/out")" -eq 1 ]
	grep -q '^defaults.yaml: fine: mode standard' "$BATS_TEST_TMPDIR/out"
	ends 0 agent --check --config defaults.yaml
	printf '%s\n' 'memory_profiling:' '  mode: fast' '  targets: [{comn: x}]' > wrong.yaml
	ends 78 agent --check wrong.yaml
	grep -q "^wrong.yaml:2:9: mode: 'fast' is not understood; it takes one of off, basic" "$BATS_TEST_TMPDIR/out"
	grep -q "^wrong.yaml:3:14: a target has no 'comn'; did you mean comm?" "$BATS_TEST_TMPDIR/out"
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
	refuses 66 HF-E-NOFILE agent --check nosuch.yaml
	refuses 64 HF-E-USAGE agent --check
	refuses 64 HF-E-USAGE agent defaults.yaml
	refuses 64 HF-E-USAGE agent --check defaults.yaml --config defaults.yaml
	refuses 78 HF-E-CONFIG agent --listen 0.0.0.0:7654
	# Without --check all is told before the error.
	ends 78 agent --config wrong.yaml
	[ "$(grep -c '^wrong.yaml:' "$BATS_TEST_TMPDIR/err")" -eq 3 ]
	refuses 78 HF-E-CONFIG ps --config wrong.yaml
	grep -q '2 more' "$BATS_TEST_TMPDIR/err"
}

@test "ctl says where it has looked for the agent, and which words there are" {
	refuses 66 HF-E-NOFILE ctl --agent 127.0.0.1:1 leaks
	grep -q 'no agent answers at 127.0.0.1:1' "$BATS_TEST_TMPDIR/err"
	refuses 66 HF-E-NOFILE ctl --agent unix:/nowhere/agent.sock leaks
	refuses 64 HF-E-USAGE ctl --agent 127.0.0.1:1 leeks
	grep -q 'did you mean leaks' "$BATS_TEST_TMPDIR/err"
	refuses 64 HF-E-USAGE ctl --agent 127.0.0.1:1 usage
	ends 0 ctl help
}

@test "what cannot be written" {
	refuses 73 HF-E-CANTWRITE report r.json.gz -q --folded nowhere/r.folded
	local status=0
	"$HF" report r.json.gz > /dev/full 2> err || status=$?
	[ "$status" -eq 73 ]
	ln -sf r.json.gz link
	refuses 73 HF-E-CANTWRITE report r.json.gz -q --json link
	refuses 73 HF-E-CANTWRITE diff r.json.gz r.json.gz -q --html nowhere/d.html
	refuses 73 HF-E-CANTWRITE diff r.json.gz r.json.gz -q --html link
}

@test "a hunt's text names the leak and the files" {
	[ "$(cat status 2> /dev/null || echo 0)" -le 2 ]
	grep -q '^holdfast .* · pid '"$pid" text
	grep -q '^VERDICT ' text
	grep -q leaked_block text
	grep -q '^QUALITY .*lost 0' text
	grep -q '^wrote .*r\.json\.gz.*r\.html' text
	[ ! -s log ]
}

@test "log level info tells when the leak had its name" {
	ends 1 hunt --for 5s --log-level info -q -o x "$pid"
	said=$(grep ' named after ' "$BATS_TEST_TMPDIR/err" | head -1)
	[[ "$said" =~ named\ after\ [0-9]+\ ms:\ state=[a-z]+\ lost=[0-9]+\ stack=leaked_block\ \<\ churn_loop ]]
	# Once for each state, not at each tick.
	[ -z "$(grep -o ' state=[a-z]* ' "$BATS_TEST_TMPDIR/err" | sort | uniq -d)" ]
	! grep ' named after ' "$BATS_TEST_TMPDIR/err" | grep -v leaked_block
}

@test "output files are for their owner alone" {
	for file in r.json.gz r.html r.folded r.pprof r.speedscope; do
		[ -s "$file" ]
		[ "$(stat -c %a "$file")" = 600 ]
	done
}

@test "the JSON report has what was promised" {
	gunzip -c r.json.gz > r.json
	json 'd["schema"] == "holdfast.report/1" and d["target"]["comm"] == "churn"' r.json
	json 'd["target"]["cmdline"] == ""' r.json
	json 'all(k in d for k in "tool target processes capture quality memory verdict findings sites frames".split())' r.json
	json 'any(d["frames"][s["stack"][0]]["function"] == "leaked_block" and s["outstanding_count"] > 100 for s in d["sites"])' r.json
}

@test "HTML, folded stacks, speedscope" {
	grep -qi '^<!doctype html>' r.html
	! grep -qE '(src|href)="https?:' r.html
	grep -qE 'churn_loop;leaked_block [0-9]+$' r.folded
	! grep -qvE ' [0-9]+$' r.folded
	json '"speedscope" in d["$schema"] and any(f["name"] == "leaked_block" for f in d["shared"]["frames"])' r.speedscope
}

@test "pprof's profile is read by protoc" {
	gunzip -c r.pprof | protoc --decode_raw > raw
	grep -q '"leaked_block"' raw
	gunzip -c r.pprof | protoc --proto_path="$ROOT/tests/data" \
		--decode="$(sed -n 's/^package \(.*\);/\1./p' "$ROOT/tests/data/profile.proto")Profile" \
		profile.proto > decoded
	grep -q '^sample {' decoded
	grep -q '^function {' decoded
}

@test "a report is shown again, and converted" {
	ends 0 report r.json.gz --html again.html --folded again.folded --pprof again.pprof \
		--speedscope again.speedscope --json again.json
	grep -q leaked_block "$BATS_TEST_TMPDIR/out"
	cmp again.folded r.folded
	json 'd["schema"] == "holdfast.report/1"' again.json
	[ "$(stat -c %a again.html)" = 600 ]
}

@test "--json - is alone on stdout" {
	ends 0 report r.json.gz --json -
	json 'd["schema"] == "holdfast.report/1"'
	ends 0 ps --json - --interval 50ms
	json 'd["schema"] == "holdfast.ps/1" and any(p["pid"] == '"$pid"' for p in d["processes"])'
	ends 0 diff r.json.gz r.json.gz --json -
	json 'd["schema"].startswith("holdfast.diff/")'
	"$HF" hunt --for 1s -o j --json - "$pid" > hunt.json || [ $? -le 2 ]
	json 'd["schema"] == "holdfast.report/1"' hunt.json
	"$HF" doctor --json - > doctor.json || [ $? -eq 1 ]
	json 'd["schema"] == "holdfast.doctor/1" and len(d["checks"]) > 3' doctor.json
}

@test "ps lists processes, largest first" {
	ends 0 ps --interval 50ms
	head -1 "$BATS_TEST_TMPDIR/out" | grep -qE '^ +PID +RSS +GROWTH +THREADS +COMMAND$'
	grep -qE "^ *$pid .*churn" "$BATS_TEST_TMPDIR/out"
	ends 0 ps --json - --interval 50ms
	json '(lambda r: r == sorted(r, reverse=True))([p["rss_bytes"] for p in d["processes"]])'
}

@test "doctor tells what is possible here" {
	local status=0
	"$HF" doctor "$pid" > out 2> err || status=$?
	[ "$status" -le 1 ]
	[ "$(grep -c '^missing' out)" -eq 0 ] || [ "$status" -eq 1 ]
	[ "$status" -eq 0 ] || grep -q '^ *do: ' out
}

@test "doctor measures what a probe hit costs, and keeps it" {
	local kept="/var/cache/holdfast/calibration-$(uname -r)"
	"$HF" doctor > out || [ $? -eq 1 ]
	grep -qE '^ok +probe costs +a hit at an emulated instruction [0-9.]+ .*; measured now$' out
	[ "$(stat -c '%a %u %F' "$kept")" = '600 0 regular file' ]
	grep -qE '^emulated_ns=[0-9]+$' "$kept"
	sed 's/^emulated_ns=.*/emulated_ns=rubbish/' -i "$kept"
	"$HF" doctor --json doctor.json --quiet || [ $? -eq 1 ]
	json '[c["text"] for c in d["checks"] if c["name"] == "probe costs" and "malloc (entry and return)" in c["text"]]' doctor.json
	grep -qE '^emulated_ns=[0-9]+$' "$kept"
}

@test "the figures are taken from where they are kept; without them all goes on" {
	local kept="/var/cache/holdfast/calibration-$(uname -r)"
	"$HF" doctor --quiet || [ $? -eq 1 ]
	"$HF" hunt --for 1s --log-level debug "$pid" 2> err > out || [ $? -le 2 ]
	grep -qE "probe costs (in )?$kept" err
	rm "$kept"
	ln -s "$PWD/elsewhere" "$kept"
	"$HF" hunt --for 1s --log-level debug "$pid" 2> err > out || [ $? -le 2 ]
	grep -q 'probe costs measured' err
	[ -L "$kept" ]
	[ ! -e elsewhere ]
	rm "$kept"
}

@test "doctor as nobody: something is missing, with a remedy" {
	cp "$HF" /tmp/holdfast.$$
	chmod 755 /tmp/holdfast.$$
	local status=0
	setpriv --reuid=65534 --regid=65534 --clear-groups /tmp/holdfast.$$ doctor > out 2> err || status=$?
	rm /tmp/holdfast.$$
	cat out err
	[ "$status" -eq 1 ]
	grep -q '^missing' out
	grep -q '^ *do: ' out
}

@test "a diff's page: a file for its owner, or stdout; of reports alone" {
	ends 0 diff first.json.gz r.json.gz --html d.html
	grep -q '^CHANGE ' "$BATS_TEST_TMPDIR/out"
	[ "$(stat -c %a d.html)" = 600 ]
	grep -qi '^<!doctype html>' d.html
	! grep -qE '(src|href)="https?:' d.html
	ends 0 diff first.json.gz r.json.gz --html -
	cmp d.html "$BATS_TEST_TMPDIR/out"
	page_data < d.html > d.json
	json 'd["schema"] == "holdfast.diff_page/1" and d["left_out"]["sites"] == 0' d.json
	json 'any(d["frames"][e["stack"][0]]["function"] == "leaked_block" for e in d["entries"])' d.json
	echo rubbish > rubbish.json
	refuses 65 HF-E-BADFILE diff r.json.gz rubbish.json --html never.html
	refuses 65 HF-E-BADFILE diff d.html r.json.gz --html never.html
	refuses 66 HF-E-NOFILE diff nosuch.json r.json.gz --html never.html
	refuses 64 HF-E-USAGE diff r.json.gz r.json.gz --html - --json -
	[ ! -e never.html ]
}

@test "diff's gate" {
	ends 0 diff r.json.gz r.json.gz --fail-above 1KiB/min
	# The same capture with twice as much held: two captures of a steady leak have the same rate.
	/usr/bin/python3 - <<-'PY'
		import gzip, json
		report = json.load(gzip.open("r.json.gz"))
		for site in report["sites"]:
		    site["outstanding_bytes"] *= 2
		json.dump(report, open("twice.json", "w"))
	PY
	ends 1 diff r.json.gz twice.json --fail-above 1KiB/min
	grep -q leaked_block "$BATS_TEST_TMPDIR/out"
	ends 0 diff twice.json r.json.gz --fail-above 1KiB/min
	ends 0 diff first.json.gz r.json.gz --fail-above 1GiB/s
	ends 0 diff first.json.gz r.json.gz
}

# bats test_tags=slow
@test "attach: a line or an object each interval" {
	ends 0 attach --for 4s --interval 500ms "$pid"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/out")" -ge 3 ]
	! grep -qvE '^ *[0-9.]+ s  RSS .* held .* malloc/s .* lost [0-9]+  \| ' "$BATS_TEST_TMPDIR/out"
	ends 0 attach --for 4s --interval 500ms --json - "$pid"
	while read -r line; do
		echo "$line" > line.json
		json 'd["schema"] == "holdfast.interval/1" and d["lost_events"] == 0' line.json
	done < "$BATS_TEST_TMPDIR/out"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/out")" -ge 3 ]
}

@test "attach calls nothing steady before it has seen enough" {
	ends 0 attach --for 2s --interval 300ms "$pid"
	grep -q ' watching ' "$BATS_TEST_TMPDIR/out"
	! grep -q steady "$BATS_TEST_TMPDIR/out"
	ends 0 attach --for 1s --interval 300ms --json - "$pid"
	! grep -q steady "$BATS_TEST_TMPDIR/out"
}

@test "attach ends when its reader does" {
	"$HF" attach --for 30s --interval 100ms "$pid" 2> err | head -1 > first
	[ -s first ]
}

@test "exit codes of hunt: a gate is 1, Ctrl-C before a firm verdict is 2" {
	local status=0
	# It leaks: without a stop nothing is proved, and no verdict is firm that early.
	"$HF" hunt --for 60s --no-stop -q -o x "$pid" < /dev/null > out 2> err 3>&- & hunt=$!
	sleep 2
	kill -INT "$hunt"
	wait "$hunt" || status=$?
	cat err
	[ "$status" -eq 2 ]
	[ -s x.json.gz ]
	ends 1 hunt --for 15s --no-stop -q -o x --fail-on watching "$pid"
	ends 1 hunt --for 30s -q -o x "$pid"
}

@test "colours on a terminal only, and not with NO_COLOR or TERM=dumb" {
	escape=$(printf '\033')
	on_terminal() { script -qec "env $1 '$HF' report r.json.gz" /dev/null < /dev/null; }
	on_terminal TERM=xterm | grep -q "$escape"
	! on_terminal "TERM=xterm NO_COLOR=1" | grep -q "$escape"
	! on_terminal TERM=dumb | grep -q "$escape"
	! grep -q "$escape" text
}
