/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/export/json_in.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TWO_63 9223372036854775808.0

bool json_in_failed(const struct json_in *in)
{
	return in->bad || in->out_of_memory;
}

void json_in_fail(struct json_in *in, const char *name)
{
	if (!in->bad)
		in->bad = name;
}

/* NULL where it is missing or null. */
static const json_t *member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_null(value) ? NULL : value;
}

const json_t *json_in_object(struct json_in *in, const json_t *parent, const char *name)
{
	const json_t *value = member(parent, name);

	if (value && !json_is_object(value))
		json_in_fail(in, name);
	return json_is_object(value) ? value : NULL;
}

const json_t *json_in_array(struct json_in *in, const json_t *parent, const char *name)
{
	const json_t *value = member(parent, name);

	if (value && !json_is_array(value))
		json_in_fail(in, name);
	return json_is_array(value) ? value : NULL;
}

const char *json_in_string(struct json_in *in, const json_t *value, const char *name)
{
	const char *text;

	if (!value)
		return "";
	if (!json_is_string(value)) {
		json_in_fail(in, name);
		return "";
	}
	if (report_store_string(in->store, json_string_value(value), &text) < 0) {
		in->out_of_memory = true;
		return "";
	}
	return text;
}

const char *json_in_text(struct json_in *in, const json_t *object, const char *name)
{
	return json_in_string(in, member(object, name), name);
}

uint64_t json_in_number(struct json_in *in, const json_t *value, const char *name)
{
	if (!value)
		return 0;
	if (json_is_integer(value) && json_integer_value(value) >= 0)
		return (uint64_t)json_integer_value(value);
	if (json_is_real(value)) {
		double number = json_real_value(value);

		if (number >= 0 && number < TWO_63)
			return (uint64_t)number;
	}
	json_in_fail(in, name);
	return 0;
}

uint64_t json_in_u64(struct json_in *in, const json_t *object, const char *name)
{
	return json_in_number(in, member(object, name), name);
}

int json_in_pid(struct json_in *in, const json_t *object, const char *name)
{
	uint64_t number = json_in_u64(in, object, name);

	if (number <= INT_MAX)
		return (int)number;
	json_in_fail(in, name);
	return 0;
}

static double finite_number(struct json_in *in, const json_t *value, const char *name)
{
	double number = json_number_value(value);

	if (!value)
		return 0;
	if (json_is_number(value) && isfinite(number))
		return number;
	json_in_fail(in, name);
	return 0;
}

double json_in_double(struct json_in *in, const json_t *object, const char *name)
{
	return finite_number(in, member(object, name), name);
}

bool json_in_bool(struct json_in *in, const json_t *object, const char *name)
{
	const json_t *value = member(object, name);

	if (value && !json_is_boolean(value))
		json_in_fail(in, name);
	return json_is_true(value);
}

void json_in_interval(struct json_in *in, const json_t *object, const char *name, double *ret_low,
		      double *ret_high)
{
	const json_t *pair = json_in_array(in, object, name);

	*ret_low = *ret_high = 0;
	if (!pair)
		return;
	if (json_array_size(pair) != 2) {
		json_in_fail(in, name);
		return;
	}
	*ret_low = finite_number(in, json_array_get(pair, 0), name);
	*ret_high = finite_number(in, json_array_get(pair, 1), name);
}

uint64_t json_in_address(struct json_in *in, const json_t *object, const char *name)
{
	const json_t *value = member(object, name);
	const char *text = json_string_value(value);
	char *end;
	uint64_t address;

	if (!json_is_string(value))
		return json_in_number(in, value, name);
	if (text[0] != '0' || text[1] != 'x' || !text[2] ||
	    strspn(text + 2, "0123456789abcdefABCDEF") > 16) {
		json_in_fail(in, name);
		return 0;
	}
	address = strtoull(text + 2, &end, 16);
	if (*end || text[2] == '-' || text[2] == '+')
		json_in_fail(in, name);
	return address;
}

void *json_in_room(struct json_in *in, const json_t *array, size_t element_bytes)
{
	size_t bytes;
	void *room = NULL;

	if (!json_in_failed(in) &&
	    !__builtin_mul_overflow(json_array_size(array), element_bytes, &bytes))
		room = arena_zalloc(&in->store->arena, bytes);
	if (!room)
		in->out_of_memory = !in->bad;
	return room;
}
