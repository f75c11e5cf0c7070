#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the HTML report's page; prints TAP.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck disable=SC1091 # it stands beside this file
. ./prepare.sh
exec node main.mjs
