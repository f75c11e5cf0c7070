/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/span_spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void span_spec_done(struct span_spec *spec)
{
	free(spec->name);
	free(spec->enter);
	free(spec->leave);
	free(spec->key);
	*spec = (struct span_spec){0};
}

/* [at, end), which must not be empty nor hold a blank. */
static int copy_word(const char *at, const char *end, char **ret)
{
	if (at == end || memchr(at, ' ', (size_t)(end - at)))
		return -EINVAL;
	*ret = strndup(at, (size_t)(end - at));
	return *ret ? 0 : -ENOMEM;
}

static bool is_argument(const char *key)
{
	return !strncmp(key, "arg", 3) && key[3] >= '1' && key[3] <= '6' && !key[4];
}

/* A parameter's name; bytes beyond ASCII are letters to Python. */
static bool is_name(const char *key)
{
	for (const unsigned char *c = (const unsigned char *)key; *c; c++)
		if (!isalnum(*c) && *c != '_' && *c < 0x80)
			return false;
	return !isdigit((unsigned char)*key);
}

/* "arg1:int" in [at, end) */
static int parse_key(const char *at, const char *end, struct span_spec *spec)
{
	static const char *const types[] = {"string", "int"}; /* enum span_type */
	const char *colon = memchr(at, ':', (size_t)(end - at));
	int err = at == end ? 0 : copy_word(at, colon ? colon : end, &spec->key);

	if (err || at == end)
		return err;
	if (!is_name(spec->key) || (colon && !is_argument(spec->key)))
		return -EINVAL;
	for (size_t i = 0; colon && i < 2; i++) {
		if (strlen(types[i]) == (size_t)(end - colon - 1) &&
		    !memcmp(types[i], colon + 1, (size_t)(end - colon - 1))) {
			spec->type = (int)i;
			return 0;
		}
	}
	return colon ? -EINVAL : 0;
}

/* "app.server:handle": but "::" belongs to a name of C++, and a module of native code is a file. */
static bool names_python(const char *enter)
{
	const char *colon = strchr(enter, ':');

	return colon && colon != enter && colon[1] != ':' && !strstr(enter, ".so");
}

void span_spec_classify(struct span_spec *spec)
{
	bool native = spec->key && is_argument(spec->key);

	spec->argument = native ? (uint64_t)(spec->key[3] - '0') : 0;
	spec->python = !native && (spec->key || names_python(spec->enter));
}

static int parse(const char *text, struct span_spec *spec)
{
	const char *equals = strchr(text, '='), *open = strrchr(text, '(');
	const char *close = open ? strchr(open, ')') : NULL;
	int err;

	if (!equals || !close || open < equals)
		return -EINVAL;
	err = copy_word(text, equals, &spec->name);
	if (!err)
		err = copy_word(equals + 1, open, &spec->enter);
	if (!err)
		err = parse_key(open + 1, close, spec);
	if (err)
		return err;
	span_spec_classify(spec);
	if (!close[1])
		return 0;
	/* A function of Python is over with its frame. */
	if (strncmp(close, ")..", 3) != 0 || spec->python)
		return -EINVAL;
	return copy_word(close + 3, close + strlen(close), &spec->leave);
}

int span_spec_parse(const char *text, struct span_spec *ret)
{
	_cleanup_(span_spec_done) struct span_spec spec = {0};
	int err = parse(text, &spec);

	if (err)
		return err;
	*ret = spec;
	spec = (struct span_spec){0};
	return 0;
}
