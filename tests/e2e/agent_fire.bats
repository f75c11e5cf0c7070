#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The agent under fire: twenty services one of which leaks, targets that lie, disks that are full, files that are damaged,
# clocks that jump, clients that are slow or mad; and a real Prometheus and Alertmanager. Each case has an agent of its
# own. Most of their time is waiting, so all run beside each other. `make survive` has more of each.

CASES='agent_fleet found
agent_forge files
agent_fire slow_clients
agent_forge maps
agent_fire flipped
agent_fire clock
agent_fire prometheus
agent_forge python
agent_forge swapped
agent_fire disk_full
agent_fire deaf_clients
agent_fire mad_clients'

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}" RUN="$BATS_FILE_TMPDIR" LIB="$BATS_TEST_DIRNAME/lib"
	[ "$(id -u)" -eq 0 ] || return 0
	if ! command -v prometheus > /dev/null; then
		CASES=$(grep -v ' prometheus$' <<< "$CASES")
	fi
	cat > "$RUN/one" <<- 'END'
		#!/bin/sh
		# one SCRIPT CASE
		mkdir "$RUN/$2"
		status=0
		/usr/bin/python3 "$LIB/$1.py" --holdfast "$ROOT/holdfast" --targets "$OUT/targets" --scratch "$RUN/$2" "$2" \
			> "$RUN/$2.out" 2>&1 || status=$?
		echo "$status" > "$RUN/$2.rc.new"
		mv "$RUN/$2.rc.new" "$RUN/$2.rc"
	END
	chmod 755 "$RUN/one"
	(xargs -L 1 -P 3 "$RUN/one" <<< "$CASES") < /dev/null > /dev/null 2>&1 3>&- &
}

setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root: watches and traces processes'
}

# ended CASE: as soon as it has.
ended()
{
	for _ in $(seq "$((${HF_SURVIVE_MINUTES:-5} * 600))"); do
		[ ! -e "$RUN/$1.rc" ] || break
		sleep 0.1
	done
	cat "$RUN/$1.out"
	[ "$(cat "$RUN/$1.rc")" -eq 0 ]
}

@test "disk full: told and survived, also a kill and a start on it; with room it goes on, and nothing stored was lost" {
	ended disk_full
}

@test "bytes of the database flipped while it runs and between starts: set aside, told, and it goes on" {
	ended flipped
}

@test "the wall clock jumps by days, there and back: no target ends, nothing stored is lost" {
	ended clock
}

@test "clients that send a byte at a time, or nothing: shut out, and others have their turn" {
	ended slow_clients
}

@test "clients that read nothing: it stays small" {
	ended deaf_clients
}

@test "random bytes and damaged requests at the port: it serves on" {
	ended mad_clients
}

@test "60,000 mappings, 4 TiB reserved, nameless files, names of control characters, code that comes and goes: traced" {
	ended maps
}

@test "damaged libraries and files in a target: traced, no job dies, the others are served" {
	ended files
}

@test "what was mapped is a FIFO, a socket, a loop, a shorter file by now: traced" {
	ended swapped
}

@test "processes that pretend to be Python, with a state of wild pointers and circles: traced" {
	ended python
}

@test "Prometheus scrapes the five metrics, with the agent's values" {
	command -v prometheus > /dev/null || skip 'prometheus is not installed'
	ended prometheus
}

@test "one of twenty services leaks, in production mode: found, named by function and line, no false alarm on the nineteen" {
	ended found
}

@test "Alertmanager has the alert of that leak, and no other" {
	command -v prometheus-alertmanager > /dev/null || skip 'prometheus-alertmanager is not installed'
	ended found > /dev/null
	[ "$(grep -c '"alertname": "HoldfastLeak"' "$RUN/found/alerts.json")" -eq 1 ]
	grep -q '"line": "copy_headers (service.c:[0-9]*)"' "$RUN/found/alerts.json"
}
