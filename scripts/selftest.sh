#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A check that cannot fail is no check: each one must accept a sound little tree, and refuse it after
# one violation is put in.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
count=0 failed=0
licence='SPDX-License-Identifier: GPL-2.0-or-later'

say() { # say STATUS TEXT
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failed=1
	fi
}

# A sound tree: two modules, a shared header, a BPF core header.
fresh() {
	rm -rf "${work:?}"/* "$work"/.[a-z]*
	mkdir -p user/base user/account/ledger user/capture/probe include/holdfast bpf/core tests/unit scripts
	cp "$top/.clang-format" "$top/.clang-tidy" .
	cp "$top/scripts/layers.txt" "$top/scripts/globals.txt" scripts/
	sed -i '/^[^#]/d' scripts/globals.txt
	printf '# %s\n' "$licence" >Makefile
	printf '/* %s */\n#pragma once\n\nint base_add(int a, int b);\n' "$licence" >user/base/add.h
	printf '/* %s */\n#include "base/add.h"\n\nint base_add(int a, int b)\n{\n\treturn a + b;\n}\n' \
		"$licence" >user/base/add.c
	printf '/* %s */\n#include "base/add.h"\n\nint main(void);\n\n' "$licence" >user/account/ledger/sum.c
	printf 'int main(void)\n{\n\treturn base_add(1, 2);\n}\n' >>user/account/ledger/sum.c
	printf '/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */\n#pragma once\n\nstruct hf_pair {\n\tint a, b;\n};\n' |
		tee include/holdfast/pair.h >bpf/core/pair.h
}
build() {
	find user tests -name '*.c' | while read -r c; do
		mkdir -p ".output/$(dirname "$c")"
		gcc -c -Iuser -Iinclude -o ".output/${c%c}o" "$c" || exit 1
	done
}
# accepts CHECK; refuses CHECK WHAT WORD, after the caller has broken something: WORD is in what it says
accepts() {
	fresh && build && out=$("$top/scripts/check-$1.sh" 2>&1)
	say $? "$1 accepts a sound tree"
	[ -z "$out" ] || echo "$out" | sed 's/^/# /'
}
refuses() {
	status=1
	if ! out=$("$top/scripts/check-$1.sh" 2>&1) && echo "$out" | grep -q -e "$3"; then
		status=0
	fi
	say $status "$1 refuses $2"
	[ $status -eq 0 ] || echo "# it said: $out"
	fresh
}
add() { # add FILE LINE…
	file=$1 && shift
	mkdir -p "$(dirname "$file")"
	printf '%s\n' "$@" >>"$file"
}
function_of() { # function_of LINES: a function with that many
	printf 'int long_one(void);\nint long_one(void)\n{\n'
	i=3
	while [ "$i" -lt "$1" ]; do echo ';' && i=$((i + 1)); done
	echo '}'
}


accepts layers
add user/base/add.c '#include "account/ledger/sum.h"' && refuses layers "an upward include" "base may not include account/ledger"
add user/base/add.c '#include "add.h"' && refuses layers "a bare include" "bare include"
add user/base/add.c '#include "../base/add.h"' && refuses layers "a relative include" "relative include"
add user/base/add.c '#include <bpf/libbpf.h>' && refuses layers "libbpf outside capture/probe" "may see <bpf/libbpf.h>"
add user/capture/probe/p.c '#include <bpf/libbpf.h>'
"$top/scripts/check-layers.sh" >/dev/null 2>&1
say $? "layers accepts libbpf in capture/probe" && fresh
add user/account/ledger/sum.c '#include <pthread.h>' && refuses layers "a thread in a pure module" "is pure"
add user/account/ledger/sum.c '#include "base/clock.h"' && refuses layers "a clock in a pure module" "is pure"
add user/base/add.c '#include <holdfast/pair.h>' && refuses layers "a shared header where the law gives none" "base may not include"
add include/holdfast/pair.h '#include "base/add.h"' && refuses layers "a shared header that looks into user/" "nothing of user/"
add user/base/add.c '#include "holdfast.skel.h"' && refuses layers "the skeleton outside capture/probe" "only capture/probe"
add user/surprise/x.c 'int x;' && refuses layers "a module that the law does not know" "no module"
add user/base/a.h '#include "base/b.h"' && add user/base/b.h '#include "base/a.h"' && refuses layers "a circle of includes" "circle"
add scripts/layers.txt 'early: late' 'late:' && refuses layers "a law that is no order" "does not stand above"

accepts headers
add user/base/add.h 'size_t base_size(void);' && refuses headers "a header that leans on its includer" "does not compile alone"
add include/holdfast/pair.h 'static inline int hf_class(int class) { return class; }' && refuses headers "a shared header that is no C++" "does not compile alone"
add include/holdfast/pair.h '#include <stdio.h>' && refuses headers "a shared header that is no BPF" "does not compile alone"

accepts size
function_of 61 >tests/unit/long.c && refuses size "a function of 61 lines" "long_one has 61 lines"
function_of 60 >tests/unit/long.c
"$top/scripts/check-size.sh" >/dev/null 2>&1
say $? "size accepts a function of 60 lines" && fresh
seq 801 | sed 's/.*//' >user/base/add.c && refuses size "a file of 801 lines" "more than 800"
add user/base/add.c 'int six(int a, int b, int c, void (*d)(int, int), int e, int f) { return a; }' && refuses size "six parameters" "six has 6 parameters"

accepts globals
add user/base/add.c 'static int seen; int base_add2(void); int base_add2(void) { return seen++; }' && build && refuses globals "a static that changes" "seen can change"
add user/base/add.c '__thread int each; ' && build && refuses globals "a variable of each thread" "each can change"
add user/base/add.c 'int base_lonely(void); int base_lonely(void) { return 1; }' && build && refuses globals "an export that nobody uses" "base_lonely is exported"
add scripts/globals.txt 'user/base/add.c gone because' && build && refuses globals "a listed global that is gone" "does not exist"

accepts format
add user/base/add.c 'int  wide ( void ) ;' && refuses format "another style" "clang-format"
accepts licence
add user/base/none.c 'int none;' && refuses licence "a file without a licence" "user/base/none.c"
accepts tidy
add user/base/add.c 'int base_sub(int a, int b); int base_sub(int a, int b) { if (a) return b; else return b; }' && refuses tidy "two branches that are the same" "branch-clone"
accepts shell
add scripts/bad.sh '#!/bin/sh' "rm -rf \$1/*" && refuses shell "an unquoted word" "SC2086"

# run-tests.sh itself
fresh
counts() { # counts EXPECTED SCRIPT-BODY WHAT
	printf '#!/bin/sh\n%s\n' "$2" >t.sh && chmod 755 t.sh
	[ "$("$top/scripts/run-tests.sh" t.sh 2>&1 | tail -n 1)" = "$1" ]
	say $? "run-tests counts $3"
}
counts "1 passed, 1 failed, 1 skipped" 'echo 1..3; echo ok 1; echo not ok 2 - x; echo "ok 3 # skip y"; exit 1' "each kind"
counts "0 passed, 1 failed, 0 skipped" 'exit 0' "silence as failure"
counts "1 passed, 1 failed, 0 skipped" 'echo 1..2; echo ok 1' "a missing result as failure"
counts "1 passed, 1 failed, 0 skipped" 'echo 1..1; echo ok 1; kill -SEGV $$' "a crash as failure"
TEST_TIMEOUT=1 && export TEST_TIMEOUT
counts "1 passed, 1 failed, 0 skipped" 'echo 1..2; echo ok 1; exec sleep 9' "a hang as failure"
unset TEST_TIMEOUT
counts "0 passed, 0 failed, 0 skipped" 'echo "1..0 # SKIP nothing to test"' "nothing as nothing"
! "$top/scripts/run-tests.sh" t.sh >/dev/null 2>&1
say $? "run-tests fails when nothing ran"
printf '#!/bin/sh\necho 1..1; test -e built && echo ok 1\n' >t.sh
[ "$(BUILD='sh -c "sleep 1; touch built"' "$top/scripts/run-tests.sh" t.sh 2>&1 | tail -n 1)" = "1 passed, 0 failed, 0 skipped" ]
say $? "run-tests builds before what is built begins"
[ "$(BUILD='false' "$top/scripts/run-tests.sh" t.sh 2>&1 | tail -n 1)" = "0 passed, 1 failed, 0 skipped" ]
say $? "run-tests counts a build that fails as failure"
printf '#!/usr/bin/env bats\n# jobs: 2\n@test "a" { touch a; until test -e b; do sleep 0.1; done; }\n' >t.bats
printf '@test "b" { touch b; until test -e a; do sleep 0.1; done; }\n' >>t.bats
[ "$("$top/scripts/run-tests.sh" t.bats 2>&1 | tail -n 1)" = "2 passed, 0 failed, 0 skipped" ]
say $? "run-tests runs as many tests of a file at once as it says"
echo "1..$count"
exit $failed
