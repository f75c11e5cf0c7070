#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What scripts/gen-options.awk makes of the table: complete, well-formed, the same in every awk.

tables='user/config/options.def user/config/records.def user/config/words.def'
# shellcheck disable=SC2086 # three files
gen() { awk -v output="$1" -f scripts/gen-options.awk $tables; }
fields() { sed -n "s/^FIELD($1, [a-z_]*, \"\([a-z_]*\)\".*/\1/p" user/config/records.def; }
names() { sed -n 's/^OPTION([a-z_]*, "\([a-z-]*\)".*/\1/p' user/config/options.def; }
commands() { sed -n 's/^COMMAND(\([a-z]*\),.*/\1/p' user/config/options.def; }
page() { gen holdfast.1 | man -l --warnings=w -E UTF-8 - 2>"$BATS_TEST_TMPDIR/complaints" | col -b; }

@test "the table's rows are seen here too" {
	[ "$(names | wc -l)" -ge 24 ]
	[ "$(commands | wc -l)" -ge 11 ]
}

@test "man page: renders without warnings and holds every command and option" {
	text=$(MANWIDTH=80 page)
	[ ! -s "$BATS_TEST_TMPDIR/complaints" ] || { cat "$BATS_TEST_TMPDIR/complaints"; false; }
	for name in $(names); do
		grep -Eq "^ +(-[a-z], )?--$name( |$)" <<<"$text" || { echo "--$name is missing"; false; }
	done
	for command in $(commands); do
		grep -Eq "^ +$command( |$)" <<<"$text" || { echo "$command is missing"; false; }
	done
	for code in $(sed -n 's/^\tX(\([A-Z]*\), [0-9]*, E.*/\1/p' user/base/err.h); do
		grep -q "HF-E-$code" <<<"$text" || { echo "HF-E-$code is missing"; false; }
	done
}

@test "man page: a command's own default stands beside the common one" {
	grep -q 'Default: 60s. attach: forever. Commands: hunt attach record.' <<<"$(MANWIDTH=200 page)"
}

@test "man page: exit codes agree with the table of errors" {
	text=$(MANWIDTH=200 page)
	sed -n 's/^\tX(\([A-Z]*\), \([0-9]*\), E.*/\1 \2/p' user/base/err.h | while read -r name code; do
		grep -Eq "^ +$code .*HF-E-$name" <<<"$text" || { echo "$name $code"; exit 1; }
	done
}

@test "completion: offers commands, a command's options, choices" {
	gen holdfast.bash >"$BATS_TEST_TMPDIR/c"
	complete_words() {
		bash --norc -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; printf "%s\n" "${COMPREPLY[@]}"' \
			_ "$BATS_TEST_TMPDIR/c" "$@"
	}
	[ "$(complete_words holdfast hu)" = hunt ]
	[ "$(complete_words holdfast hunt --bu)" = --budget ]
	[ -z "$(complete_words holdfast ps --bu)" ]
	[ "$(complete_words holdfast hunt --log-level d)" = debug ]
	[ "$(complete_words holdfast hunt --faults of)" = off ]
	[ "$(complete_words holdfast agent --mode pr)" = production ]
	[ "$(complete_words holdfast agent --enable-leak-detection f)" = false ]
	[ "$(complete_words holdfast ctl prof | xargs)" = "profiles profile" ]
	[ -z "$(complete_words holdfast ctl usage prof)" ]
	complete_words holdfast attach "$$" | grep -qx "$$"
	[ -z "$(complete_words holdfast hunt --for 1)" ]
}

@test "schema: is JSON, has every setting, and no other" {
	gen config.schema.json >"$BATS_TEST_TMPDIR/s"
	keys=$(python3 -c 'import json, sys
s = json.load(open(sys.argv[1]))["properties"]["memory_profiling"]
assert s["additionalProperties"] is False
print("\n".join(s["properties"]))' "$BATS_TEST_TMPDIR/s" | sort)
	[ "$keys" = "$({ names | grep -vx -e help -e config -e check -e print-defaults -e print-example | tr - _
		fields agent_config; } | sort)" ]
}

@test "schema: describes lists of mappings, with what they need" {
	gen config.schema.json >"$BATS_TEST_TMPDIR/s"
	python3 - "$BATS_TEST_TMPDIR/s" <<-'END'
		import json, sys
		s = json.load(open(sys.argv[1]))["properties"]["memory_profiling"]["properties"]
		rule = s["targets"]["items"]
		assert rule["additionalProperties"] is False
		assert {"required": ["comm"]} in rule["anyOf"] and {"required": ["name"]} not in rule["anyOf"]
		assert "debug" in rule["properties"]["mode"]["enum"]
		assert s["components"]["items"]["required"] == ["name"]
		hook = s["alerts"]["properties"]["webhook"]["items"]
		assert hook["required"] == ["url"] and set(hook["properties"]) == {"url", "secret"}
		assert s["mode"]["enum"][0] == "off" and s["mode"]["default"] == "standard"
		assert s["enable_leak_detection"] ["type"] == "boolean"
		assert "mmap" in s["enabled_backends"]["items"]["enum"]
		assert s["fleet"]["properties"]["labels"]["type"] == "object"
	END
}

@test "man page: has every key of the file" {
	text=$(MANWIDTH=200 page)
	for key in $(fields '[a-z_]*'); do
		grep -Eq "^[[:blank:]]+$key([[:blank:]]|$)" <<<"$text" || { echo "$key is missing"; false; }
	done
}

@test "a broken table is an error, not a wrong page" {
	for row in 'OPTION(a, "b")' 'COMMAND(a, "b"' 'FIELD(a, "b")' 'RECORD(a)' ''; do
		run sh -c 'printf "%s\n" "$1" | awk -v output=holdfast.1 -f scripts/gen-options.awk' _ "$row"
		[ "$status" -ne 0 ]
	done
	run gen nothing-known
	[ "$status" -ne 0 ]
}

@test "other awks print the same bytes" {
	tried=0
	for other in gawk 'busybox awk' original-awk; do
		command -v "${other%% *}" >/dev/null || continue
		for output in holdfast.1 holdfast.bash config.schema.json; do
			# shellcheck disable=SC2086 # two files
			$other -v output=$output -f scripts/gen-options.awk $tables |
				cmp - <(gen $output)
		done
		tried=$((tried + 1))
	done
	[ $tried -gt 0 ] || skip "no second awk installed"
}
