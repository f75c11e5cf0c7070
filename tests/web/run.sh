#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the HTML report's page; prints TAP. Needs node; the browser tests need chromium and playwright-core too.
cd "$(dirname "$0")" || exit 1
if ! command -v node >/dev/null 2>&1; then
	echo "1..0 # SKIP node is not installed"
	exit 0
fi
if [ ! -d node_modules/playwright-core ] && command -v npm >/dev/null 2>&1; then
	npm ci --no-progress >/dev/null 2>&1 || echo "# npm ci failed: no browser tests"
fi
exec node main.mjs
