/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/http/values.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define INTEGER_MOST  9007199254740992.0 /* 2^53: what every JSON reader keeps exact */
#define SHOWN_MOST    64                 /* bytes of a wrong value that a fault quotes */
#define NUMBER_LENGTH 40

const char *http_choice_at(const char *choices, unsigned int index, size_t *ret_size)
{
	while (index--) {
		choices = strchr(choices, '|');
		if (!choices)
			return NULL;
		choices++;
	}
	*ret_size = strcspn(choices, "|");
	return choices;
}

static size_t text_most(const struct http_field *field)
{
	return field->most > 0 ? (size_t)field->most : HTTP_TEXT_MOST;
}

static bool is_bounded(const struct http_field *field)
{
	return field->least != 0 || field->most != 0;
}

static void add_range(const struct http_field *field, struct strbuf *sb)
{
	if (is_bounded(field))
		strbuf_addf(sb, " from %.15g to %.15g", field->least, field->most);
}

static void add_choices(const char *choices, struct strbuf *sb)
{
	size_t size, ignored;
	const char *at;

	for (unsigned int i = 0; (at = http_choice_at(choices, i, &size)); i++) {
		const char *joint = http_choice_at(choices, i + 1, &ignored) ? ", " : " or ";

		if (i)
			strbuf_addstr(sb, joint);
		strbuf_add(sb, at, size);
	}
}

/* "an integer from 1 to 5000" */
static void add_expected(const struct http_field *field, struct strbuf *sb)
{
	switch (field->kind) {
	case HTTP_TEXT:
		strbuf_addf(sb, "text of %zu to %zu bytes, UTF-8 without control characters",
			    (size_t)field->least, text_most(field));
		break;
	case HTTP_INTEGER:
		strbuf_addstr(sb, "an integer");
		add_range(field, sb);
		break;
	case HTTP_NUMBER:
		strbuf_addstr(sb, "a number");
		add_range(field, sb);
		break;
	case HTTP_CHOICE:
		add_choices(field->choices, sb);
		break;
	default:
		strbuf_addstr(sb, "true or false");
	}
}

static bool set_number(const struct http_field *field, double number, struct http_value *value)
{
	if (!isfinite(number) ||
	    (is_bounded(field) && !(number >= field->least && number <= field->most)))
		return false;
	if (field->kind == HTTP_INTEGER && !(fabs(number) < INTEGER_MOST))
		return false;
	value->number = number;
	value->integer = fabs(number) < INTEGER_MOST ? (int64_t)number : 0;
	return true;
}

static bool set_text(const struct http_field *field, const char *text, size_t size,
		     struct http_value *value)
{
	if (size < (size_t)field->least || size > text_most(field))
		return false;
	for (const char *at = text; *at; at++) {
		bool is_layout = value->place == HTTP_IN_BODY && (*at == '\n' || *at == '\t');

		if (((unsigned char)*at < ' ' && !is_layout) || *at == 0x7f)
			return false;
	}
	value->text = text;
	return true;
}

static bool set_choice(const struct http_field *field, const char *text, struct http_value *value)
{
	const char *at;
	size_t size;

	for (unsigned int i = 0; (at = http_choice_at(field->choices, i, &size)); i++) {
		if (strlen(text) != size || memcmp(text, at, size) != 0)
			continue;
		value->choice = (int)i;
		value->text = text;
		return true;
	}
	return false;
}

/* The grammar of JSON's numbers (RFC 8259, 6), without an exponent for an integer. */
static bool looks_like_number(const char *at, bool is_integer)
{
	size_t digits;

	at += *at == '-';
	digits = strspn(at, "0123456789");
	if (!digits || (digits > 1 && *at == '0'))
		return false;
	at += digits;
	if (is_integer)
		return !*at;
	if (*at == '.') {
		digits = strspn(++at, "0123456789");
		if (!digits)
			return false;
		at += digits;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '-' || *at == '+';
		digits = strspn(at, "0123456789");
		if (!digits)
			return false;
		at += digits;
	}
	return !*at;
}

static bool parse_number(const struct http_field *field, const char *text, struct http_value *value)
{
	return strlen(text) < NUMBER_LENGTH &&
	       looks_like_number(text, field->kind == HTTP_INTEGER) &&
	       set_number(field, strtod(text, NULL), value);
}

static bool parse_boolean(const char *text, struct http_value *value)
{
	bool is_true = !strcmp(text, "true") || !strcmp(text, "1");

	if (!is_true && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
		return false;
	value->boolean = is_true;
	return true;
}

bool http_field_parse(const struct http_field *field, const char *text,
		      struct http_value *ret_value)
{
	switch (field->kind) {
	case HTTP_TEXT:
		return set_text(field, text, strlen(text), ret_value);
	case HTTP_INTEGER:
	case HTTP_NUMBER:
		return parse_number(field, text, ret_value);
	case HTTP_CHOICE:
		return set_choice(field, text, ret_value);
	case HTTP_BOOLEAN:
		return parse_boolean(text, ret_value);
	default:
		return false;
	}
}

static int add_fields(struct http_values *values, const struct http_field *fields, bool of_body)
{
	for (; fields && fields->name; fields++) {
		struct http_value value = {.field = fields,
					   .place = of_body ? HTTP_IN_BODY : fields->place,
					   .choice = -1};

		value.present = fields->initial &&
				http_field_parse(fields, fields->initial, &value);
		if (vec_push(&values->items, value))
			return -ENOMEM;
	}
	return 0;
}

int http_values_init(struct http_values *values, const struct http_route *route)
{
	int err;

	memset(values, 0, sizeof(*values));
	err = add_fields(values, route->parameters, false);
	values->parameters = values->items.count;
	return err ? err : add_fields(values, route->body, true);
}

void http_values_done(struct http_values *values)
{
	for (size_t i = 0; i < values->faults.count; i++) {
		free(values->faults.items[i].name);
		free(values->faults.items[i].what);
		free(values->faults.items[i].expected);
	}
	for (size_t i = 0; i < values->texts.count; i++)
		free(values->texts.items[i]);
	vec_done(&values->faults);
	vec_done(&values->texts);
	vec_done(&values->items);
	json_decref(values->body);
	values->body = NULL;
}

/* What is wrong, before it is kept. */
struct complaint {
	enum http_place place;
	const char *name;
	struct strbuf what, expected;
};

/* Takes the texts. */
static int add_fault(struct http_values *values, struct complaint *complaint)
{
	struct http_fault fault = {.place = complaint->place};
	int err = 0;

	if (values->fault_count++ < HTTP_FAULTS_MOST) {
		bool failed = complaint->what.failed || complaint->expected.failed;

		fault.name = strndup(complaint->name, SHOWN_MOST);
		fault.what = strndup(complaint->what.buf, complaint->what.len);
		fault.expected = strndup(complaint->expected.buf, complaint->expected.len);
		err = failed || !fault.name || !fault.what || !fault.expected
			      ? -ENOMEM
			      : vec_push(&values->faults, fault);
	}
	if (err) {
		free(fault.name);
		free(fault.what);
		free(fault.expected);
	}
	strbuf_done(&complaint->what);
	strbuf_done(&complaint->expected);
	return err;
}

static int add_wrong(struct http_values *values, const struct http_value *value, const char *is)
{
	struct complaint complaint = {value->place, value->field->name, STRBUF_INIT, STRBUF_INIT};
	size_t size = strlen(is);

	strbuf_addstr(&complaint.what, "is ");
	strbuf_add_printable(&complaint.what, is, size < SHOWN_MOST ? size : SHOWN_MOST);
	if (size > SHOWN_MOST)
		strbuf_addstr(&complaint.what, "…");
	if (!size)
		strbuf_addstr(&complaint.what, "empty");
	add_expected(value->field, &complaint.expected);
	return add_fault(values, &complaint);
}

static int add_plain(struct http_values *values, const struct http_value *value, const char *what)
{
	struct complaint complaint = {value->place, value->field->name, STRBUF_INIT, STRBUF_INIT};

	strbuf_addstr(&complaint.what, what);
	add_expected(value->field, &complaint.expected);
	return add_fault(values, &complaint);
}

static bool is_in(const struct http_value *value, enum http_place place)
{
	return value->place == place;
}

/* The name that nobody knows, and those that would do. */
static int add_unknown(struct http_values *values, enum http_place place, const char *name)
{
	_cleanup_(strbuf_done) struct strbuf printable = STRBUF_INIT;
	struct complaint complaint = {place, "", STRBUF_INIT, STRBUF_INIT};
	const char *joint = "one of ";
	size_t size = strlen(name);

	strbuf_add_printable(&printable, name, size < SHOWN_MOST ? size : SHOWN_MOST);
	complaint.name = printable.buf;
	complaint.what.failed = printable.failed;
	strbuf_addstr(&complaint.what, "is not known");
	for (size_t i = 0; i < values->items.count; i++) {
		if (!is_in(&values->items.items[i], place))
			continue;
		strbuf_addf(&complaint.expected, "%s%s", joint, values->items.items[i].field->name);
		joint = ", ";
	}
	if (!complaint.expected.len)
		strbuf_addstr(&complaint.expected, "none at all");
	return add_fault(values, &complaint);
}

static struct http_value *find_item(const struct http_values *values, const char *name,
				    enum http_place place)
{
	for (size_t i = 0; i < values->items.count; i++) {
		struct http_value *value = &values->items.items[i];

		if (is_in(value, place) && !strcmp(value->field->name, name))
			return value;
	}
	return NULL;
}

const struct http_value *http_values_find(const struct http_values *values, const char *name)
{
	for (size_t i = 0; i < values->items.count; i++) {
		if (!strcmp(values->items.items[i].field->name, name))
			return &values->items.items[i];
	}
	return NULL;
}

static void mark_given(struct http_value *value)
{
	value->given = true;
	value->present = true;
}

/* `text` is not decoded yet; a copy of it becomes the values'. */
static int add_encoded(struct http_values *values, struct http_value *value, const char *text,
		       size_t size)
{
	_cleanup_free_ char *copy = strndup(text, size);

	if (!copy)
		return -ENOMEM;
	if (http_decode(copy, value->place == HTTP_IN_QUERY))
		return add_plain(values, value, "is not well encoded");
	if (!http_field_parse(value->field, copy, value))
		return add_wrong(values, value, copy);
	mark_given(value);
	return vec_push(&values->texts, no_free_ptr(copy));
}

int http_values_add_path(struct http_values *values, const struct http_path_match *match)
{
	unsigned int next = 0;
	int err = 0;

	for (size_t i = 0; i < values->parameters && next < match->count && !err; i++) {
		struct http_value *value = &values->items.items[i];

		if (!is_in(value, HTTP_IN_PATH))
			continue;
		err = add_encoded(values, value, match->parameters[next].at,
				  match->parameters[next].size);
		next++;
	}
	return err;
}

int http_values_add_query(struct http_values *values, char *query)
{
	char *name, *text;

	while (http_query_next(&query, &name, &text)) {
		struct http_value *value;
		int err;

		/* names of ours need no escapes: what cannot be decoded is not known */
		value = http_decode(name, true) ? NULL : find_item(values, name, HTTP_IN_QUERY);
		if (!value)
			err = add_unknown(values, HTTP_IN_QUERY, name);
		else if (value->given)
			err = add_plain(values, value, "is given twice");
		else
			err = add_encoded(values, value, text, strlen(text));
		if (err)
			return err;
	}
	return 0;
}

static int add_body_fault(struct http_values *values, const char *what, const char *expected)
{
	struct complaint complaint = {HTTP_IN_BODY, "", STRBUF_INIT, STRBUF_INIT};

	strbuf_addstr(&complaint.what, what);
	strbuf_addstr(&complaint.expected, expected);
	return add_fault(values, &complaint);
}

/*
 * Whether it opens one bracket at most and holds few commas, outside of texts: then what it is parsed into is not
 * much larger than itself, whatever it holds.
 */
static bool is_flat(const char *json, size_t size)
{
	unsigned int opened = 0, commas = 0;
	bool in_text = false;

	for (size_t i = 0; i < size; i++) {
		if (in_text && json[i] == '\\')
			i++;
		else if (json[i] == '"')
			in_text = !in_text;
		else if (!in_text && (json[i] == '{' || json[i] == '['))
			opened++;
		else if (!in_text && json[i] == ',')
			commas++;
	}
	return opened <= 1 && commas < HTTP_MEMBERS_MOST;
}

static bool take_json(const struct http_field *field, const json_t *json, struct http_value *value)
{
	switch (field->kind) {
	case HTTP_TEXT:
		return json_is_string(json) &&
		       set_text(field, json_string_value(json), json_string_length(json), value);
	case HTTP_CHOICE:
		return json_is_string(json) && set_choice(field, json_string_value(json), value);
	case HTTP_INTEGER:
		return json_is_integer(json) &&
		       set_number(field, (double)json_integer_value(json), value);
	case HTTP_NUMBER:
		return json_is_number(json) && set_number(field, json_number_value(json), value);
	case HTTP_BOOLEAN:
		value->boolean = json_is_true(json);
		return json_is_boolean(json);
	default:
		return false;
	}
}

static int add_member(struct http_values *values, const char *name, const json_t *json)
{
	struct http_value *value = find_item(values, name, HTTP_IN_BODY);
	_cleanup_free_ char *shown = NULL;

	if (!value)
		return add_unknown(values, HTTP_IN_BODY, name);
	if (json_is_null(json))
		return 0; /* as if it were not there */
	if (take_json(value->field, json, value)) {
		mark_given(value);
		return 0;
	}
	if (json_is_string(json))
		return add_wrong(values, value, json_string_value(json));
	shown = json_dumps(json, JSON_ENCODE_ANY);
	return shown ? add_wrong(values, value, shown) : -ENOMEM;
}

int http_values_add_body(struct http_values *values, const char *json, size_t size)
{
	json_error_t error;
	const char *name;
	json_t *member;

	if (!size)
		return 0;
	if (!is_flat(json, size))
		return add_body_fault(values, "is nested, or has too many members",
				      "one JSON object of plain values");
	values->body = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object((json_t *)values->body)) {
		_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT;

		strbuf_addstr(&what, "is no JSON object");
		if (!values->body)
			strbuf_addf(&what, ": line %d, column %d", error.line, error.column);
		return add_body_fault(values, what.buf, "one JSON object of plain values");
	}
	json_object_foreach((json_t *)values->body, name, member) {
		int err = add_member(values, name, member);

		if (err)
			return err;
	}
	return 0;
}

static bool has_fault(const struct http_values *values, const struct http_value *value)
{
	for (size_t i = 0; i < values->faults.count; i++) {
		const struct http_fault *fault = &values->faults.items[i];

		if (fault->place == value->place && !strcmp(fault->name, value->field->name))
			return true;
	}
	return false;
}

int http_values_finish(struct http_values *values)
{
	for (size_t i = 0; i < values->items.count; i++) {
		const struct http_value *value = &values->items.items[i];
		int err = 0;

		if (!value->given && value->field->required && value->place != HTTP_IN_PATH &&
		    !has_fault(values, value))
			err = add_plain(values, value, "is missing");
		if (err)
			return err;
	}
	return 0;
}
