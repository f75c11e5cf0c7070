#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# scenarios.sh [OPTION… NAME…]: programs that leak, and such that only look so, are hunted, and the words
# of the report held against the truth (make scenarios; ARGS=--help).
set -eu
case " $* " in
*" --help "* | *" --list "* | *" --replay "*) ;;
*) [ "$(id -u)" -eq 0 ] || { echo "needs root: sudo make scenarios" >&2; exit 77; } ;;
esac
exec /usr/bin/python3 tests/scenarios/run.py "$@"
