/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The document has the form OpenAPI 3.1 asks for, and everything that is in the table. */
#include "http_fixture.h"

static const json_t *member(const json_t *json, const char *name)
{
	const json_t *found = json_object_get(json, name);

	if (!found)
		fail_msg("\"%s\" is missing", name);
	return found;
}

static const char *text(const json_t *json, const char *name)
{
	const char *found = json_string_value(member(json, name));

	assert_non_null(found);
	return found;
}

/* The object that "#/a/b" names. */
static const json_t *resolve(const json_t *document, const char *reference)
{
	char name[64];

	assert_int_equal(strncmp(reference, "#/", 2), 0);
	for (reference += 1; *reference == '/';) {
		size_t size = strcspn(++reference, "/");

		snprintf(name, sizeof(name), "%.*s", (int)size, reference);
		document = member(document, name);
		reference += size;
	}
	return document;
}

/* Every $ref below leads somewhere. */
static void check_references(const json_t *document, const json_t *json)
{
	const json_t *item;
	const char *name;
	size_t index;

	if (json_is_array(json)) {
		json_array_foreach(json, index, item)
			check_references(document, item);
	} else if (json_is_object(json)) {
		json_object_foreach((json_t *)json, name, item) {
			if (!strcmp(name, "$ref"))
				assert_true(
					json_is_object(resolve(document, json_string_value(item))));
			check_references(document, item);
		}
	}
}

static const json_t *parameter(const json_t *operation, const char *name)
{
	const json_t *list = member(operation, "parameters"), *item;
	size_t index;

	json_array_foreach(list, index, item) {
		if (!strcmp(text(item, "name"), name))
			return item;
	}
	return NULL;
}

static void check_operation(const json_t *operation, const struct http_route *route)
{
	char status[16];
	size_t count = 0;

	assert_string_equal(text(operation, "summary"), route->summary);
	for (const struct http_field *f = route->parameters; f && f->name; f++, count++) {
		const json_t *found = parameter(operation, f->name);

		assert_non_null(found);
		assert_string_equal(text(found, "in"), f->place == HTTP_IN_PATH ? "path" : "query");
		assert_int_equal(json_is_true(member(found, "required")),
				 f->place == HTTP_IN_PATH || f->required);
		assert_true(json_is_object(member(found, "schema")));
	}
	assert_int_equal(json_array_size(member(operation, "parameters")), count);
	assert_int_equal(json_object_get(operation, "requestBody") != NULL, route->body != NULL);
	snprintf(status, sizeof(status), "%u", route->answer.status ? route->answer.status : 200);
	assert_true(strlen(text(member(member(operation, "responses"), status), "description")) >
		    0);
	assert_true(json_object_size(
			    member(member(member(operation, "responses"), status), "content")) > 0);
	assert_string_equal(text(member(member(operation, "responses"), "default"), "$ref"),
			    "#/components/responses/Error");
}

static void every_route_is_in_it(void **state)
{
	static const char *const methods[] = {"get", "post", "delete"};
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT, ids = STRBUF_INIT;
	size_t operations = 0, shown = 0;
	const json_t *path, *operation;
	const char *name, *method;
	struct fixture f;
	json_t *document;

	(void)state;
	begin(&f);
	start(&f);
	ask(&f, "GET /api/v1/openapi.json", "", &reply);
	document = json_in(&reply);
	assert_string_equal(text(document, "openapi"), "3.1.0");
	assert_string_equal(text(member(document, "info"), "title"), "test");
	assert_string_equal(text(member(document, "info"), "version"), "1.2");
	for (size_t i = 0; i < fixture_table.count; i++) {
		const struct http_route *route = &fixture_routes[i];

		if (route->flags & HTTP_HIDDEN) {
			assert_null(json_object_get(member(document, "paths"), route->path));
			continue;
		}
		shown++;
		check_operation(member(member(member(document, "paths"), route->path),
				       methods[route->method]),
				route);
	}
	json_object_foreach((json_t *)member(document, "paths"), name, path) {
		assert_int_equal(name[0], '/');
		json_object_foreach((json_t *)path, method, operation) {
			char id[128];

			snprintf(id, sizeof(id), "|%s|", text(operation, "operationId"));
			assert_null(strstr(ids.buf, id)); /* unique */
			strbuf_addstr(&ids, id);
			operations++;
		}
	}
	assert_int_equal(operations, shown);
	check_references(document, document);
	json_decref(document);
	end(&f);
}

static void kinds_and_types_are_told(void **state)
{
	_cleanup_(strbuf_done) struct strbuf reply = STRBUF_INIT;
	const json_t *operation, *schema, *whole, *body;
	struct fixture f;
	json_t *document;

	(void)state;
	begin(&f);
	start(&f);
	ask(&f, "GET /api/v1/openapi.json", "", &reply);
	document = json_in(&reply);
	operation =
		member(member(member(document, "paths"), "/api/v1/targets/{target}/trends"), "get");
	schema = member(parameter(operation, "points"), "schema");
	assert_string_equal(text(schema, "type"), "integer");
	assert_true(json_number_value(member(schema, "minimum")) == 1);
	assert_true(json_number_value(member(schema, "maximum")) == 5000);
	assert_int_equal(json_integer_value(member(schema, "default")), 500);
	schema = member(parameter(operation, "sort"), "schema");
	assert_int_equal(json_array_size(member(schema, "enum")), 3);
	assert_string_equal(json_string_value(json_array_get(member(schema, "enum"), 2)), "name");
	schema = member(parameter(operation, "target"), "schema");
	assert_int_equal(json_integer_value(member(schema, "maxLength")), 20);
	whole = member(member(member(member(document, "components"), "schemas"), "Whole"),
		       "properties");
	assert_string_equal(text(member(whole, "target"), "type"), "string");
	schema = member(member(whole, "times"), "items");
	assert_string_equal(json_string_value(json_array_get(member(schema, "type"), 1)), "null");
	assert_string_equal(text(member(member(whole, "parts"), "items"), "$ref"),
			    "#/components/schemas/Part");
	assert_int_equal(json_array_size(member(member(whole, "largest"), "anyOf")), 2);
	operation =
		member(member(member(document, "paths"), "/api/v1/targets/{target}/gc"), "post");
	body = member(member(member(member(operation, "requestBody"), "content"),
			     "application/json"),
		      "schema");
	assert_int_equal(json_array_size(member(body, "required")), 1);
	assert_int_equal(json_object_size(member(body, "properties")), 4);
	operation = member(member(member(document, "paths"), "/-/healthy"), "get");
	assert_int_equal(json_array_size(member(operation, "security")), 0);
	assert_string_equal(
		text(member(member(member(document, "components"), "securitySchemes"), "bearer"),
		     "scheme"),
		"bearer");
	json_decref(document);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_is_in_it),
		cmocka_unit_test(kinds_and_types_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
