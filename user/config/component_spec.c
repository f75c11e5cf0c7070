/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/component_spec.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const struct {
	const char *word;
	size_t offset;
} fields[] = {
#define FIELD(name)                                          \
	{                                                    \
#name, offsetof(struct component_spec, name) \
	}
	FIELD(function), FIELD(module), FIELD(source), FIELD(python_module),
	FIELD(thread),   FIELD(cgroup), FIELD(unit),
#undef FIELD
};

void component_spec_done(struct component_spec *spec)
{
	free(spec->name);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		free(*(char **)((char *)spec + fields[i].offset));
	*spec = (struct component_spec){0};
}

/* "function:engine_*" in [at, end). */
static int parse_field(const char *at, const char *end, struct component_spec *spec)
{
	const char *colon = memchr(at, ':', (size_t)(end - at));

	if (!colon || colon + 1 == end)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char **field = (char **)((char *)spec + fields[i].offset);

		if (strlen(fields[i].word) != (size_t)(colon - at) ||
		    memcmp(fields[i].word, at, (size_t)(colon - at)) != 0)
			continue;
		if (*field)
			return -EINVAL;
		*field = strndup(colon + 1, (size_t)(end - colon - 1));
		return *field ? 0 : -ENOMEM;
	}
	return -EINVAL;
}

int component_spec_parse(const char *text, struct component_spec *ret)
{
	_cleanup_(component_spec_done) struct component_spec spec = {0};
	const char *at = strchr(text, '=');
	int err = 0;

	if (!at || at == text)
		return -EINVAL;
	spec.name = strndup(text, (size_t)(at - text));
	if (!spec.name)
		return -ENOMEM;
	do {
		const char *end = strchrnul(++at, ',');

		err = parse_field(at, end, &spec);
		at = end;
	} while (!err && *at);
	if (err)
		return err;
	*ret = spec;
	spec = (struct component_spec){0};
	return 0;
}
