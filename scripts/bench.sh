#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# bench.sh [OPTION…]: what tracing costs a target, paired with its absence in one run (make bench; ARGS=--help).
set -eu
case " $* " in
*" --help "* | *" -h "* | *" --list "*) ;;
*) [ "$(id -u)" -eq 0 ] || { echo "needs root: sudo make bench" >&2; exit 77; } ;;
esac
exec /usr/bin/python3 "$(dirname "$0")/bench/run.py" "$@"
