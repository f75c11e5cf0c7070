#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# jobs: 2
#
# The target lives and its code is as before, whatever happens to it and to us; what cannot be done
# is refused by name. scripts/soak.sh repeats the first case as often as one likes.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	cd "$BATS_TEST_TMPDIR"
}

survive()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/survive.py" --holdfast "$ROOT/holdfast" \
		--targets "$OUT/targets" "$@"
}

# refused STATUS CODE WORD ...: holdfast says no, with this status and code.
refused()
{
	local status=0 wanted=$1 code=$2
	shift 2
	"$ROOT/holdfast" "$@" > stdout 2> stderr < /dev/null || status=$?
	cat stderr
	[ "$status" -eq "$wanted" ]
	grep -q "\[$code\]" stderr
	[ ! -s stdout ]
}

# bats test_tags=slow
@test "we are killed 51 times, also while probes come and go: the target lives, its code is as before" { survive kill9 51; }
@test "the target is killed: its report comes, names included" { survive target_killed; }
@test "the target execs: the new program is followed" { survive target_execs; }
@test "the target forks all the time" { survive target_forks; }
@test "the target exits: its status is its own" { survive target_exits; }
@test "a ring that overflows is counted and blocks nobody" { survive overflow; }
@test "detaching under load invents no block" { survive detach_under_load; }
# bats test_tags=slow
@test "2,000 threads at once" { survive threads; }
@test "two processes in one hunt" { survive several; }
@test "a command of ours that is killed" { survive command_killed; }

@test "a PID that is gone" {
	/bin/true & gone=$!
	wait "$gone"
	refused 66 HF-E-NOPID hunt "$gone"
}

@test "no permission" {
	cp "$ROOT/holdfast" /tmp/holdfast.$$
	chmod 755 /tmp/holdfast.$$
	local status=0
	setpriv --reuid=65534 --regid=65534 --clear-groups /tmp/holdfast.$$ hunt $$ > stdout 2> stderr || status=$?
	rm /tmp/holdfast.$$
	cat stderr
	[ "$status" -eq 77 ]
	grep -q '\[HF-E-PERM\]' stderr
	[ ! -s stdout ]
}

@test "a command that does not exist" { refused 66 HF-E-NOFILE hunt -- ./no-such-program; }

@test "a command that ends at once" {
	local status=0
	"$ROOT/holdfast" hunt --for 10s -o r -- /bin/true > stdout 2> stderr || status=$?
	cat stderr
	[ "$status" -le 2 ]
	[ -s r.json.gz ]
}

@test "a goal that is a symbolic link is not followed" {
	echo precious > file
	ln -s file r.json.gz
	refused 73 HF-E-CANTWRITE hunt --for 1s -q -o r -- /bin/true
	[ "$(cat file)" = precious ]
}
