#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# run-tests.sh PROGRAM… [-- PROGRAM… [-- PROGRAM…]]: runs programs that print TAP (*.bats through bats), shows what
# failed and what was skipped, and ends with "N passed, N failed, N skipped". Programs after "--" need
# root; the others run as the tree's owner. Fails if a test failed or none ran. Root's run one by one, those
# after a second "--" two at once: other work on the machine changes nothing that they look at.
# A program counts as one more failure if it dies, exits non-zero without saying why, prints no plan
# or not as many results as planned, or takes longer than TEST_TIMEOUT seconds (900: a guard against
# hanging, far from what a test needs). JOBS programs run at once (one more than CPUs: many wait). BATS_TAGS chooses
# among the tests of *.bats as bats's --filter-tags does; TEST_LOGS is where the logs go.
set -u
here=$(dirname "$0")
logs=${TEST_LOGS:-$PWD/.output/log} # kept, for who wants to read on
rm -rf "$logs"
"$here/as-owner.sh" mkdir -p "$logs" || exit 1

cat >"$logs/one" <<'END'
#!/bin/sh
# one PROGRAM: its output goes to PROGRAM.tap, its status to PROGRAM.rc
log=$LOGS/$(printf %s "${1#.output/}" | tr / -)
case $1 in
*.bats) run="bats --tap ${BATS_TAGS:+--filter-tags $BATS_TAGS}" ;;
.output/asan/* | .output/tsan/*) run="setarch -R" ;; # sanitizers want their addresses free
*) run= ;;
esac
case $1 in */*) name=$1 ;; *) name=./$1 ;; esac
began=$(date +%s)
timeout -k 5 "${TEST_TIMEOUT:-900}" $run "$name" >"$log.tap" 2>&1 </dev/null &
group=$! # timeout leads a process group
wait $group
echo $? >"$log.rc"
kill -s KILL -- -$group 2>/dev/null # what a failed test left running would slow down all that follow
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
# shellcheck disable=SC2086 # lists of words
[ -z "$plain" ] || printf '%s\n' $plain |
	"$here/as-owner.sh" xargs -n 1 -P "${JOBS:-$(($(nproc) + 1))}" "$logs/one"
for program in $root $side; do
	if [ "$(id -u)" -eq 0 ]; then
		case " $side " in *" $program "*) continue ;; esac
		"$logs/one" "$program"
	else
		log=$logs/$(printf %s "${program#.output/}" | tr / -)
		printf '1..1\nok 1 - %s # SKIP needs root: sudo make check\n' "$program" >"$log.tap"
		echo 0 >"$log.rc"
	fi
done
# shellcheck disable=SC2086 # lists of words
[ -z "$side" ] || [ "$(id -u)" -ne 0 ] || printf '%s\n' $side | xargs -n 1 -P 2 "$logs/one"

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
