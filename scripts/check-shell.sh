#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Our own scripts.
set -eu
find scripts tests .ci -type f \( -name '*.sh' -o -path .ci/run \) 2>/dev/null | sort |
	xargs -r shellcheck -s sh
