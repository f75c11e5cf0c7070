#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every header compiles alone, warnings are errors: those of user/ as C; the shared ones as C, C++ and
# BPF, because all three read them; bpf/ as BPF; bpf/core as C and BPF, after tests/bpfcore/includer.h,
# which declares what such a header expects of its includer.
set -eu
PATH=$PATH:/usr/sbin
warn="-Wall -Wextra -Werror -Wno-unused-function -Wno-unused-const-variable"
inc="-Iuser -Iinclude -Ibpf -I.output/gen"
arch=$(gcc -print-multiarch)
includer=
[ ! -e tests/bpfcore/includer.h ] || includer="-Wno-unknown-pragmas -include tests/bpfcore/includer.h"
export warn inc arch includer

cat >"${one:=$(mktemp)}" <<'END'
header=$1
c() { gcc -std=gnu11 -D_GNU_SOURCE $warn $inc -fsyntax-only -x c "$@"; }
cxx() { g++ -std=gnu++17 $warn $inc -fsyntax-only -x c++ "$@"; }
bpf() { clang -target bpf -mcpu=v3 -O2 -D__TARGET_ARCH_x86 $warn -Iinclude -Ibpf "-I/usr/include/$arch" \
	-fsyntax-only -x c "$@"; }
# "-include header empty.c" instead of the header as main file: #pragma once is then no warning
reader='-include /dev/stdin'
case $header in
user/*) c -include "$header" /dev/null ;;
include/*) c -include "$header" /dev/null && cxx -include "$header" /dev/null &&
	bpf -include "$header" /dev/null ;;
bpf/core/*) c $includer -include "$header" /dev/null && bpf $includer -include "$header" /dev/null ;;
bpf/*) bpf -include "$header" /dev/null ;;
esac || { echo "$header does not compile alone"; exit 1; }
END
sed -i '/^reader=/d' "$one"
trap 'rm -f "$one"' EXIT
find user include bpf -name '*.h' ! -path '*/web/*' 2>/dev/null | sort |
	xargs -r -n 1 -P "$(nproc)" sh "$one" 2>&1 || exit 1
