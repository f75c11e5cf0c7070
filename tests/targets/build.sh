#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the truth programs: tests/targets/build.sh OUTDIR [NAME ...]   (default: all)
# Each source says how in a line "// build: WORDS" among its first three. Words: shared (an .so),
# musl (by musl-gcc; not built, and said so, where that is absent), needs:FILE (a library; not built
# where the compiler does not find it), anything else is a compiler flag. A source is built again only if it or a header is newer than its program.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh OUTDIR [NAME ...]}
shift
mkdir -p "$out"

build_one()
{
	source=$1
	name=$(basename "${source%.*}")
	words=$(sed -n '1,3s|^// build: *||p' "$source")
	case $source in *.cc) compiler="${CXX:-g++} -std=c++17" ;; *) compiler="${CC:-gcc} -std=gnu11" ;; esac
	included=$(sed -n "s|^#include \"\(.*\.cc*\)\"|$here/\1|p" "$source")
	product=$out/$name
	flags=
	needs=
	for word in $words; do
		case $word in
		shared) product=$out/$name.so; flags="$flags -shared -fPIC" ;;
		musl) compiler='musl-gcc -std=gnu11' ;;
		needs:*) needs=${word#needs:} ;;
		*) flags="$flags $word" ;;
		esac
	done
	if ! command -v "${compiler%% *}" > /dev/null; then
		echo "  SKIP     $name: no ${compiler%% *}" >&2
		return 0
	fi
	if [ -n "$needs" ] && [ "$($compiler -print-file-name="$needs")" = "$needs" ]; then
		echo "  SKIP     $name: no $needs" >&2
		return 0
	fi
	# shellcheck disable=SC2086 # a file or none
	if [ -e "$product" ] && [ -z "$(find "$source" $included "$here"/*.h "$here/build.sh" -newer "$product")" ]; then
		return 0
	fi
	printf '  TARGET   %s\n' "$(basename "$product")"
	# shellcheck disable=SC2086 # words are meant to be split
	$compiler -O2 -g -fomit-frame-pointer -Wall -Wextra -ffile-prefix-map="$here=tests/targets" \
		-o "$product.tmp" "$source" $flags
	mv "$product.tmp" "$product"
}

if [ $# -eq 0 ]; then
	for source in "$here"/*.c "$here"/*.cc; do
		[ -e "$source" ] && build_one "$source"
	done
	exit 0
fi
for name; do
	name=${name%.so}
	if [ -e "$here/$name.c" ]; then build_one "$here/$name.c"; else build_one "$here/$name.cc"; fi
done
