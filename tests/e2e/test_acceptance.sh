#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The Python client, a real agent, and a program under asyncio that knows what it holds: tests/python/acceptance.py.
cd "$(dirname "$0")/../.." || exit
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/python/acceptance.py --start ./holdfast
