#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every source says its licence in its first three lines, and the right one for its place.
set -eu
export LC_ALL=C
fail=0
for f in Makefile $(find user bpf include tests scripts .ci -type f \( -name '*.[chS]' -o -name '*.cc' \
	-o -name '*.sh' -o -name '*.awk' -o -name '*.py' -o -name '*.bats' -o -name '*.js' -o -name '*.css' \
	-o -name '*.html' -o -name '*.def' -o -path .ci/run \) ! -path '*/corpus/*' 2>/dev/null | sort); do
	case $f in
	bpf/core/* | include/holdfast/*) want="MIT OR GPL-2.0-or-later" ;;
	user/python/*) want="MIT" ;;
	*) want="GPL-2.0-or-later" ;;
	esac
	have=$(sed -n '1,3s/.*SPDX-License-Identifier: \([A-Za-z0-9. -]*[A-Za-z0-9]\).*/\1/p' "$f")
	if [ "$have" != "$want" ]; then
		echo "$f: licence is '$have', should be '$want'"
		fail=1
	fi
done
exit $fail
