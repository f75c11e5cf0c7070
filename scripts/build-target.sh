#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# build-target.sh SOURCE OUTPUT: builds one program of tests/targets.
# Default flags are a distribution's: optimised, no frame pointer. The words after "build:" in the
# source's first lines are added; if the first of them is no flag, it is the compiler.
set -eu
src=$1 out=$2
mkdir -p "$(dirname "$out")"
case $src in
*.cc) cc=g++ std=-std=gnu++17 ;;
*) cc=gcc std=-std=gnu11 ;;
esac
# shellcheck disable=SC2046 # words are wanted
set -- $(sed -n '1,12s|^[ /*]*build:\([^*]*\).*|\1|p' "$src")
case ${1-} in
'' | -*) ;;
*) cc=$1 && shift ;;
esac
case $out in *.so) set -- -shared -fPIC "$@" ;; esac
exec "$cc" $std -O2 -g -fomit-frame-pointer -Wall -Wextra -D_GNU_SOURCE -Itests/targets \
	-ffile-prefix-map="$PWD"=. -o "$out" "$src" "$@"
