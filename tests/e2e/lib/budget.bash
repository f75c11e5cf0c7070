# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For bats files about the budget: load lib/budget.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
	"$ROOT/holdfast" doctor | grep -q 'uprobes *uprobe_multi' || skip 'windows need uprobe_multi (kernel 6.6)'
}

# hold SECONDS CHECK [ARGUMENT ...]: see lib/budget.py.
hold()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/budget.py" "$ROOT/holdfast" "$OUT/tests/bench/bench_loop" "$@"
}
