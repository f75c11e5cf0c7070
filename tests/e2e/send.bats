#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The agent's senders with the receivers that they are made for: ClickHouse, Alertmanager, a web server with TLS. All
# listen on loopback only, with their files in the test's own folder.

setup_file()
{
	export ROOT="$BATS_TEST_DIRNAME/../.."
	export OUT="${O:-$ROOT/.output}"
	export HF="$ROOT/holdfast" SENDER="$OUT/tests/e2e/lib/sender"
	export RUN="$BATS_FILE_TMPDIR"
	export no_proxy='*' NO_PROXY='*'
	CH_PORT=$(free_port)
	export CH_PORT CH="http://127.0.0.1:$CH_PORT"
	if command -v clickhouse-server > /dev/null; then
		configure_clickhouse
		start_clickhouse
	fi
}

teardown_file()
{
	stop_clickhouse
	[ ! -e "$RUN/am.pid" ] || kill "$(cat "$RUN/am.pid")"
	[ ! -e "$RUN/tls.pid" ] || kill "$(cat "$RUN/tls.pid")" || true
}

free_port()
{
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

configure_clickhouse()
{
	mkdir -p "$RUN/ch/data" "$RUN/ch/tmp"
	cat > "$RUN/ch/config.xml" << END
<yandex>
<logger><level>warning</level><log>$RUN/ch/log</log><errorlog>$RUN/ch/errors</errorlog></logger>
<http_port>$CH_PORT</http_port><tcp_port>$(free_port)</tcp_port><listen_host>127.0.0.1</listen_host>
<path>$RUN/ch/data/</path><tmp_path>$RUN/ch/tmp/</tmp_path>
<users_config>$RUN/ch/users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>67108864</mark_cache_size>
</yandex>
END
	cat > "$RUN/ch/users.xml" << END
<yandex>
<profiles><default/><reader><readonly>1</readonly></reader></profiles>
<users>
<default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
<reader><password>r</password><networks><ip>127.0.0.1</ip></networks><profile>reader</profile><quota>default</quota></reader>
</users>
<quotas><default/></quotas>
</yandex>
END
}

start_clickhouse()
{
	(cd "$RUN/ch" && exec clickhouse-server --config-file=config.xml) > "$RUN/ch/out" 2>&1 3>&- &
	echo $! > "$RUN/ch.pid"
	for _ in $(seq 100); do
		! sql 'SELECT 1' > /dev/null 2>&1 || return 0
		sleep 0.1
	done
	cat "$RUN/ch/out"
	return 1
}

stop_clickhouse()
{
	[ -e "$RUN/ch.pid" ] || return 0
	kill "$(cat "$RUN/ch.pid")"
	while kill -0 "$(cat "$RUN/ch.pid")" 2> /dev/null; do sleep 0.1; done
	rm "$RUN/ch.pid"
}

needs_clickhouse()
{
	[ -e "$RUN/ch.pid" ] || skip 'clickhouse-server is not installed'
}

sql() { python3 -c 'import sys, urllib.request as u
print(u.urlopen(sys.argv[1], sys.argv[2].encode(), 10).read().decode(), end="")' "$CH/" "$1"; }

@test "ClickHouse: tables are made, rows arrive, the fleet is asked which service grows, since when, where" {
	local age
	needs_clickhouse
	# Of five minutes the last is kept: growth within the first five is not seen. So they begin with the last of five.
	age=$((110 + ($(date +%s) / 60 - 114) % 5))
	for host in a b; do
		"$SENDER" fleet "$CH" "$RUN/spool" shop 1.3 $host 10 $((age + 130)) 130 0
		"$SENDER" fleet "$CH" "$RUN/spool" shop 1.4 $host 11 $age 110 100000
		"$SENDER" fleet "$CH" "$RUN/spool" quiet 7 $host 12 110 110 0
	done
	[ "$(sql 'SELECT max(version) FROM holdfast.schema_version')" -eq 1 ]
	[ "$(sql "SELECT count() FROM holdfast.target_sample WHERE service = 'shop' AND pss_bytes IS NULL")" -eq 480 ]
	[ "$(sql "SELECT count() FROM holdfast.site_sample WHERE service = 'shop'")" -eq 960 ]
	[ "$(sql 'SELECT count() FROM holdfast.stack FINAL')" -eq 2 ]
	"$HF" fleet --clickhouse "$CH" --window 5h --json > "$BATS_TEST_TMPDIR/fleet"
	python3 - "$BATS_TEST_TMPDIR/fleet" << 'END'
import json, sys
services = json.load(open(sys.argv[1]))["services"]
assert [s["service"] for s in services] == ["shop"], services
shop = services[0]
assert shop["since_version"] == "1.4" and not shop["since_is_first_known"], shop
assert shop["processes"] == 4 and shop["hosts"] == 2, shop
stack = shop["stacks"][0]
assert (stack["line"], stack["function"]) == ("cache.c:118", "cache_put"), stack
truth = 2 * 100000 / 60 * (109 / 300)  # two processes, for 109 minutes of the 300
assert abs(shop["growth_bytes_per_second"] / truth - 1) < 0.03, (shop, truth)
new = [v for v in shop["versions"] if v["version"] == "1.4"][0]
assert abs(new["process_growth_bytes_per_second"] / (100000 / 60) - 1) < 0.01, new
END
	"$HF" fleet --clickhouse "$CH" --window 5h > "$BATS_TEST_TMPDIR/text"
	cat "$BATS_TEST_TMPDIR/text"
	grep -q '^shop .* 1\.4 .*cache\.c:118  cache_put$' "$BATS_TEST_TMPDIR/text"
	[ "$(grep -c quiet "$BATS_TEST_TMPDIR/text")" -eq 0 ]
	"$HF" fleet --clickhouse "$CH" --window 5h --service quiet | grep -q '^quiet .*does not grow$'
}

@test "ClickHouse: a batch that arrives twice is there once" {
	needs_clickhouse
	"$SENDER" fleet http://127.0.0.1:1 "$RUN/twice" twin 1 a 10 60 60 1000 || true
	cp -r "$RUN/twice" "$RUN/again"
	"$SENDER" fleet "$CH" "$RUN/twice" other 1 a 10 5 5 0
	once=$(sql "SELECT count(), sum(out_bytes) FROM holdfast.site_sample FINAL WHERE service = 'twin'")
	rolled=$(sql "SELECT count(), sum(out_bytes) FROM holdfast.site_5m FINAL WHERE service = 'twin'")
	"$SENDER" fleet "$CH" "$RUN/again" other 1 a 10 5 5 0
	[ "$(sql "SELECT count() FROM holdfast.site_sample WHERE service = 'twin'")" -ge 120 ]
	[ "$(sql "SELECT count(), sum(out_bytes) FROM holdfast.site_sample FINAL WHERE service = 'twin'")" = "$once" ]
	[ "$(sql "SELECT count(), sum(out_bytes) FROM holdfast.site_5m FINAL WHERE service = 'twin'")" = "$rolled" ]
	[ "${once%%	*}" -eq 120 ]
}

@test "ClickHouse: an outage is outlived, also by a sender that is killed" {
	needs_clickhouse
	stop_clickhouse
	"$SENDER" fleet "$CH" "$RUN/outage" away 1 a 10 60 60 1000 > "$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	sender=$!
	for _ in $(seq 100); do
		[ "$(find "$RUN/outage" -name '*.batch' 2> /dev/null | wc -l)" -lt 4 ] || break
		sleep 0.1
	done
	kill -9 "$sender"
	wait "$sender" || true
	start_clickhouse
	"$SENDER" fleet "$CH" "$RUN/outage" away 1 b 10 10 10 1000
	[ "$(sql "SELECT count() FROM holdfast.site_sample FINAL WHERE service = 'away'")" -eq 140 ]
	[ "$(find "$RUN/outage" -name '*.batch' | wc -l)" -eq 0 ]
}

@test "ClickHouse: who may only read is told so, and loses nothing" {
	needs_clickhouse
	run "$SENDER" fleet "http://reader:r@127.0.0.1:$CH_PORT/" "$RUN/reader" readonly 1 a 10 5 5 0
	echo "$output"
	[ "$status" -eq 1 ]
	grep -Eq 'dropped 0 queued 4 error answered [45][0-9]*: .*(readonly|Cannot)' <<< "$output"
	[ "$(find "$RUN/reader" -name '*.batch' | wc -l)" -eq 4 ]
	run "$HF" fleet --clickhouse "http://reader:r@127.0.0.1:$CH_PORT/" --window 5h
	[ "$status" -eq 0 ]
}

@test "Alertmanager: an alert fires with its labels, and ends" {
	command -v prometheus-alertmanager > /dev/null || skip 'prometheus-alertmanager is not installed'
	port=$(free_port)
	printf 'route: {receiver: none}\nreceivers: [{name: none}]\n' > "$RUN/am.yml"
	prometheus-alertmanager --config.file="$RUN/am.yml" --storage.path="$RUN/am" --cluster.listen-address= \
		--web.listen-address="127.0.0.1:$port" > "$RUN/am.log" 2>&1 3>&- &
	echo $! > "$RUN/am.pid"
	"$SENDER" alert "http://127.0.0.1:$port" fire
	cat > "$BATS_TEST_TMPDIR/alerts.py" << 'END'
import json, sys, urllib.request
print(urllib.request.urlopen(sys.argv[1] + "/api/v2/alerts", None, 10).read().decode())
END
	python3 "$BATS_TEST_TMPDIR/alerts.py" "http://127.0.0.1:$port" > "$BATS_TEST_TMPDIR/alerts"
	python3 - "$BATS_TEST_TMPDIR/alerts" << 'END'
import json, sys
alert, = json.load(open(sys.argv[1]))
assert alert["status"]["state"] == "active", alert
assert alert["labels"]["alertname"] == "HoldfastLeak" and alert["labels"]["pid"] == "4312", alert
assert alert["labels"]["severity"] == "critical" and alert["labels"]["service"] == "web", alert
assert alert["annotations"]["line"] == "cache.c:118", alert
END
	"$SENDER" alert "http://127.0.0.1:$port" end
	[ "$(python3 "$BATS_TEST_TMPDIR/alerts.py" "http://127.0.0.1:$port")" = '[]' ]
}

@test "TLS: a certificate that nobody vouches for is refused, and nothing is said to it" {
	command -v openssl > /dev/null || skip 'openssl is not installed'
	port=$(free_port)
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$RUN/key" -out "$RUN/cert" \
		2> /dev/null
	openssl s_server -accept "127.0.0.1:$port" -key "$RUN/key" -cert "$RUN/cert" -quiet > "$RUN/tls.got" 2>&1 3>&- \
		< /dev/null &
	echo $! > "$RUN/tls.pid"
	for _ in $(seq 50); do
		! python3 -c "import socket; socket.create_connection(('127.0.0.1', $port)).close()" 2> /dev/null || break
		sleep 0.1
	done
	run "$SENDER" webhook "https://127.0.0.1:$port/" s3cret '{"secret":"text"}'
	echo "$output"
	[ "$status" -eq 1 ]
	grep -Eqi 'sent 0 .*certificate' <<< "$output"
	[ "$(grep -c secret "$RUN/tls.got")" -eq 0 ]
}
