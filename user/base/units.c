/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

/* A decimal number, exact: value = mantissa / 10^decimals. No locale, no sign, no exponent. */
struct decimal {
	uint64_t mantissa;
	unsigned int decimals;
};

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"B", 1},
	{"K", 1ULL << 10},
	{"KB", 1ULL << 10},
	{"KiB", 1ULL << 10},
	{"M", 1ULL << 20},
	{"MB", 1ULL << 20},
	{"MiB", 1ULL << 20},
	{"G", 1ULL << 30},
	{"GB", 1ULL << 30},
	{"GiB", 1ULL << 30},
	{"T", 1ULL << 40},
	{"TB", 1ULL << 40},
	{"TiB", 1ULL << 40},
};

static const struct unit time_units[] = {
	{"ns", 1},
	{"us", NS_PER_US},
	{"ms", NS_PER_MS},
	{"s", NS_PER_S},
	{"sec", NS_PER_S},
	{"m", 60 * NS_PER_S},
	{"min", 60 * NS_PER_S},
	{"h", 3600 * NS_PER_S},
	{"d", 86400 * NS_PER_S},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int parse_digits(const char **at, uint64_t *value, unsigned int *count)
{
	for (*count = 0; is_digit(**at); (*at)++, (*count)++) {
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(**at - '0'), value))
			return -ERANGE;
	}
	return 0;
}

/* "12" or "12.5" at *at, which moves behind it. */
static int parse_decimal(const char **at, struct decimal *ret)
{
	struct decimal d = {0, 0};
	unsigned int whole;
	int err = parse_digits(at, &d.mantissa, &whole);

	if (err)
		return err;
	if (!whole)
		return -EINVAL;
	if (**at == '.') {
		(*at)++;
		err = parse_digits(at, &d.mantissa, &d.decimals);
		if (err)
			return err;
		if (!d.decimals)
			return -EINVAL;
	}
	*ret = d;
	return 0;
}

/* Rounds down: "0.1KiB" is 102 bytes. */
static int scale_decimal(const struct decimal *d, uint64_t factor, uint64_t *ret)
{
	__uint128_t value = (__uint128_t)d->mantissa * factor;

	for (unsigned int i = 0; i < d->decimals; i++)
		value /= 10;
	if (value > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

static double decimal_value(const struct decimal *d)
{
	double value = (double)d->mantissa;

	for (unsigned int i = 0; i < d->decimals; i++)
		value /= 10;
	return value;
}

/* The unit's letters at *at, which moves behind them; NULL if unknown. */
static const struct unit *parse_unit(const char **at, const struct unit *units, size_t count)
{
	size_t len = 0;

	while (is_letter((*at)[len]))
		len++;
	for (size_t i = 0; i < count; i++) {
		if (strlen(units[i].name) == len && !strncasecmp(units[i].name, *at, len)) {
			*at += len;
			return &units[i];
		}
	}
	return NULL;
}

int units_parse_u64(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	unsigned int count;
	int err = parse_digits(&text, &value, &count);

	if (err)
		return err;
	if (!count || *text)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int units_parse_scaled(const char *text, uint64_t factor, uint64_t *ret_value)
{
	struct decimal d;
	int err = parse_decimal(&text, &d);

	if (err)
		return err;
	return *text ? -EINVAL : scale_decimal(&d, factor, ret_value);
}

/* SIZE at *at, which moves behind it. */
static int parse_size_prefix(const char **at, uint64_t *ret_bytes)
{
	const struct unit *unit = &size_units[0];
	struct decimal d;
	int err = parse_decimal(at, &d);

	if (err)
		return err;
	if (**at == ' ' && is_letter((*at)[1]))
		(*at)++;
	if (is_letter(**at))
		unit = parse_unit(at, size_units, COUNT(size_units));
	if (!unit)
		return -EINVAL;
	if (unit->factor == 1 && d.decimals)
		return -EINVAL; /* there is no half byte */
	return scale_decimal(&d, unit->factor, ret_bytes);
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
	uint64_t bytes;
	int err = parse_size_prefix(&text, &bytes);

	if (err)
		return err;
	if (*text)
		return -EINVAL;
	*ret_bytes = bytes;
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
	uint64_t total = 0, part;

	if (!strcmp(text, "0")) {
		*ret_ns = 0;
		return 0;
	}
	do {
		const struct unit *unit;
		struct decimal d;
		int err = parse_decimal(&text, &d);

		if (err)
			return err;
		if (*text == ' ' && is_letter(text[1]))
			text++;
		unit = parse_unit(&text, time_units, COUNT(time_units));
		if (!unit)
			return -EINVAL;
		err = scale_decimal(&d, unit->factor, &part);
		if (err || __builtin_add_overflow(total, part, &total))
			return -ERANGE;
	} while (*text);
	*ret_ns = total;
	return 0;
}

int units_parse_percent(const char *text, double *ret_percent)
{
	struct decimal d;
	int err = parse_decimal(&text, &d);

	if (err)
		return err;
	if (*text == ' ' && text[1] == '%')
		text++;
	if (*text == '%')
		text++;
	if (*text)
		return -EINVAL;
	*ret_percent = decimal_value(&d);
	return 0;
}

int units_parse_rate(const char *text, double *ret_bytes_per_second)
{
	const struct unit *unit;
	uint64_t bytes;
	int err = parse_size_prefix(&text, &bytes);

	if (err)
		return err;
	if (*text++ != '/')
		return -EINVAL;
	unit = parse_unit(&text, time_units, COUNT(time_units));
	if (!unit || *text)
		return -EINVAL;
	*ret_bytes_per_second = (double)bytes * (double)NS_PER_S / (double)unit->factor;
	return 0;
}

/* The largest unit that divides the value. Units are listed smallest first; the last name of equals
 * is the full one. */
static int add_exact(struct strbuf *sb, uint64_t value, const struct unit *units, size_t count)
{
	const struct unit *best = &units[0];

	for (size_t i = 1; i < count; i++) {
		if (value && value % units[i].factor == 0)
			best = &units[i];
	}
	return strbuf_addf(sb, "%llu%s", (unsigned long long)(value / best->factor), best->name);
}

int units_add_size(struct strbuf *sb, uint64_t bytes)
{
	return add_exact(sb, bytes, size_units, COUNT(size_units));
}

int units_add_duration(struct strbuf *sb, uint64_t ns)
{
	static const struct unit short_names[] = {
		{"ns", 1},
		{"us", NS_PER_US},
		{"ms", NS_PER_MS},
		{"s", NS_PER_S},
		{"m", 60 * NS_PER_S},
		{"h", 3600 * NS_PER_S},
		{"d", 86400 * NS_PER_S},
	};

	if (!ns)
		return strbuf_addstr(sb, "0s");
	/* one or two minutes are said in seconds, as the defaults are written */
	if (ns % NS_PER_S == 0 && ns <= 120 * NS_PER_S)
		return strbuf_addf(sb, "%llus", (unsigned long long)(ns / NS_PER_S));
	return add_exact(sb, ns, short_names, COUNT(short_names));
}

int units_add_percent(struct strbuf *sb, double percent)
{
	return strbuf_addf(sb, "%.4g%%", percent);
}

int units_add_rate(struct strbuf *sb, double bytes_per_second)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = bytes_per_second * 60;
	size_t unit = 0;

	while ((value >= 1023.5 || value <= -1023.5) && unit + 1 < COUNT(units)) {
		value /= 1024;
		unit++;
	}
	if (value > -9.995 && value < 9.995)
		return strbuf_addf(sb, "%+.2f %s/min", value, units[unit]);
	if (value > -99.95 && value < 99.95)
		return strbuf_addf(sb, "%+.1f %s/min", value, units[unit]);
	return strbuf_addf(sb, "%+.0f %s/min", value, units[unit]);
}

int units_add_about(struct strbuf *sb, double seconds)
{
	if (seconds < 120)
		return strbuf_addf(sb, "%.0f s", seconds);
	if (seconds < 7200)
		return strbuf_addf(sb, "%.0f min", seconds / 60);
	if (seconds < 172800)
		return strbuf_addf(sb, "%.1f h", seconds / 3600);
	return strbuf_addf(sb, "%.0f d", seconds / 86400);
}

int units_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
