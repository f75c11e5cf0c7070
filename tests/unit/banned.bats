#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# base/banned.h must make each listed call a compile error, and nothing else.

compile() {
	printf '%s\n' '#include <stdio.h>' '#include <stdlib.h>' '#include <string.h>' \
		'#include <time.h>' '#include <strings.h>' '#include <curses.h>' '#include <yaml.h>' \
		'char b[9]; va_list ap; time_t t; struct tm tm;' "void f(void) { (void)($1); }" |
		gcc -std=gnu11 -D_GNU_SOURCE -Werror -Wno-format-security -include user/base/banned.h \
			-fsyntax-only -x c - 2>&1
}

@test "each banned call does not compile" {
	for call in 'strcpy(b, "x")' 'stpcpy(b, "x")' 'strcat(b, "x")' 'strncpy(b, "x", 1)' \
		'strncat(b, "x", 1)' 'sprintf(b, "x")' 'vsprintf(b, "x", ap)' 'strtok(b, "x")' \
		'atoi("1")' 'atol("1")' 'atoll("1")' 'atof("1")' 'gmtime(&t)' 'localtime(&t)' \
		'ctime(&t)' 'asctime(&tm)'; do
		run compile "$call"
		[ "$status" -ne 0 ] || { echo "$call compiles"; false; }
		[[ "$output" == *is_banned_see_base_banned_h* ]] || { echo "$output"; false; }
	done
}

@test "their safe counterparts compile" {
	for call in 'snprintf(b, 9, "x")' 'memcpy(b, "x", 1)' 'gmtime_r(&t, &tm)' 'strtoul("1", 0, 10)'; do
		run compile "$call"
		[ "$status" -eq 0 ] || { echo "$output"; false; }
	done
}
