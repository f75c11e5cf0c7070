/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * units.h - the quantities people write: sizes, durations, percents, rates.
 *
 * Parsers take the whole string or fail: -EINVAL (not of this form, negative, empty), -ERANGE (does
 * not fit). *ret_* is untouched on failure. Decimal fractions are fine ("1.5GiB"); no locale, no
 * sign, no inner blanks but one between number and unit.
 *
 * Sizes: B, K/KB/KiB/k, M, G, T: all binary (1k = 1024), a bare number is bytes.
 * Durations: ns, us, ms, s, m/min, h, d; compound "1m30s"; a bare number is refused, but "0" is
 * fine. Percent: "2%", "0.5%", or a bare "2". Rates: SIZE "/" (s, sec, min, m, h): "1MiB/min".
 */
#ifndef HF_BASE_UNITS_H
#define HF_BASE_UNITS_H

#include <stdint.h>

#include "base/strbuf.h"

int units_parse_u64(const char *text, uint64_t *ret_value);
/* A bare number times `factor`, rounded down: "0.5" with 1000000000 is 500000000. */
int units_parse_scaled(const char *text, uint64_t factor, uint64_t *ret_value);
int units_parse_size(const char *text, uint64_t *ret_bytes);
int units_parse_duration(const char *text, uint64_t *ret_ns);
/* 2% gives 2.0. Not negative; the upper bound is the caller's. */
int units_parse_percent(const char *text, double *ret_percent);
int units_parse_rate(const char *text, double *ret_bytes_per_second);

/* The shortest form that parses back to the same value: "1GiB", "60s", "1500B", "10ms". 0 or
 * -ENOMEM. */
int units_add_size(struct strbuf *sb, uint64_t bytes);
int units_add_duration(struct strbuf *sb, uint64_t ns);
/* "2%", "0.25%". */
int units_add_percent(struct strbuf *sb, double percent);
/* "+3.98 MiB/min", "-12.0 B/min": signed, per minute, for people. */
int units_add_rate(struct strbuf *sb, double bytes_per_second);
/* "45 s", "12 min", "3.4 h", "12 d": about so long, for people. */
int units_add_about(struct strbuf *sb, double seconds);

/* 0 to 15, or -1. */
int units_hex_digit(char c);

#endif
