#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# hunt.sh [PID]: what "make hunt" shows. Without a PID, starts the bundled leaky server as the user who
# called sudo, and stops it afterwards. A hunt that came to any verdict (status 0 to 2) is done.
set -eu
if [ "$(id -u)" -ne 0 ]; then
	echo "hunting another process needs root: sudo make hunt" >&2
	exit 77
fi
pid=${1-}
server=
# shellcheck disable=SC2317 # called by trap
stop() {
	[ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || :
}
trap stop EXIT
trap : INT TERM # the hunt stops and reports; then so do we

if [ -z "$pid" ]; then
	program=.output/targets/leaky_server
	if [ -n "${SUDO_UID-}" ]; then
		setpriv --reuid="$SUDO_UID" --regid="${SUDO_GID-$SUDO_UID}" --clear-groups "$program" --auto >/dev/null 2>&1 &
	else
		"$program" --auto >/dev/null 2>&1 &
	fi
	server=$!
	sleep 1
	if ! kill -0 "$server" 2>/dev/null; then
		echo "$program did not start" >&2
		exit 70
	fi
	pid=$server
	echo "started $program as pid $pid; it leaks on purpose" >&2
fi

status=0
./holdfast hunt "$pid" --for 60s || status=$?
[ "$status" -gt 2 ] || status=0
exit "$status"
