#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# All style checks as TAP. Needs the objects (make check-style builds them first).
set -u
cd "$(dirname "$0")/.." || exit 1
set -- layers headers size globals bpf format licence shell tidy
echo "1..$#"
fail=0
for check; do
	if out=$("scripts/check-$check.sh" 2>&1); then
		echo "ok - $check"
	else
		echo "not ok - $check"
		echo "$out" | sed 's/^/# /; 60{s/.*/# … and more/; q}'
		fail=1
	fi
done
exit $fail
