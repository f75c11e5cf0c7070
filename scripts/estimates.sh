#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# estimates.sh [OPTION… NAME…]: what windows estimate of the scenarios' programs is held against what is counted
# (make estimates; ARGS=--help).
set -eu
case " $* " in
*" --help "*) ;;
*) [ "$(id -u)" -eq 0 ] || { echo "needs root: sudo make estimates" >&2; exit 77; } ;;
esac
exec /usr/bin/python3 tests/scenarios/estimates.py "$@"
