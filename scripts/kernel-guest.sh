#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# kernel-guest.sh OUT UPROBES T: the part of kernel-matrix.sh inside the guest, which is root there and
# can write to OUT (below the tree), /tmp, /var/tmp and /run only. OUT/result gets what run-tests.sh says.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8
cd "$(dirname "$0")/.." || exit 1
out=$PWD/$1 uprobes=$2 word=$3

mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
busybox ifconfig lo up

# What the tests look at: which uprobes there must be, how patient to be, what to leave out.
export HF_TEST_UPROBES="$uprobes" HF_TEST_PATIENCE=10 BATS_TAGS='!slow' TEST_TIMEOUT=3000 BATS_JOBS=1 TEST_LOGS="$out/log"
uname -srvm
./holdfast doctor --log-level debug >"$out/doctor" 2>&1
set --
for test in .output/tests/load/test_*"$word"* tests/e2e/*"$word"*.bats; do
	case $test in
	*.o | *.d | *'*'*) ;;
	*) set -- "$@" "$test" ;;
	esac
done
scripts/run-tests.sh -- "$@" >"$out/unfinished" 2>&1
mv "$out/unfinished" "$out/result"
