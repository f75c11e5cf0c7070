#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The programs of the kernel side are such that older kernels take them, too.
set -eu
cd "$(dirname "$0")/.."
exec /usr/bin/python3 scripts/check-bpf-stack.py .output/holdfast.bpf.o
