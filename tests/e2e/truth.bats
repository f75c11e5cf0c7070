#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 3
#
# Bytes and blocks per call site, against the program's own account (tests/targets/truth.h), exactly,
# with no event lost. What this cannot find: a wrong frame above the declared function (the stack
# tests do), wrong file:line, wrong verdicts (the scenarios do).

load lib/truth

@test "every allocating function of libc, and its edge cases" { truth alloc_functions; }
@test "operator new in all forms, containers, constructors that throw" { truth cxx_new; }
@test "100,000 exceptions through allocating frames" { truth cxx_exceptions; }
@test "blocks that change hands between threads; threads that exit and are cancelled" { truth threads; }
# bats test_tags=slow
@test "2,000 short-lived threads" { truth many_threads; }
@test "parent, child and grandchild each hold their own" { truth fork_tree; }
@test "a child that execs another program" { truth fork_tree --exec=1; }
@test "a program that another one becomes, from its first call on" {
	(echo go && sleep 4) | "$ROOT/holdfast" hunt --exact --for 3s -o "$BATS_TEST_TMPDIR/r" -- \
		sh -c "exec '$OUT/targets/alloc_functions'" >/dev/null 2>"$BATS_TEST_TMPDIR/err" || [ $? -le 2 ]
	grep '^{"pid"' "$BATS_TEST_TMPDIR/err" >"$BATS_TEST_TMPDIR/truth"
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/compare.py" "$BATS_TEST_TMPDIR/r.json.gz" \
		"$BATS_TEST_TMPDIR/truth" --declared
}
@test "blocks of plugins that were unloaded, names included" { truth dlopen_plugin; }
# bats test_tags=slow
@test "plugins that come and go faster than anyone can look" { truth dlopen_plugin --rounds=100; }
@test "an allocator within a library that is loaded later" { truth late_allocator; }
@test "signal handlers that allocate, signals that interrupt malloc" { truth signals_alloc; }
@test "longjmp out of qsort's callback" { truth longjmp_out; }
@test "longjmp out of malloc itself" { truth --preload own_malloc.so longjmp_out; }
@test "an allocator whose functions call each other counts once" {
	truth --preload nested_allocator.so alloc_functions
}
@test "such an allocator under threads" { truth --preload nested_allocator.so threads; }
@test "mappings cut at head, tail and middle, moved, replaced" { truth mappings; }
@test "arenas and mmapped blocks are no mappings of the program" { truth arenas; }
@test "blocks from before attach are freed as untraced" { truth before_attach; }
@test "glibc linked in" { truth static_glibc; }
@test "a stripped static program: malloc is found by what it does" { truth static_stripped; }
@test "every allocating function of glibc in a stripped static program" { truth stripped_functions; }
@test "operator new of libstdc++ in a stripped static program" { truth stripped_cxx; }
@test "children of a stripped static program" { truth fork_stripped; }
@test "a child that is forked while its parent is attached to is one process, with what it inherits" {
	cat > "$BATS_TEST_TMPDIR/forks.c" <<-'C'
	#include <signal.h>
	#include <stdlib.h>
	#include <string.h>
	#include <sys/mman.h>
	#include <sys/prctl.h>
	#include <unistd.h>
	static void *volatile kept;
	static volatile int *told; /* shared with the children: free it now */
	static void tell(int number) { *told = number; }
	int main(void)
	{
		char before[256], before_too[256];
		told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		signal(SIGCHLD, SIG_IGN);
		signal(SIGUSR1, tell);
		alarm(120);
		free(malloc(100));
		memcpy(before, (const char *)free, sizeof(before));
		memcpy(before_too, (const char *)malloc, sizeof(before_too));
		while (!memcmp(before, (const char *)free, sizeof(before)) ||
		       !memcmp(before_too, (const char *)malloc, sizeof(before_too)))
			usleep(50); /* a probe changes the code */
		kept = malloc(1000);
		for (int i = 0; i < 50; i++) {
			if (!fork()) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				while (!*told)
					usleep(10000);
				free(kept);
				_exit(0);
			}
		}
		for (;;)
			pause();
	}
	C
	cc -O1 -o "$BATS_TEST_TMPDIR/forks" "$BATS_TEST_TMPDIR/forks.c"
	"$BATS_TEST_TMPDIR/forks" 3>&- &
	local pid=$! hunt
	sleep 0.5
	"$ROOT/holdfast" hunt "$pid" --exact --for 60s --log-level info --json "$BATS_TEST_TMPDIR/r.json" -o "$BATS_TEST_TMPDIR/r" \
		2> "$BATS_TEST_TMPDIR/log" 3>&- &
	hunt=$!
	# Each is attached to before it frees, however busy the machine is.
	for _ in $(seq 300); do
		[ "$(grep -c 'attached pid=' "$BATS_TEST_TMPDIR/log")" -lt 51 ] || break
		sleep 0.1
	done
	kill -USR1 "$pid"
	for _ in $(seq 100); do
		pgrep -P "$pid" > /dev/null || break
		sleep 0.1
	done
	kill -INT "$hunt"
	wait "$hunt" || [ $? -le 2 ]
	kill "$pid"
	/usr/bin/python3 - "$BATS_TEST_TMPDIR/r.json" <<-'PYTHON'
	import json, sys
	report = json.load(open(sys.argv[1]))
	frees = sum(site["frees"] for site in report["sites"] if site["pid"] != report["target"]["pid"])
	assert (len(report["processes"]), frees, report["quality"]["unmatched_frees"]) == (51, 50, 0), (len(report["processes"]), frees, report["quality"])
	PYTHON
}
@test "a stripped static program that never had a malloc is refused by name" {
	local pid
	sleep 20 | "$OUT/targets/no_malloc" >"$BATS_TEST_TMPDIR/ready" &
	until read -r _ pid <"$BATS_TEST_TMPDIR/ready"; do sleep 0.1; done 2>/dev/null
	run "$ROOT/holdfast" hunt --for 1s -o "$BATS_TEST_TMPDIR/r" "$((10#$pid))"
	kill "$((10#$pid))"
	[ "$status" -eq 69 ]
	[[ "$output" == *HF-E-NOMALLOC*"--alloc"* ]]
}
# musl has no .eh_frame: through its strdup no tool can unwind, from its malloc's entry it can.
@test "musl, shared" {
	need musl_dynamic 'no musl-gcc'
	truth musl_dynamic --strings=0
}
@test "musl, linked in" {
	need musl_static 'no musl-gcc'
	truth musl_static --strings=0
}
@test "musl, linked in and stripped" {
	need musl_stripped 'no musl-gcc'
	truth musl_stripped --strings=0
}
@test "an allocator of the program's own, by --alloc and --free" {
	truth --option=--alloc --option='my_alloc(size=arg1)->ret' --option=--free \
		--option='my_free(ptr=arg1)' private_alloc
}
@test "an allocator of a stripped static program, by --alloc and --free with addresses" {
	local names="$OUT/targets/private_stripped.debug"
	address() { echo "0x$(nm "$names" | sed -n "s/^0*\([0-9a-f]*\) [tT] $1\$/\1/p")"; }
	truth --option=--alloc --option="$(address my_alloc)(size=arg1)->ret" --option=--free \
		--option="$(address my_free)(ptr=arg1)" private_stripped
}
@test "a program that tells of its blocks by USDTs of otel_memory" { truth usdt_alloc; }
@test "stacks of up to 300 frames" { truth deep_recursion; }
# bats test_tags=slow
@test "100,000 distinct stacks" { truth many_stacks; }
# bats test_tags=slow
@test "a million live blocks" { truth ten_million --count=1000000; }
@test "a program under a strict seccomp filter lives" { truth seccomp_filtered; }
@test "through code made at run time, unnamed" { truth jit_frames; }
@test "through code made at run time, named by a perf map" { truth jit_frames --perf-map=1; }
@test "through frames of variable size and realigned stacks" { truth alloca_realign; }
@test "page faults cost no block" { truth fault_touch; }
@test "a full LRU cache, exactly" { truth --after=5 cache_lru; }
@test "a cache that warms, exactly" { truth --after=5 cache_warm; }
@test "a sawtooth, exactly" { truth --after=8 sawtooth; }
@test "a table that grows, exactly" { truth --after=5 map_growth; }
@test "churn on two threads, exactly" { truth --after=5 churn --threads=2 --rate=20000 --leak=1000; }
@test "the leaky server, exactly" { truth --after=8 leaky_server --truth; }
