#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# soak.sh [CYCLES]: a program under load is attached to, and we are killed, that many times (make soak,
# ARGS=10000); after each, it must live and its code be as it was.
set -eu
[ "$(id -u)" -eq 0 ] || { echo "needs root: sudo make soak" >&2; exit 77; }
exec /usr/bin/python3 tests/e2e/lib/survive.py kill9 "${1:-1000}"
