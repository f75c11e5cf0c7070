/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"

#define PLAIN_MAX 1e15 /* from here on %.15g writes an exponent */

void json_out_init(struct json_out *json, struct sink *sink, uint32_t lines)
{
	json->sink = sink;
	json->depth = 0;
	json->filled = 0;
	json->lines = lines;
}

static void escape(struct sink *sink, unsigned char c)
{
	switch (c) {
	case '"':
		sink_puts(sink, "\\\"");
		break;
	case '\\':
		sink_puts(sink, "\\\\");
		break;
	case '\n':
		sink_puts(sink, "\\n");
		break;
	case '\t':
		sink_puts(sink, "\\t");
		break;
	default:
		sink_printf(sink, "\\u%04x", c);
	}
}

/* ASCII that stands for itself. NUL does not. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void quote(struct sink *sink, const char *text)
{
	const unsigned char *p = (const unsigned char *)text, *run = p;

	sink_putc(sink, '"');
	for (;;) {
		unsigned int length;

		while (is_plain(*p))
			p++;
		if (!*p)
			break;
		length = json_text_utf8_length(p);
		if (length > 1) {
			p += length;
			continue;
		}
		sink_write(sink, run, (size_t)(p - run));
		if (length)
			escape(sink, *p);
		else
			sink_puts(sink, JSON_TEXT_REPLACEMENT);
		run = ++p;
	}
	sink_write(sink, run, (size_t)(p - run));
	sink_putc(sink, '"');
}

/* Comma, line break and name: what stands before a value. */
static void lead_in(struct json_out *json, const char *name)
{
	uint32_t bit = 1u << json->depth;

	if (json->filled & bit)
		sink_putc(json->sink, ',');
	if (json->depth && json->depth <= json->lines)
		sink_putc(json->sink, '\n');
	json->filled |= bit;
	if (name) {
		quote(json->sink, name);
		sink_putc(json->sink, ':');
	}
}

static void begin(struct json_out *json, const char *name, char bracket)
{
	lead_in(json, name);
	sink_putc(json->sink, bracket);
	if (json->depth + 1 < JSON_OUT_MAX_DEPTH)
		json->depth++;
	json->filled &= ~(1u << json->depth);
}

static void end(struct json_out *json, char bracket)
{
	bool filled = json->filled >> json->depth & 1;

	if (filled && json->depth <= json->lines)
		sink_putc(json->sink, '\n');
	sink_putc(json->sink, bracket);
	json->depth--;
}

void json_out_begin_object(struct json_out *json, const char *name)
{
	begin(json, name, '{');
}

void json_out_end_object(struct json_out *json)
{
	end(json, '}');
}

void json_out_begin_array(struct json_out *json, const char *name)
{
	begin(json, name, '[');
}

void json_out_end_array(struct json_out *json)
{
	end(json, ']');
}

void json_out_string(struct json_out *json, const char *name, const char *text)
{
	lead_in(json, name);
	quote(json->sink, text);
}

/* A report of many sites is mostly integers: 5 times as fast as printf. */
static void put_integer(struct sink *sink, int64_t number)
{
	uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[24], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + left % 10);
	while (left /= 10);
	if (number < 0)
		*--at = '-';
	sink_write(sink, at, (size_t)(digits + sizeof(digits) - at));
}

void json_out_u64(struct json_out *json, const char *name, uint64_t number)
{
	json_out_int(json, name, number > INT64_MAX ? INT64_MAX : (int64_t)number);
}

void json_out_int(struct json_out *json, const char *name, int64_t number)
{
	lead_in(json, name);
	put_integer(json->sink, number);
}

void json_out_double(struct json_out *json, const char *name, double number)
{
	char text[40];
	int precision = 15;

	lead_in(json, name);
	if (!isfinite(number) || number == 0)
		number = 0; /* no "-0" either */
	if (fabs(number) < PLAIN_MAX && number == trunc(number)) {
		put_integer(json->sink, (int64_t)number);
		return;
	}
	do
		snprintf(text, sizeof(text), "%.*g", precision, number);
	while (strtod(text, NULL) != number && ++precision <= 17);
	for (char *p = text; *p; p++)
		if (!strchr("0123456789+-e", *p))
			*p = '.'; /* whatever the locale writes there */
	sink_puts(json->sink, text);
}

void json_out_bool(struct json_out *json, const char *name, bool value)
{
	lead_in(json, name);
	sink_puts(json->sink, value ? "true" : "false");
}

void json_out_null(struct json_out *json, const char *name)
{
	lead_in(json, name);
	sink_puts(json->sink, "null");
}

void json_out_raw(struct json_out *json, const char *name, const char *text)
{
	lead_in(json, name);
	sink_puts(json->sink, text);
}

void json_out_members(struct json_out *json, const char *object)
{
	size_t len = strlen(object);

	if (len <= 2)
		return;
	lead_in(json, NULL);
	sink_write(json->sink, object + 1, len - 2);
}
