/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/http/table.h"

#include <string.h>

#include "agent/http/values.h"

/* The name in "{name}" or "{name*}" at `at`, up to the next slash. */
static size_t parameter_name(const char *at, const char **ret_name)
{
	size_t size = strcspn(at, "/");

	if (size < 3 || at[0] != '{' || at[size - 1] != '}')
		return 0;
	*ret_name = at + 1;
	return size - 2 - (at[size - 2] == '*');
}

static bool is_described(const struct http_route *route, const char *name, size_t size)
{
	const struct http_field *field = route->parameters;

	for (; field && field->name; field++) {
		if (field->place == HTTP_IN_PATH && strlen(field->name) == size &&
		    !memcmp(field->name, name, size))
			return true;
	}
	return false;
}

/* NULL, or what is wrong with it. */
static const char *check_path(const struct http_route *route)
{
	unsigned int segments = 0, parameters = 0, described = 0;

	for (const char *at = route->path; at && *at; at += strcspn(at, "/")) {
		const char *name;
		size_t size;

		if (*at++ != '/' || segments++ == HTTP_SEGMENTS_MOST)
			return "its path does not begin with a slash, or has too many segments";
		if (*at != '{')
			continue;
		size = parameter_name(at, &name);
		if (!size || parameters++ == HTTP_PATH_PARAMETERS_MOST)
			return "its path has a broken parameter, or too many";
		if (name[size] == '*' && at[strcspn(at, "/")])
			return "something follows its {rest*}";
		if (!is_described(route, name, size))
			return "a parameter in its path is not in its table";
	}
	for (const struct http_field *f = route->parameters; f && f->name; f++)
		described += f->place == HTTP_IN_PATH;
	if (!segments || described != parameters)
		return "its table has a path parameter that its path has not";
	return NULL;
}

static const char *check_fields(const struct http_field *fields)
{
	for (const struct http_field *f = fields; f && f->name; f++) {
		struct http_value value = {.field = f};

		if (f->kind >= HTTP_KIND_COUNT || (f->kind == HTTP_CHOICE) != (f->choices != NULL))
			return "a field's kind and its choices do not agree";
		if (f->least > f->most && f->most > 0)
			return "a field's bounds are crossed";
		if (f->initial && !http_field_parse(f, f->initial, &value))
			return "a field's default is not what it allows";
		for (const struct http_field *g = fields; g < f; g++) {
			if (!strcmp(f->name, g->name))
				return "two fields have one name";
		}
	}
	return NULL;
}

/* Handlers ask for values by name alone. */
static const char *check_names(const struct http_route *route)
{
	for (const struct http_field *f = route->parameters; f && f->name; f++) {
		for (const struct http_field *g = route->body; g && g->name; g++) {
			if (!strcmp(f->name, g->name))
				return "two fields have one name";
		}
	}
	return NULL;
}

static const char *check_route(const struct http_route *route)
{
	const char *wrong = check_path(route);

	if (!wrong)
		wrong = check_fields(route->parameters);
	if (!wrong)
		wrong = check_fields(route->body);
	if (!wrong)
		wrong = check_names(route);
	if (!wrong &&
	    (!!route->handler == !!route->asset || (route->asset && route->method != HTTP_GET)))
		wrong = "it needs a handler, or an asset and GET";
	if (!wrong && route->method == HTTP_GET && route->body)
		wrong = "GET has no body";
	return wrong;
}

int http_table_check(const struct http_table *table, struct hf_error *err)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct http_route *route = &table->routes[i];
		const char *wrong = check_route(route);

		for (size_t j = 0; j < i && !wrong; j++) {
			if (table->routes[j].method == route->method &&
			    !strcmp(table->routes[j].path, route->path))
				wrong = "it is there twice";
		}
		if (wrong) {
			error_set(err, HF_E_INTERNAL, "the route %s is wrong",
				  route->path ? route->path : "without a path");
			return error_why(err, "%s", wrong);
		}
	}
	return 0;
}
