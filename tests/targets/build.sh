#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the truth programs, or with --from those of another folder beside this one (scenarios):
# tests/targets/build.sh [--from FOLDER] OUTDIR [NAME ...]   (default: all)
# Each source says how in a line "// build: WORDS" among its first three. Words: shared (an .so),
# musl (by musl-gcc; not built, and said so, where that is absent), python (an extension module; not
# built without Python.h), also-stripped (NAME-stripped, too), needs:FILE (a library; not built where
# the compiler does not find it), prefixed:FILE:PREFIX (such a library, its functions renamed), apart (no symbols; those are in NAME.debug), anything else is a compiler flag. A source is built again only if
# it or a header is newer than its program.
set -eu

folder=targets
if [ "${1-}" = --from ]; then
	folder=$2
	shift 2
fi
here=$(cd "$(dirname "$0")/../$folder" && pwd)
script=$(cd "$(dirname "$0")" && pwd)/build.sh
out=${1:?usage: build.sh [--from FOLDER] OUTDIR [NAME ...]}
shift
python_flags=$(/usr/bin/python3-config --includes 2> /dev/null || :)
mkdir -p "$out"

# prefix LIBRARY PREFIX: a copy of a static library, without C++, whose functions for everybody have names with that prefix.
prefix()
{
	from=$(${CC:-gcc} -print-file-name="$1")
	nm -A "$from" 2> /dev/null | awk -v prefix="$2" '$(NF - 1) ~ /[TW]/ && $NF !~ /^(je_|_Z)/ { print $NF, prefix $NF }' \
		| sort -u > "$out/$2$1.names"
	objcopy --redefine-syms="$out/$2$1.names" "$from" "$out/$2$1"
	ar d "$out/$2$1" jemalloc_cpp.o
	rm "$out/$2$1.names"
}

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
	stripped=
	apart=
	prefixed=
	for word in $words; do
		case $word in
		shared) product=$out/$name.so; flags="$flags -shared -fPIC" ;;
		musl) compiler='musl-gcc -std=gnu11' ;;
		also-stripped) stripped=$product-stripped ;;
		apart) apart=$name.debug ;;
		python)
			if [ -z "$python_flags" ]; then
				echo "  SKIP     $name: no python3-config (python3-dev)" >&2
				return 0
			fi
			flags="$flags $python_flags"
			;;
		prefixed:*) prefixed=${word#prefixed:} ;;
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
	if [ -e "$product" ] && [ -z "$(find "$source" $included "$here"/*.h "$script" -newer "$product")" ]; then
		return 0
	fi
	if [ -n "$prefixed" ]; then
		flags="$out/${prefixed#*:}${prefixed%%:*} $flags"
		prefix "${prefixed%%:*}" "${prefixed#*:}"
	fi
	printf '  TARGET   %s\n' "$(basename "$product")"
	# shellcheck disable=SC2086 # words are meant to be split
	$compiler -O2 -g -fomit-frame-pointer -Wall -Wextra -ffile-prefix-map="$here=tests/$folder" \
		-o "$product.tmp" "$source" $flags
	if [ -n "$apart" ]; then
		objcopy --only-keep-debug "$product.tmp" "$out/$apart"
		strip "$product.tmp"
		(cd "$out" && objcopy --add-gnu-debuglink="$apart" "$(basename "$product.tmp")")
	fi
	[ -z "$stripped" ] || strip -o "$stripped" "$product.tmp"
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
