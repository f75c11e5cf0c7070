#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What scripts/gen-options.awk makes of the table: complete, well-formed, the same in every awk.

gen() { awk -v output="$1" -f scripts/gen-options.awk user/config/options.def; }
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
	complete_words holdfast attach "$$" | grep -qx "$$"
	[ -z "$(complete_words holdfast hunt --for 1)" ]
}

@test "schema: is JSON, has every setting, and no other" {
	gen config.schema.json >"$BATS_TEST_TMPDIR/s"
	keys=$(python3 -c 'import json, sys
s = json.load(open(sys.argv[1]))["properties"]["memory_profiling"]
assert s["additionalProperties"] is False
print("\n".join(s["properties"]))' "$BATS_TEST_TMPDIR/s" | sort)
	[ "$keys" = "$(names | grep -vx -e help -e config | tr - _ | sort)" ]
}

@test "a broken table is an error, not a wrong page" {
	for row in 'OPTION(a, "b")' 'COMMAND(a, "b"' ''; do
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
			$other -v output=$output -f scripts/gen-options.awk user/config/options.def |
				cmp - <(gen $output)
		done
		tried=$((tried + 1))
	done
	[ $tried -gt 0 ] || skip "no second awk installed"
}
