#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The formatter has the last word. Tells each file's first place; clang-format -i FILE mends it.
set -eu
# shellcheck disable=SC2016 # the inner shell's
find user bpf include tests scripts \( -name '*.[ch]' -o -name '*.cc' \) ! -path '*/corpus/*' 2>/dev/null | sort |
	xargs -r -n 1 -P "$(nproc)" sh -c 'out=$(clang-format --dry-run -Werror "$0" 2>&1) || { echo "$out" | head -n 1; exit 1; }'
