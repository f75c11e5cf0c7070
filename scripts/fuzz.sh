#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# fuzz.sh: replays each fuzzer's corpus, as TAP.
# fuzz.sh run PROGRAM…: fuzzes each for FUZZ_SECONDS. New inputs stay in .output/fuzz/corpus; an input
# that breaks something is written there too, and named.
set -u
cd "$(dirname "$0")/.." || exit 1
corpora=tests/fuzz/corpus
export UBSAN_OPTIONS=print_stacktrace=1
limits="-timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=512"

replay() {
	set -- tests/fuzz/fuzz_*.c
	echo "1..$#"
	failed=0
	for source; do
		name=$(basename "$source" .c)
		seeds=$corpora/${name#fuzz_}
		# shellcheck disable=SC2086
		if [ -z "$(ls "$seeds" 2>/dev/null)" ]; then
			echo "not ok - $name has no corpus in $seeds" && failed=1
		elif out=$(setarch -R ".output/fuzz/tests/fuzz/$name" $limits -runs=0 "$seeds" 2>&1); then
			echo "ok - $name replays $(find "$seeds" -type f | wc -l) inputs"
		else
			echo "not ok - $name" && failed=1
			echo "$out" | sed 's/^/# /'
		fi
	done
	exit $failed
}

run() {
	failed=0
	for program; do
		name=$(basename "$program")
		grown=.output/fuzz/corpus/${name#fuzz_}
		mkdir -p "$grown" "$corpora/${name#fuzz_}"
		echo "$name for ${FUZZ_SECONDS:=60} s"
		# shellcheck disable=SC2086
		setarch -R "$program" $limits -max_total_time="$FUZZ_SECONDS" -print_final_stats=1 \
			-artifact_prefix="$grown/" "$grown" "$corpora/${name#fuzz_}" >"$grown.log" 2>&1 || failed=1
		grep -E '^(stat::number_of_executed|==.*ERROR|SUMMARY|.*runtime error|Test unit written)|^artifact|Test unit' \
			"$grown.log" | sed 's/^/  /'
	done
	exit $failed
}

case ${1-} in
run) shift && run "$@" ;;
*) replay ;;
esac
