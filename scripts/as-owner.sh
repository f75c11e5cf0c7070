#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# as-owner.sh COMMAND…: runs it as the owner of the tree, so that "sudo make" leaves no file behind
# that the next plain "make" cannot replace. Without root, or in root's own tree: just runs it.
set -eu
uid=$(stat -c %u .) gid=$(stat -c %g .)
if [ "$(id -u)" -ne 0 ] || [ "$uid" -eq 0 ]; then
	exec "$@"
fi
as() { setpriv --reuid="$uid" --regid="$gid" --clear-groups "$@"; }
if ! as test -w .; then # such as below a directory that only root may enter
	exec "$@"
fi
for left in .output holdfast; do # by an earlier run that was all root
	[ ! -e "$left" ] || chown -Rh "$uid:$gid" "$left"
done
home=$(getent passwd "$uid" | cut -d: -f6)
exec setpriv --reuid="$uid" --regid="$gid" --clear-groups env HOME="${home:-/}" "$@"
