#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Looks into the built objects of user/ (.output) for
#   - variables that can change and are not listed in scripts/globals.txt (constant tables with
#     pointers lie in .data.rel.ro and are fine), and entries there that are gone;
#   - functions and tables that are exported, but that no other file uses: these should be static.
#     A use in tests/ counts, because a module comes before its caller.
set -eu
export LC_ALL=C
objects() { find "$@" \( -name '*.c' \) 2>/dev/null | sort | sed 's|^|.output/|; s|c$|o|'; }
ours=$(objects user)
[ -n "$ours" ] || exit 0
for o in $ours; do
	[ -e "$o" ] || { echo "$o is not built"; exit 1; }
done
theirs=
for o in $(objects tests | sed 'p; s|^.output|.output/fuzz|'); do
	[ ! -e "$o" ] || theirs="$theirs $o"
done
flat=$(echo "$ours" | xargs)
fail=0

# shellcheck disable=SC2086
nm -A -f sysv $ours | awk -F '|' -v list=scripts/globals.txt '
BEGIN {
	while ((getline line <list) > 0)
		if (line !~ /^#/ && split(line, word, /[ \t]+/) >= 3)
			listed[word[1] " " word[2]] = 1
}
NF >= 7 {
	section = $7; gsub(/ /, "", section)
	type = $4; gsub(/ /, "", type)
	if (type != "OBJECT" && type != "TLS") next
	if (section !~ /^([.](bss|data|tbss|tdata)|[*]COM[*])/ || section ~ /^[.]data[.]rel[.]ro/) next
	split($1, part, ":"); gsub(/ /, "", part[2])
	file = part[1]; sub(/^[.]output\//, "", file); sub(/o$/, "c", file)
	name = part[2]; sub(/[.][0-9]+$/, "", name)
	if ((file " " name) in listed)
		seen[file " " name] = 1
	else {
		print file ": " name " can change (" section "): pass state as a parameter"; bad = 1
	}
}
END {
	for (entry in listed)
		if (!(entry in seen)) { print list ": " entry " does not exist any more"; bad = 1 }
	exit bad
}' || fail=1

# shellcheck disable=SC2086
nm -A -f posix $ours $theirs | awk -v ours=" $flat " '
{
	file = $1; sub(/:$/, "", file)
	if ($3 == "U") used[$2] = 1
	else if ($3 ~ /^[TDBRV]$/ && index(ours, " " file " ")) defined[$2] = file
}
END {
	delete defined["main"]
	for (name in defined)
		if (!(name in used)) {
			file = defined[name]; sub(/^[.]output\//, "", file); sub(/o$/, "c", file)
			print file ": " name " is exported, but nobody uses it"; bad = 1
		}
	exit bad
}' || fail=1
exit $fail
