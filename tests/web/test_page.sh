#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the HTML report's page; prints TAP. What needs no browser needs node alone; the rest chromium and
# playwright-core, which npm fetches once, as package-lock.json says (from the registry that npm is set to).
set -u
cd "$(dirname "$0")" || exit 1
if ! command -v node >/dev/null 2>&1; then
	echo "1..0 # SKIP node is not installed"
	exit 0
fi
home=../../.output/web
if ! cmp -s package-lock.json "$home/package-lock.json" || [ ! -d "$home/node_modules/playwright-core" ]; then
	mkdir -p "$home" && cp package.json package-lock.json .npmrc "$home"
	if ! command -v npm >/dev/null 2>&1; then
		HF_WEB_MISSING="playwright-core is not here, and npm is not installed"
	elif ! (cd "$home" && timeout 60 npm ci --no-progress --fetch-retries=1 --fetch-timeout=20000 >npm.log 2>&1); then
		HF_WEB_MISSING="npm ci can't fetch playwright-core, see .output/web/npm.log"
	fi
	export HF_WEB_MISSING
fi
exec node main.mjs
