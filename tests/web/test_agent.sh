#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the agent's page, on an agent that only pretends; prints TAP, and leaves pictures in .output/web.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck disable=SC1091 # it stands beside this file
. ./prepare.sh
exec node agent_main.mjs
