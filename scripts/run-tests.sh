#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# run-tests.sh PROGRAM… [-- PROGRAM… [-- PROGRAM…]]: runs programs that print TAP (*.bats through bats), shows what
# failed and what was skipped, and ends with "N passed, N failed, N skipped". Programs after "--" need
# root; the others run as the tree's owner. Fails if a test failed or none ran. Those after a second "--" run beside
# all others, because nothing that they look at is changed by other work on the machine; when all is over, those after
# the first "--" run one by one.
# A program counts as one more failure if it dies, exits non-zero without saying why, prints no plan
# or not as many results as planned, or takes longer than TEST_TIMEOUT seconds (900: a guard against
# hanging, far from what a test needs). JOBS programs run at once (one more than CPUs: many wait). BATS_TAGS chooses
# among the tests of *.bats as bats's --filter-tags does; TEST_LOGS is where the logs go. A line "# jobs: N" among the
# first of a *.bats lets N of its tests run at once (BATS_JOBS: not more): tests that mostly wait.
# BUILD is a command that makes the programs that need no root: the others do not wait for it.
set -u
here=$(dirname "$0")
build=${BUILD-}
unset BUILD # a test may run this, too
logs=${TEST_LOGS:-$PWD/.output/log} # kept, for who wants to read on
rm -rf "$logs"
"$here/as-owner.sh" mkdir -p "$logs" || exit 1

cat >"$logs/one" <<'END'
#!/bin/sh
# one PROGRAM: its output goes to PROGRAM.tap, its status to PROGRAM.rc
log=$LOGS/$(printf %s "${1#.output/}" | tr / -)
[ ! -e "$LOGS/stop" ] || exit 0
case $1 in
*.bats)
	run="bats --tap ${BATS_TAGS:+--filter-tags $BATS_TAGS}"
	jobs=$(sed -n '1,12s/^# jobs: //p' "$1")
	[ "${jobs:-1}" -le "${BATS_JOBS:-99}" ] || jobs=$BATS_JOBS
	# across files GNU's parallel would be needed
	[ "${jobs:-1}" -le 1 ] || run="$run --jobs $jobs --no-parallelize-across-files"
	;;
.output/asan/* | .output/tsan/*) run="setarch -R" ;; # sanitizers want their addresses free
*) run= ;;
esac
case $1 in */*) name=$1 ;; *) name=./$1 ;; esac
began=$(date +%s)
timeout -k 5 "${TEST_TIMEOUT:-900}" $run "$name" >"$log.tap" 2>&1 </dev/null 3>&- 4>&- & # nor make's own
group=$! # timeout leads a process group
echo $group >"$log.group"
wait $group
echo $? >"$log.rc"
kill -s KILL -- -$group 2>/dev/null # what a failed test left running would slow down all that follow
rm -f "$log.group"
echo $(($(date +%s) - began)) >"$log.seconds"
END
chmod 755 "$logs/one"
export LOGS="$logs" CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1}"

plain='' root='' side='' after=0
for program; do
	if [ "$program" = -- ]; then
		after=$((after + 1))
	elif [ $after -eq 0 ]; then
		plain="$plain $program"
	elif [ $after -eq 1 ]; then
		root="$root $program"
	else
		side="$side $program"
	fi
done
# What runs is told to end, what has not begun does not.
give_up() {
	: >"$logs/stop"
	[ -z "$making" ] || kill -s TERM "$making" 2>/dev/null
	for file in "$logs"/*.group; do
		[ ! -e "$file" ] || kill -s TERM -- "-$(cat "$file")" 2>/dev/null
	done
	wait
}
making=''
trap 'give_up; exit 130' INT TERM
# at_once N AS PROGRAM…
at_once() {
	n=$1 as=$2
	shift 2
	[ $# -eq 0 ] || printf '%s\n' "$@" | $as xargs -n 1 -P "$n" "$logs/one"
}
lone=$root
# shellcheck disable=SC2086 # lists of words
if [ "$(id -u)" -eq 0 ]; then
	at_once "${SIDE_JOBS:-2}" '' $side &
else
	for program in $root $side; do
		log=$logs/$(printf %s "${program#.output/}" | tr / -)
		printf '1..1\nok 1 - %s # SKIP needs root: sudo make check\n' "$program" >"$log.tap"
		echo 0 >"$log.rc"
	done
	lone=''
fi
if [ -n "$build" ]; then
	sh -c "exec $build" &
	making=$!
	if ! wait $making; then
		give_up
		echo "FAILED   the build"
		echo "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
	making=''
fi
# shellcheck disable=SC2086 # lists of words
at_once "${JOBS:-$(($(nproc) + 1))}" "$here/as-owner.sh" $plain &
wait
for program in $lone; do
	"$logs/one" "$program" &
	wait
done

# shellcheck disable=SC2086
awk -v logs="$logs" '
function failed(text) { fails++; here_failed++; print "FAILED   " program ": " text }
function result(line,   name) {
	name = line; sub(/^(not )?ok *[0-9]* *(- *)?/, "", name)
	seen++
	if (toupper(line) ~ /# *SKIP/) {
		sub(/ *# *[Ss][Kk][Ii][Pp] */, ": ", name); sub(/^: /, "", name)
		skips++; print "skipped  " program ": " name reason
	} else if (line ~ /^ok/)
		passes++
	else
		failed(name)
}
function look(name,   log_file, line, status, lines) {
	program = log_name = name
	sub(/^[.]output\//, "", log_name); gsub("/", "-", log_name)
	log_file = logs "/" log_name
	log_name = log_name ".tap"
	seen = 0; planned = -1; lines = here_failed = 0; last = ""
	while ((getline line <(log_file ".tap")) > 0) {
		text[++lines] = line
		reason = last ~ /^# skipped: / ? ": " substr(last, 12) : "" # cmocka gives none
		last = line
		if (line ~ /^(not )?ok( |$)/)
			result(line)
		else if (line ~ /^1\.\.[0-9]+/) {
			sub(/^1\.\./, "", line)
			planned = (planned < 0 ? 0 : planned) + (line + 0)
		}
	}
	if ((getline status <(log_file ".rc")) <= 0)
		status = "?"
	if (status == 124 || status == 137)
		failed("took longer than TEST_TIMEOUT and was stopped, or was killed")
	else if (planned < 0)
		failed("printed no plan (exit status " status ")")
	else if (planned == 0 && toupper(text[1]) !~ /1[.][.]0 *# *SKIP/)
		failed("ran no test (exit status " status ")")
	else if (seen != planned)
		failed(seen " results, but " planned " planned (exit status " status ")")
	else if (status + 0 != 0 && !here_failed)
		failed("exit status " status)
	if (here_failed)
		show(lines)
}
function show(lines,   i) {
	for (i = 1; i <= lines; i++)
		if (lines <= 100 || i <= 80 || i > lines - 20)
			print "    " text[i]
		else if (i == 81)
			print "    … " lines - 100 " lines, all in " logs "/" log_name
}
BEGIN {
	for (i = 1; i < ARGC; i++)
		look(ARGV[i])
	printf "%d passed, %d failed, %d skipped\n", passes, fails, skips
	exit fails > 0 || passes + skips == 0
}' $plain $root $side
