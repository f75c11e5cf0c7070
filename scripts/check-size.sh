#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# No function over 60 lines, no file over 800, no more than 5 parameters; no exceptions. (The programs
# in tests/targets may have calls of any shape: these are what they are for.)
set -eu
export LC_ALL=C
# shellcheck disable=SC2046 # no path of ours has a blank
set -- $(find user bpf include tests scripts \( -name '*.[ch]' -o -name '*.cc' \) 2>/dev/null | sort)
[ $# -gt 0 ] || exit 0
fail=0
awk 'FNR == 801 { print FILENAME ": more than 800 lines"; bad = 1 } END { exit bad }' "$@" || fail=1

ctags --quiet=yes --options=NONE --kinds-C=f --kinds-C++=f --fields=+neS --map-C=-.h.c --map-C++=+.h -f - "$@" |
awk -F '\t' '
# parameters in "(int a, void (*call)(int, int))"; a BPF_… macro has the name as its first
function parameters(text, macro,   depth, i, n, c) {
	if (text ~ /^\( *(void)? *\)$/)
		return 0
	for (i = n = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(") depth++
		else if (c == ")") depth--
		else if (c == "," && depth == 1) n++
	}
	return macro ? n - 1 : n
}
{
	start = end = 0; signature = "()"
	for (i = 4; i <= NF; i++) {
		if ($i ~ /^line:/) start = substr($i, 6)
		else if ($i ~ /^end:/) end = substr($i, 5)
		else if ($i ~ /^signature:/) signature = substr($i, 11)
	}
	if (end && end - start + 1 > 60) {
		printf "%s:%d: %s has %d lines (60)\n", $2, start, $1, end - start + 1; bad = 1
	}
	n = parameters(signature, $1 ~ /^BPF_/)
	if (n > 5 && $2 !~ /^tests\/targets\//) {
		printf "%s:%d: %s has %d parameters (5)\n", $2, start, $1, n; bad = 1
	}
}
END { exit bad }' || fail=1
exit $fail
