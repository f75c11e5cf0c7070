#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The formatter has the last word.
set -eu
find user bpf include tests scripts \( -name '*.[ch]' -o -name '*.cc' \) ! -path '*/corpus/*' 2>/dev/null |
	sort | xargs -r -n 20 -P "$(nproc)" clang-format --dry-run -Werror 2>&1
