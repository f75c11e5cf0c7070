# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# To be read by test_*.sh in this folder. What needs no browser needs node alone; the rest chromium and playwright-core,
# which npm fetches once, as package-lock.json says (from the registry that npm is set to).
if ! command -v node >/dev/null 2>&1; then
	echo "1..0 # SKIP node is not installed"
	exit 0
fi
home=../../.output/web
mkdir -p "$home"
(
	flock 9 # the tests run side by side
	if cmp -s package-lock.json "$home/package-lock.json" && [ -d "$home/node_modules/playwright-core" ]; then
		exit 0
	fi
	cp package.json package-lock.json .npmrc "$home"
	command -v npm >/dev/null 2>&1 || exit 2
	cd "$home" && timeout 60 npm ci --no-progress --fetch-retries=1 --fetch-timeout=20000 >npm.log 2>&1
) 9>"$home/.lock"
case $? in
0) ;;
2) HF_WEB_MISSING="playwright-core is not here, and npm is not installed" ;;
*) HF_WEB_MISSING="npm ci can't fetch playwright-core, see .output/web/npm.log" ;;
esac
export HF_WEB_MISSING
