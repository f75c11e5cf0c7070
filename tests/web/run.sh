#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the HTML report's page; prints TAP. Needs node; the browser tests need chromium and playwright-core too.
set -u
cd "$(dirname "$0")" || exit 1
if ! command -v node >/dev/null 2>&1; then
	echo "1..0 # SKIP node is not installed"
	exit 0
fi
home=../../.output/web
if ! cmp -s package-lock.json "$home/package-lock.json" || [ ! -d "$home/node_modules/playwright-core" ]; then
	mkdir -p "$home" && cp package.json package-lock.json .npmrc "$home" &&
		(cd "$home" && npm ci --no-progress >npm.log 2>&1) || echo "# npm ci failed, see .output/web/npm.log"
fi
exec node main.mjs
