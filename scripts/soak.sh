#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# soak.sh [CYCLES | kill9 CYCLES | agent MINUTES] (make soak, ARGS=...)
#	kill9	a program under load is attached to, and we are killed, that many times (1000); after each, it must live and
#		its code be as it was
#	agent	the agent traces targets that come and go, for so long (120); its memory and descriptors must not grow
# Without a word both, one after the other.
set -eu
[ "$(id -u)" -eq 0 ] || { echo "needs root: sudo make soak" >&2; exit 77; }
here=$(dirname "$0")
cycles() { /usr/bin/python3 tests/e2e/lib/survive.py kill9 "$1"; }
minutes() { /usr/bin/python3 "$here/bench/soak.py" "$1"; }
case ${1:-} in
kill9) cycles "${2:-1000}" ;;
agent) minutes "${2:-120}" ;;
'') cycles 1000 && minutes 120 ;;
*) cycles "$1" ;;
esac
