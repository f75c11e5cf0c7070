#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Holds every include below user/ and include/ against scripts/layers.txt, and looks for circles of
# files that include each other (foo.c and foo.h count as one; a private foo_internal.h, which has no
# .c, is no file of its own).
set -eu
export LC_ALL=C
law=scripts/layers.txt
edges=$(mktemp)
trap 'rm -f "$edges"' EXIT
fail=0

# shellcheck disable=SC2046 # no path of ours has a blank
set -- $(find user include -name '*.[ch]' 2>/dev/null | sort)
[ $# -gt 0 ] || exit 0
awk -v law="$law" -v edges="$edges" '
function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
# the longest module name that is a folder of this path; "" if none
function module_of(path,   best, i) {
	for (i = 1; i <= count; i++)
		if (index(path, module[i] "/") == 1 && length(module[i]) > length(best))
			best = module[i]
	return best
}
function read_law(   line, word, i, n, name, short, part) {
	short_of["holdfast"] = "holdfast"
	while ((getline line <law) > 0) {
		if (line ~ /^#/ || line ~ /^[ \t]*$/)
			continue
		n = split(line, word, /[ \t:]+/)
		name = word[1]
		for (i = 2; i <= n; i++) {
			if (word[i] == "pure" || word[i] == "bpf")
				flag[name, word[i]] = 1
			else if (word[i] in short_of)
				may[name, short_of[word[i]]] = 1
			else if (word[i] != "") {
				printf "%s: %s names %s, which does not stand above it\n", law, name, word[i]
				bad = 1
			}
		}
		may[name, name] = 1
		module[++count] = name
		n = split(name, part, "/")
		short_of[part[n]] = name
	}
}
BEGIN {
	read_law()
	impure = "^(bpf/.*|sys/socket[.]h|sys/epoll[.]h|sys/timerfd[.]h|pthread[.]h|threads[.]h" \
		"|base/(clock|loop|mailbox)[.]h)$"
	generated["holdfast.skel.h"] = "capture/probe"
}
FNR == 1 {
	shared = FILENAME ~ /^include\//
	self = FILENAME; sub(/^(user|include)\//, "", self)
	me = shared ? "holdfast" : module_of(self)
	if (me == "")
		complain("no module of " law " owns this file")
	node = self; sub(/[.][ch]$/, "", node)
}
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
	match($0, /[<"][^>"]*[>"]/)
	quoted = substr($0, RSTART, 1) == "\""
	what = substr($0, RSTART + 1, RLENGTH - 2)
	if (what ~ /(^|\/)[.][.]?\//)
		complain("relative include of " what)
	else if (quoted && (what in generated)) {
		if (me != generated[what])
			complain("only " generated[what] " may include " what)
	} else if (quoted) {
		to = module_of(what)
		if (shared)
			complain("include/holdfast includes nothing of user/: " what)
		else if (to == "")
			complain("bare include of " what ": write the path below user/")
		else if (!((me, to) in may))
			complain(me " may not include " to ": " what)
		stem = what; sub(/[.]h$/, "", stem)
		if (stem != node && (stem node) !~ /_internal/)
			print stem, node >edges
	} else if (what ~ /^holdfast\//) {
		if (!shared && !((me, "holdfast") in may))
			complain(me " may not include <" what ">")
		stem = what; sub(/[.]h$/, "", stem)
		if (stem != node && (stem node) !~ /_internal/)
			print stem, node >edges
	} else if (what ~ /^bpf\// && !shared && !((me, "bpf") in flag) && self != "capture/feed/ring.c")
		complain("only capture/probe and capture/feed/ring.c may see <" what ">")
	if (((me, "pure") in flag) && what ~ impure)
		complain(me " is pure: no " what)
}
END { exit bad }
' "$@" || fail=1

if ! circle=$(tsort "$edges" 2>&1 >/dev/null) || [ -n "$circle" ]; then
	echo "files include each other in a circle:"
	echo "$circle" | sed -n '/contains a loop/!s/^tsort: /  /p'
	fail=1
fi
exit $fail
