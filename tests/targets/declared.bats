#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 3
#
# The truth programs tell the truth: what each declares equals what oracle_preload counts, per site
# function. And compare.py, which all of this rests on, sees a difference of one. Mappings are not
# the oracle's; musl, static programs and JIT frames neither.

setup_file()
{
	cd "$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$PWD/.output}/targets"
	tests/targets/build.sh "$OUT" > /dev/null
}

declared()
{
	/usr/bin/python3 tests/e2e/lib/oracle.py "$OUT" "$@"
}

@test "alloc_functions" { declared alloc_functions; }
@test "cxx_new" { declared cxx_new; }
@test "cxx_exceptions" { declared cxx_exceptions --count=2000; }
@test "threads" { declared threads; }
@test "many_threads" { declared many_threads --count=500; }
@test "fork_tree" { declared fork_tree; }
@test "dlopen_plugin" { declared dlopen_plugin; }
@test "signals_alloc" { declared signals_alloc; }
@test "longjmp_out" { declared longjmp_out; }
@test "arenas" { declared arenas; }
@test "before_attach" { declared before_attach; }
@test "private_alloc" { declared private_alloc; }
@test "deep_recursion" { declared deep_recursion; }
@test "many_stacks" { declared many_stacks --count=20000; }
@test "ten_million" { declared ten_million --count=200000; }
@test "seccomp_filtered" { declared seccomp_filtered --filter=0; }
@test "alloca_realign" { declared alloca_realign; }
@test "fault_touch" { declared fault_touch; }
@test "cache_lru" { declared cache_lru --rate=20000 --after=1; }
@test "cache_warm" { declared cache_warm --rate=20000 --after=1; }
@test "sawtooth" { declared sawtooth --rate=20000 --after=1; }
@test "map_growth" { declared map_growth --rate=5000 --after=1; }
@test "churn" { declared churn --threads=2 --rate=20000 --leak=100 --after=1; }
@test "leaky_server" { declared leaky_server --truth --rate=1000 --after=1; }

# doctored EXPRESSION: what compare says of a small report after EXPRESSION changed it (s: the site).
doctored()
{
	PYTHONPATH=tests/e2e/lib /usr/bin/python3 - "$1" <<-'END'
		import compare, sys
		s = dict(pid=1, allocator="malloc", stack=[0, 1], outstanding_bytes=30, outstanding_count=3,
		         allocs=5, frees=2, alloc_bytes=50)
		report = dict(frames=[dict(function="strdup"), dict(function="leak(int)")], sites=[s],
		              quality=dict(lost_events=0, unmatched_frees=0))
		truth = dict(pid=1, mappings=[], tolerated=[], free_before_attach=0, sites=[
		    dict(function="leak", outstanding_bytes=30, outstanding_count=3, allocs=5, frees=2,
		         alloc_bytes=50)])
		exec(sys.argv[1])
		print("\n".join(compare.compare(report, [truth])) or "equal")
	END
}

@test "compare: an equal report is equal" {
	[ "$(doctored pass)" = equal ]
}

@test "compare: each number that is off by one is a difference" {
	for field in outstanding_bytes outstanding_count allocs frees alloc_bytes; do
		run doctored "s['$field'] += 1"
		[[ "$output" == *"leak: $field reported"*"(+1)" ]] || { echo "$output"; false; }
	done
}

@test "compare: a lost event, a stray site, a mapping nobody declared, another pid are differences" {
	for change in "report['quality']['lost_events'] = 1" "report['quality']['unmatched_frees'] = 1" \
		"report['frames'][1]['function'] = None" \
		"report['sites'].append({**s, 'allocator': 'mmap'})" "s['pid'] = 2" "report['sites'] = []"; do
		[ "$(doctored "$change")" != equal ] || { echo "$change"; false; }
	done
}
