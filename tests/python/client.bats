#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The Python client against a fake agent, with every interpreter from 3.9 on that is here. Each line of TAP is
# one interpreter; what fails is in its output. The real agent is met by acceptance.py.

setup()
{
	cd "$BATS_TEST_DIRNAME/../.." || return
	export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$PWD/user/python:$PWD/tests/python
	unset HOLDFAST_AGENT HOLDFAST_TOKEN HOLDFAST_TOKEN_FILE HOLDFAST_BIN
}

# python_of 3.N: its path, from PATH or from pyenv.
python_of()
{
	local found
	for found in "$(command -v "python$1" || true)" /usr/bin/python3 \
		"${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
		[ -x "$found" ] || continue
		# a shim of pyenv is there for versions that are not chosen, too
		[ "$("$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ] || continue
		echo "$found"
		return
	done
	return 1
}

passes_with()
{
	local python
	python=$(python_of "$1") || skip "there is no Python $1 here"
	cd tests/python
	# they mostly wait: all modules at once
	for module in test_*.py; do
		timeout 240 "$python" -W error::ResourceWarning -W error::DeprecationWarning -m unittest "${module%.py}" \
			> "$BATS_TEST_TMPDIR/$module" 2>&1 3>&- && echo "$module" >> "$BATS_TEST_TMPDIR/passed" &
	done
	wait
	cat "$BATS_TEST_TMPDIR"/test_*.py
	[ "$(wc -l < "$BATS_TEST_TMPDIR/passed")" -eq "$(find . -maxdepth 1 -name 'test_*.py' | wc -l)" ]
}

# Each takes 40 s: the system's always, others on demand.
also_with()
{
	[ -n "${HF_CLIENT_ALL:-}" ] || skip "only with HF_CLIENT_ALL=1"
	HF_CLIENT_MYPY=no passes_with "$1"
}

@test "the client, with Python 3.11" { passes_with 3.11; }
@test "the client, with Python 3.9" { also_with 3.9; }
@test "the client, with Python 3.10" { also_with 3.10; }
@test "the client, with Python 3.12" { also_with 3.12; }
@test "the client, with Python 3.13" { also_with 3.13; }

@test "black finds nothing to do" {
	command -v black >/dev/null || skip "black is not installed"
	# what another version of it thinks is no fault
	black --version | grep -q ' 23[.]' || skip "this is about black 23"
	black -q --check --diff -l 100 -t py39 user/python
}
