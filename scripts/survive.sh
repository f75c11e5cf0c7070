#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# survive.sh: what the agent's tests go through at length (make survive): killed 200 times under load, 10,000 short-lived
# processes, 40 rounds of flipped bytes, 30,000 mad requests, all kinds of damaged files, and ten minutes more in which no
# false alarm may come from nineteen services beside the one that leaks.
set -eu
[ "$(id -u)" -eq 0 ] || { echo "needs root: sudo make survive" >&2; exit 77; }
export HF_SURVIVE_ROUNDS="${HF_SURVIVE_ROUNDS:-200}" HF_SURVIVE_PROCESSES="${HF_SURVIVE_PROCESSES:-10000}" \
	HF_SURVIVE_FLIPS=40 HF_SURVIVE_REQUESTS=30000 HF_SURVIVE_ALL=1 HF_SURVIVE_MINUTES=30 HF_FLEET_SECONDS=600
bats tests/e2e/agent_fire.bats
bats --filter 'killed again|short-lived' tests/e2e/agent.bats
