# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For bats files that compare a report with the traced program's own account: load lib/truth.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: attaches probes'
}

# truth [OPTION ...] PROGRAM [ARGUMENT ...]: equal, or the differences are shown.
truth()
{
	/usr/bin/python3 "$BATS_TEST_DIRNAME/lib/drive.py" --holdfast "$ROOT/holdfast" \
		--targets "$OUT/targets" "$@"
}

# need PROGRAM REASON: skipped where it is not built.
need()
{
	[ -x "$OUT/targets/$1" ] || skip "$1 is not built ($2)"
}
