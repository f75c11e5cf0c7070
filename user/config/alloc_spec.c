/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/alloc_spec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void alloc_spec_done(struct alloc_spec *spec)
{
	free(spec->module);
	free(spec->function);
	*spec = (struct alloc_spec){.module = NULL};
}

/* "arg1" … "arg6" at *at, which moves behind it; 0 if there is something else. */
static uint8_t parse_arg(const char **at)
{
	const char *s = *at;

	if (strncmp(s, "arg", 3) != 0 || s[3] < '1' || s[3] > '6')
		return 0;
	*at += 4;
	return (uint8_t)(s[3] - '0');
}

static bool parse_word(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

/* "[MODULE:]FUNCTION" before the parenthesis. A C++ name has "::", so only a single ':' divides. */
static int parse_names(const char *text, size_t len, struct alloc_spec *spec)
{
	const char *name = text, *colon = memchr(text, ':', len);

	if (colon && (size_t)(colon - text) + 1 < len && colon[1] != ':') {
		if (colon == text)
			return -EINVAL;
		spec->module = strndup(text, (size_t)(colon - text));
		if (!spec->module)
			return -ENOMEM;
		name = colon + 1;
		len -= (size_t)(name - text);
	}
	if (!len || name[len - 1] == ':' || memchr(name, ' ', len))
		return -EINVAL;
	spec->function = strndup(name, len);
	return spec->function ? 0 : -ENOMEM;
}

/* "size=arg1,count=arg2)" */
static int parse_arguments(const char **at, struct alloc_spec *spec)
{
	do {
		uint8_t *field;

		if (parse_word(at, "size="))
			field = &spec->size_arg;
		else if (parse_word(at, "count="))
			field = &spec->count_arg;
		else if (parse_word(at, "ptr="))
			field = &spec->ptr_arg;
		else
			return -EINVAL;
		if (*field)
			return -EINVAL;
		*field = parse_arg(at);
		if (!*field)
			return -EINVAL;
	} while (parse_word(at, ","));
	return parse_word(at, ")") ? 0 : -EINVAL;
}

static int parse_result(const char *at, struct alloc_spec *spec)
{
	if (!parse_word(&at, "->"))
		return *at ? -EINVAL : 0;
	if (parse_word(&at, "ret"))
		spec->result_arg = ALLOC_SPEC_RETURN;
	else
		spec->result_arg = parse_arg(&at);
	return spec->result_arg && !*at ? 0 : -EINVAL;
}

static int parse_spec(const char *text, struct alloc_spec *spec)
{
	const char *paren = strchr(text, '(');
	int err;

	if (!paren)
		return -EINVAL;
	err = parse_names(text, (size_t)(paren - text), spec);
	if (err)
		return err;
	paren++;
	err = parse_arguments(&paren, spec);
	return err ? err : parse_result(paren, spec);
}

int alloc_spec_parse(const char *text, struct alloc_spec *ret)
{
	_cleanup_(alloc_spec_done) struct alloc_spec spec = {.module = NULL};
	int err = parse_spec(text, &spec);

	if (err)
		return err;
	if (!spec.size_arg || !spec.result_arg)
		return -EINVAL;
	*ret = spec;
	spec = (struct alloc_spec){.module = NULL};
	return 0;
}

int free_spec_parse(const char *text, struct alloc_spec *ret)
{
	_cleanup_(alloc_spec_done) struct alloc_spec spec = {.module = NULL};
	int err = parse_spec(text, &spec);

	if (err)
		return err;
	if (!spec.ptr_arg || spec.size_arg || spec.count_arg || spec.result_arg)
		return -EINVAL;
	*ret = spec;
	spec = (struct alloc_spec){.module = NULL};
	return 0;
}
