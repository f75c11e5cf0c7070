#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# check-tidy.sh [--analyzer]: clang-tidy's quick checks over user/, or the analyzer's. A file that
# passed is looked at again only when it, a header that it includes, or the configuration changed.
set -eu
mode=quick extra=
if [ "${1-}" = --analyzer ]; then
	mode=analyzer extra='--checks=clang-analyzer-*,-clang-analyzer-security.insecureAPI.*'
fi
stamps=.output/tidy/$mode
mkdir -p "$stamps"
export stamps extra
one=$(mktemp)
trap 'rm -f "$one"' EXIT
cat >"$one" <<'END'
file=$1 stamp=$stamps/$(echo "$1" | tr / ,) depends=.output/${1%c}d
headers=
[ ! -e "$depends" ] || headers=$(sed -n 's/^\([^ :]*\.h\):$/\1/p' "$depends")
fresh=yes
for needed in "$file" $headers .clang-tidy; do
	# Of the same age is not enough: the clock of files ticks a few milliseconds.
	[ "$stamp" -nt "$needed" ] || fresh=
done
[ -z "$fresh" ] || exit 0
banned=
[ ! -e user/base/banned.h ] || banned="-include user/base/banned.h"
status=0
clang-tidy --quiet $extra "$file" -- -std=gnu11 -D_GNU_SOURCE -DHF_VERSION='"0"' -Iuser -Iinclude -Ibpf \
	-I.output/gen $banned >"$stamp.log" 2>&1 || status=$?
# bpftool's skeleton is not ours to mend
ours=$(grep -E '(error|warning): ' "$stamp.log" | grep -v '^[^ :]*\.output/gen/') || :
any=$(grep -c -E '(error|warning): ' "$stamp.log") || :
if [ -n "$ours" ] || { [ "$status" -ne 0 ] && [ "$any" -eq 0 ]; }; then
	grep -v '^[0-9]* warnings\{0,1\} ' "$stamp.log"
	rm -f "$stamp.log"
	exit 1
fi
rm -f "$stamp.log"
: >"$stamp"
END
find user -name '*.c' 2>/dev/null | sort | xargs -r -n 1 -P "$(nproc)" sh "$one" || exit 1
