/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/http/openapi.h"

#include <string.h>

#include "agent/http/values.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "report/export/json_out.h"

#define LINES 4 /* levels of the document that put each element on a line of its own */

VEC_STRUCT(schema_vec, const struct http_schema *);

static const char *const method_names[] = {
	[HTTP_GET] = "get", [HTTP_POST] = "post", [HTTP_DELETE] = "delete"};

static const char *const kind_types[HTTP_KIND_COUNT] = {
#define KIND_TYPE(name, type) type,
	HTTP_KINDS(KIND_TYPE)
#undef KIND_TYPE
};

/* Every schema once, those within others too. Out of memory: it is left out, and the sink's error tells. */
static int collect(struct schema_vec *schemas, const struct http_schema *schema)
{
	if (!schema)
		return 0;
	for (size_t i = 0; i < schemas->count; i++) {
		if (schemas->items[i] == schema)
			return 0;
	}
	if (vec_push(schemas, schema))
		return -ENOMEM;
	for (const struct http_answer_field *f = schema->fields; f && f->name; f++) {
		if (collect(schemas, f->of))
			return -ENOMEM;
	}
	return 0;
}

static void write_reference(struct json_out *json, const struct http_schema *schema)
{
	_cleanup_(strbuf_done) struct strbuf reference = STRBUF_INIT;

	strbuf_addf(&reference, "#/components/schemas/%s", schema->name);
	json_out_string(json, "$ref", reference.buf);
}

/* "number", "object": the members of a schema object. */
static void write_base_type(struct json_out *json, const struct http_answer_field *field,
			    size_t size, bool nullable)
{
	char type[16];

	if (field->of && !nullable) {
		write_reference(json, field->of);
		return;
	}
	if (field->of) {
		json_out_begin_array(json, "anyOf");
		json_out_begin_object(json, NULL);
		write_reference(json, field->of);
		json_out_end_object(json);
		json_out_begin_object(json, NULL);
		json_out_string(json, "type", "null");
		json_out_end_object(json);
		json_out_end_array(json);
		return;
	}
	snprintf(type, sizeof(type), "%.*s", (int)size, field->type);
	if (!nullable) {
		json_out_string(json, "type", type);
		return;
	}
	json_out_begin_array(json, "type");
	json_out_string(json, NULL, type);
	json_out_string(json, NULL, "null");
	json_out_end_array(json);
}

/* The grammar of http_answer_field.type. An array's elements may be null where the array may. */
static void write_answer_field(struct json_out *json, const struct http_answer_field *field)
{
	size_t size = strcspn(field->type, "[?");
	bool is_array = field->type[size] == '[';
	bool nullable = field->type[strlen(field->type) - 1] == '?';

	json_out_begin_object(json, field->name);
	if (field->help)
		json_out_string(json, "description", field->help);
	if (is_array) {
		json_out_string(json, "type", "array");
		json_out_begin_object(json, "items");
		write_base_type(json, field, size, nullable);
		json_out_end_object(json);
	} else {
		write_base_type(json, field, size, nullable);
	}
	json_out_end_object(json);
}

static void write_schema(struct json_out *json, const struct http_schema *schema)
{
	json_out_begin_object(json, schema->name);
	json_out_string(json, "type", "object");
	if (schema->help)
		json_out_string(json, "description", schema->help);
	json_out_begin_object(json, "properties");
	for (const struct http_answer_field *f = schema->fields; f && f->name; f++)
		write_answer_field(json, f);
	json_out_end_object(json);
	json_out_end_object(json);
}

static void write_bounds(struct json_out *json, const struct http_field *field)
{
	bool is_number = field->kind == HTTP_NUMBER || field->kind == HTTP_INTEGER;

	if (is_number && (field->least != 0 || field->most != 0)) {
		json_out_double(json, "minimum", field->least);
		json_out_double(json, "maximum", field->most);
	}
	if (field->kind == HTTP_TEXT) {
		json_out_u64(json, "minLength", (uint64_t)field->least);
		json_out_u64(json, "maxLength",
			     field->most > 0 ? (uint64_t)field->most : HTTP_TEXT_MOST);
	}
}

static void write_choices(struct json_out *json, const char *choices)
{
	const char *at;
	size_t size;

	json_out_begin_array(json, "enum");
	for (unsigned int i = 0; (at = http_choice_at(choices, i, &size)); i++) {
		char choice[64];

		snprintf(choice, sizeof(choice), "%.*s", (int)size, at);
		json_out_string(json, NULL, choice);
	}
	json_out_end_array(json);
}

static void write_default(struct json_out *json, const struct http_field *field)
{
	struct http_value value = {.field = field};

	if (!field->initial || !http_field_parse(field, field->initial, &value))
		return;
	switch (field->kind) {
	case HTTP_INTEGER:
		json_out_int(json, "default", value.integer);
		break;
	case HTTP_NUMBER:
		json_out_double(json, "default", value.number);
		break;
	case HTTP_BOOLEAN:
		json_out_bool(json, "default", value.boolean);
		break;
	default:
		json_out_string(json, "default", value.text);
	}
}

/* `description`: for a body's member; a parameter has it beside its schema. */
static void write_field_schema(struct json_out *json, const char *name,
			       const struct http_field *field, const char *description)
{
	json_out_begin_object(json, name);
	json_out_string(json, "type", kind_types[field->kind]);
	if (description)
		json_out_string(json, "description", description);
	if (field->kind == HTTP_CHOICE)
		write_choices(json, field->choices);
	write_bounds(json, field);
	write_default(json, field);
	json_out_end_object(json);
}

static void write_parameters(struct json_out *json, const struct http_field *fields)
{
	json_out_begin_array(json, "parameters");
	for (const struct http_field *f = fields; f && f->name; f++) {
		bool in_path = f->place == HTTP_IN_PATH;

		json_out_begin_object(json, NULL);
		json_out_string(json, "name", f->name);
		json_out_string(json, "in", in_path ? "path" : "query");
		json_out_bool(json, "required", in_path || f->required);
		json_out_string(json, "description", f->help ? f->help : "");
		write_field_schema(json, "schema", f, NULL);
		json_out_end_object(json);
	}
	json_out_end_array(json);
}

static void write_body(struct json_out *json, const struct http_field *fields)
{
	bool required = false;

	for (const struct http_field *f = fields; f->name; f++)
		required |= f->required;
	json_out_begin_object(json, "requestBody");
	json_out_bool(json, "required", required);
	json_out_begin_object(json, "content");
	json_out_begin_object(json, "application/json");
	json_out_begin_object(json, "schema");
	json_out_string(json, "type", "object");
	json_out_bool(json, "additionalProperties", false);
	json_out_begin_array(json, "required");
	for (const struct http_field *f = fields; f->name; f++) {
		if (f->required)
			json_out_string(json, NULL, f->name);
	}
	json_out_end_array(json);
	json_out_begin_object(json, "properties");
	for (const struct http_field *f = fields; f->name; f++)
		write_field_schema(json, f->name, f, f->help);
	json_out_end_object(json);
	json_out_end_object(json);
	json_out_end_object(json);
	json_out_end_object(json);
	json_out_end_object(json);
}

static void write_content(struct json_out *json, const struct http_route *route)
{
	const char *types = route->answer.media_types, *at;
	size_t size;

	if (!types)
		types = route->flags & HTTP_STREAM ? "text/event-stream" : "application/json";
	json_out_begin_object(json, "content");
	for (unsigned int i = 0; (at = http_choice_at(types, i, &size)); i++) {
		char type[96];

		snprintf(type, sizeof(type), "%.*s", (int)size, at);
		json_out_begin_object(json, type);
		json_out_begin_object(json, "schema");
		if (!strcmp(type, "application/json") && route->answer.schema)
			write_reference(json, route->answer.schema);
		else
			json_out_string(json, "type",
					!strcmp(type, "application/json") ? "object" : "string");
		json_out_end_object(json);
		json_out_end_object(json);
	}
	json_out_end_object(json);
}

static void write_responses(struct json_out *json, const struct http_route *route)
{
	char status[16];

	snprintf(status, sizeof(status), "%u", route->answer.status ? route->answer.status : 200);
	json_out_begin_object(json, "responses");
	json_out_begin_object(json, status);
	json_out_string(json, "description",
			route->answer.help ? route->answer.help : route->summary);
	write_content(json, route);
	json_out_end_object(json);
	json_out_begin_object(json, "default");
	json_out_string(json, "$ref", "#/components/responses/Error");
	json_out_end_object(json);
	json_out_end_object(json);
}

/* "get_api_v1_targets_target" */
static void write_operation_id(struct json_out *json, const struct http_route *route)
{
	_cleanup_(strbuf_done) struct strbuf id = STRBUF_INIT;

	strbuf_addstr(&id, method_names[route->method]);
	for (const char *at = route->path; *at; at++) {
		bool is_letter =
			strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
			       *at) != NULL;

		if (is_letter)
			strbuf_addch(&id, *at);
		else if (id.buf[id.len - 1] != '_')
			strbuf_addch(&id, '_');
	}
	if (id.len && id.buf[id.len - 1] == '_')
		strbuf_truncate(&id, id.len - 1);
	json_out_string(json, "operationId", id.buf);
}

static void write_operation(struct json_out *json, const struct http_route *route)
{
	json_out_begin_object(json, method_names[route->method]);
	write_operation_id(json, route);
	json_out_string(json, "summary", route->summary);
	if (route->flags & HTTP_PUBLIC) {
		json_out_begin_array(json, "security");
		json_out_end_array(json);
	}
	write_parameters(json, route->parameters);
	if (route->body)
		write_body(json, route->body);
	write_responses(json, route);
	json_out_end_object(json);
}

static bool is_shown(const struct http_route *route)
{
	return !(route->flags & HTTP_HIDDEN);
}

/* "{rest*}" is "{rest}" here. */
static void write_path(struct json_out *json, const struct http_table *table, size_t first)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;

	for (const char *at = table->routes[first].path; *at; at++) {
		if (*at != '*')
			strbuf_addch(&path, *at);
	}
	json_out_begin_object(json, path.buf);
	for (size_t i = first; i < table->count; i++) {
		const struct http_route *route = &table->routes[i];

		if (is_shown(route) && !strcmp(route->path, table->routes[first].path))
			write_operation(json, route);
	}
	json_out_end_object(json);
}

static void write_paths(struct json_out *json, const struct http_table *table)
{
	json_out_begin_object(json, "paths");
	for (size_t i = 0; i < table->count; i++) {
		bool is_first = is_shown(&table->routes[i]);

		for (size_t j = 0; j < i && is_first; j++)
			is_first = !is_shown(&table->routes[j]) ||
				   strcmp(table->routes[j].path, table->routes[i].path) != 0;
		if (is_first)
			write_path(json, table, i);
	}
	json_out_end_object(json);
}

static void write_components(struct json_out *json, const struct schema_vec *schemas)
{
	json_out_begin_object(json, "components");
	json_out_begin_object(json, "schemas");
	for (size_t i = 0; i < schemas->count; i++)
		write_schema(json, schemas->items[i]);
	json_out_end_object(json);
	json_out_begin_object(json, "responses");
	json_out_begin_object(json, "Error");
	json_out_string(json, "description", "It did not work, and why");
	json_out_begin_object(json, "content");
	json_out_begin_object(json, "application/json");
	json_out_begin_object(json, "schema");
	json_out_string(json, "$ref", "#/components/schemas/Error");
	json_out_end_object(json);
	json_out_end_object(json);
	json_out_end_object(json);
	json_out_end_object(json);
	json_out_end_object(json);
	json_out_begin_object(json, "securitySchemes");
	json_out_begin_object(json, "bearer");
	json_out_string(json, "type", "http");
	json_out_string(json, "scheme", "bearer");
	json_out_end_object(json);
	json_out_end_object(json);
	json_out_end_object(json);
}

static void write_info(struct json_out *json, const struct http_table *table, const char *version)
{
	json_out_string(json, "openapi", "3.1.0");
	json_out_begin_object(json, "info");
	json_out_string(json, "title", table->title ? table->title : "holdfast");
	json_out_string(json, "version", version);
	if (table->description)
		json_out_string(json, "description", table->description);
	json_out_end_object(json);
	json_out_begin_array(json, "servers");
	json_out_begin_object(json, NULL);
	json_out_string(json, "url", "/");
	json_out_end_object(json);
	json_out_end_array(json);
	json_out_begin_array(json, "security");
	/* either: an agent may have no token */
	json_out_begin_object(json, NULL);
	json_out_begin_array(json, "bearer");
	json_out_end_array(json);
	json_out_end_object(json);
	json_out_begin_object(json, NULL);
	json_out_end_object(json);
	json_out_end_array(json);
}

static const struct http_answer_field fault_fields[] = {
	{.name = "name", .type = "string", .help = "which; empty: the body as a whole"},
	{.name = "in", .type = "string", .help = "path, query or body"},
	{.name = "what", .type = "string", .help = "what is wrong with it"},
	{.name = "expected", .type = "string", .help = "what would be right"},
	{.name = NULL},
};
static const struct http_schema fault_schema = {"WrongParameter", "A value that was refused",
						fault_fields};
static const struct http_answer_field reason_fields[] = {
	{.name = "code", .type = "string", .help = "HF-E-…, which does not change between versions"},
	{.name = "what", .type = "string", .help = "what happened"},
	{.name = "why", .type = "string", .help = "why, or empty"},
	{.name = "fix", .type = "string", .help = "what can be done, or empty"},
	{.name = "parameters", .type = "object[]", .help = "with status 400", .of = &fault_schema},
	{.name = NULL},
};
static const struct http_schema reason_schema = {"Reason", "What happened and what can be done",
						 reason_fields};
static const struct http_answer_field error_fields[] = {
	{.name = "error", .type = "object", .of = &reason_schema},
	{.name = NULL},
};
static const struct http_schema error_schema = {"Error", "Every answer of status 400 and above",
						error_fields};

void http_openapi_write(const struct http_table *table, const char *version, struct sink *sink)
{
	struct schema_vec schemas = VEC_INIT;
	int err = collect(&schemas, &error_schema);
	struct json_out json;

	for (size_t i = 0; i < table->count && !err; i++) {
		if (is_shown(&table->routes[i]))
			err = collect(&schemas, table->routes[i].answer.schema);
	}
	json_out_init(&json, sink, LINES);
	json_out_begin_object(&json, NULL);
	write_info(&json, table, version);
	write_paths(&json, table);
	write_components(&json, &schemas);
	json_out_end_object(&json);
	sink_putc(sink, '\n');
	vec_done(&schemas);
	if (err && !sink->error)
		sink->error = err;
}
