/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/record_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "config/text_kind.h"
#include "config/value.h"

/* A vector of records whose type only the table knows. */
struct any_vec {
	char *items;
	size_t count;
	size_t capacity;
};

/* What all fields of one record, and the records in it, share while a file is read. */
struct record_context {
	enum record_id record;
	const struct yaml_node *map;
	char *at;
	struct config_problems *problems;
};

static int tell(struct config_problems *problems, const struct config_place *place,
		const char *what, const char *why)
{
	return config_problems_add_at(problems, place, what, why);
}

static int init_field(const struct field_row *field, char *member)
{
	const struct value_place place = {CONFIG_DEFAULT, field->key};
	const struct value_type type = {field->kind, field->range};

	if (field->kind == OPTION_RECORD)
		return record_init(record_of_field(field), member);
	if (*field->initial)
		return value_store(&type, field->initial, member, &place, NULL);
	if (field->kind == OPTION_ENUM)
		*(int *)(void *)member = RULE_INHERITS;
	else if (field->kind == OPTION_USER)
		*(int64_t *)(void *)member = -1;
	else if (field->kind == OPTION_MEGABYTES)
		*(uint64_t *)(void *)member = RULE_INHERITS_BYTES;
	else if (field->kind == OPTION_MB_PER_MIN)
		*(double *)(void *)member = RULE_INHERITS_RATE;
	return 0;
}

int record_init(enum record_id record, void *at)
{
	int err = 0;

	memset(at, 0, record_rows[record].size);
	for (size_t i = 0; !err && i < FIELD_COUNT; i++) {
		if (field_rows[i].record == record)
			err = init_field(&field_rows[i], (char *)at + field_rows[i].offset);
	}
	return err;
}

static void clear_records(enum record_id record, struct any_vec *records)
{
	for (size_t i = 0; i < records->count; i++)
		record_clear(record, records->items + i * record_rows[record].size);
	vec_done(records);
}

static void clear_labels(struct fleet_label_vec *labels)
{
	for (size_t i = 0; i < labels->count; i++) {
		free(labels->items[i].name);
		free(labels->items[i].value);
	}
	vec_done(labels);
}

/* Vectors of all element types are laid out alike. */
static void take_vec(const char *member, struct any_vec *ret)
{
	memcpy(ret, member, sizeof(*ret));
}

static void put_vec(const struct any_vec *vec, char *member)
{
	memcpy(member, vec, sizeof(*vec));
}

static void clear_field(const struct field_row *field, char *member)
{
	struct any_vec records;

	switch (field->kind) {
	case OPTION_RECORD:
		record_clear(record_of_field(field), member);
		break;
	case OPTION_RECORDS:
		take_vec(member, &records);
		clear_records(record_of_field(field), &records);
		put_vec(&records, member);
		break;
	case OPTION_LABELS:
		clear_labels((struct fleet_label_vec *)(void *)member);
		break;
	default:
		value_clear_field(field->kind, member);
	}
}

void record_clear(enum record_id record, void *at)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (field_rows[i].record == record)
			clear_field(&field_rows[i], (char *)at + field_rows[i].offset);
	}
}

int record_unknown_key(const struct yaml_node *node, const char *const *names, size_t count,
		       struct config_problems *problems)
{
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT, why = STRBUF_INIT;
	const char *near;

	if (problems->list.count == CONFIG_PROBLEMS_MAX) /* only counted, so it may be quick */
		return tell(problems, &node->key_place, "", "");
	near = nearest_name(node->key, names, count);
	strbuf_addf(&what, "there is no setting '%s'", node->key);
	if (near)
		strbuf_addf(&why, "did you mean %s?", near);
	else
		strbuf_addstr(&why, "`holdfast agent --print-defaults` shows all settings");
	if (what.failed || why.failed)
		return -ENOMEM;
	return tell(problems, &node->key_place, what.buf, why.buf);
}

static int unknown_field(const struct record_context *c, const struct yaml_node *node)
{
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT, why = STRBUF_INIT;
	const char *names[FIELD_COUNT], *near;
	size_t count = 0;

	if (c->problems->list.count == CONFIG_PROBLEMS_MAX)
		return tell(c->problems, &node->key_place, "", "");
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (field_rows[i].record == c->record)
			names[count++] = field_rows[i].key;
	}
	near = nearest_name(node->key, names, count);
	strbuf_addf(&what, "a %s has no '%s'", record_rows[c->record].name, node->key);
	if (near) {
		strbuf_addf(&why, "did you mean %s?", near);
	} else {
		strbuf_addstr(&why, "it takes ");
		for (size_t i = 0; i < count; i++)
			strbuf_addf(&why, "%s%s", i ? ", " : "", names[i]);
	}
	if (what.failed || why.failed)
		return -ENOMEM;
	return tell(c->problems, &node->key_place, what.buf, why.buf);
}

/* "targets: a plain value is wanted here" */
static int wrong_shape(const struct field_row *field, const struct yaml_node *node,
		       const char *what, struct config_problems *problems)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT, why = STRBUF_INIT;
	const struct value_type type = {field->kind, field->range};

	strbuf_addf(&text, "%s: %s", field->key, what);
	if (field->kind == OPTION_RECORD || field->kind == OPTION_RECORDS) {
		strbuf_addf(&why, "it takes %s", value_kind_description(field->kind));
	} else {
		strbuf_addstr(&why, "it takes ");
		value_describe(&type, &why);
	}
	if (text.failed || why.failed)
		return -ENOMEM;
	return tell(problems, &node->place, text.buf, why.buf);
}

static int read_value(const struct field_row *field, const struct yaml_node *node, char *member,
		      struct config_problems *problems)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const struct value_place place = {CONFIG_FILE, field->key};
	const struct value_type type = {field->kind, field->range};
	int err;

	if (node->kind == YAML_NODE_BAD)
		return 0;
	if (node->kind != YAML_NODE_TEXT)
		return wrong_shape(field, node, "a plain value is wanted here", problems);
	err = value_store(&type, node->text, member, &place, &error);
	if (!err || err == -ENOMEM)
		return err;
	return error.what.failed || error.why.failed
		       ? -ENOMEM
		       : tell(problems, &node->place, error.what.buf, error.why.buf);
}

static int read_values(const struct field_row *field, const struct yaml_node *node, char *member,
		       struct config_problems *problems)
{
	int err = 0;

	if (node->kind != YAML_NODE_LIST)
		return read_value(field, node, member, problems);
	for (const struct yaml_node *item = node->first; !err && item; item = item->next)
		err = read_value(field, item, member, problems);
	return err;
}

static int add_label(const struct yaml_node *node, struct fleet_label_vec *labels)
{
	struct fleet_label label = {strdup(node->key), strdup(node->text)};

	if (label.name && label.value && !vec_push(labels, label))
		return 0;
	free(label.name);
	free(label.value);
	return -ENOMEM;
}

static int read_labels(const struct field_row *field, const struct yaml_node *map, char *member,
		       struct config_problems *problems)
{
	int err = 0;

	if (map->kind != YAML_NODE_MAP)
		return wrong_shape(field, map, "a mapping is wanted here", problems);
	for (const struct yaml_node *node = map->first; !err && node; node = node->next) {
		if (node->kind == YAML_NODE_BAD)
			continue;
		if (!text_kind_is_identifier(node->key))
			err = tell(problems, &node->key_place,
				   "a label's name has letters, digits and _, and no digit first",
				   "");
		else if (node->kind != YAML_NODE_TEXT || !*node->text)
			err = tell(problems, &node->place, "a label is a text that is not empty",
				   "");
		else
			err = add_label(node, (struct fleet_label_vec *)(void *)member);
	}
	return err;
}

/* The names of those before must differ from the last one's. */
static int check_name(const struct record_context *c, const struct any_vec *records)
{
	const struct field_row *field = record_find_field(c->record, "name");
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT;
	const struct yaml_node *node = yaml_find(c->map, "name");
	size_t size = record_rows[c->record].size;
	const char *name, *other = NULL;

	if (!field || !node)
		return 0;
	if (c->record == RECORD_component_spec) /* several rules of one name are one component */
		return 0;
	name = *(char *const *)(void *)(c->at + field->offset);
	for (size_t i = 0; name && i + 1 < records->count && !what.len; i++) {
		other = *(char *const *)(void *)(records->items + i * size + field->offset);
		if (other && !strcmp(name, other))
			strbuf_addf(&what, "there is a %s '%s' already",
				    record_rows[c->record].name, name);
	}
	if (what.failed)
		return -ENOMEM;
	return what.len ? tell(c->problems, &node->place, what.buf, "each needs a name of its own")
			: 0;
}

static int check_component(const struct record_context *c)
{
	const struct component_spec *rule = (const void *)c->at;
	const struct yaml_node *name = yaml_find(c->map, "name");

	if (!rule->name || !name || strcmp(rule->name, "other") != 0)
		return 0;
	return tell(c->problems, &name->place, "name: 'other' is taken",
		    "it holds what belongs to no component");
}

/* "package.module:Class.method": a dotted name on both sides, or a glob. "<locals>" is part of some. */
static bool is_python_function(const char *text)
{
	const char *colon = strchr(text, ':');
	size_t len;

	if (!colon || colon == text || !colon[1])
		return false;
	len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.*?");
	return text + len == colon && !strpbrk(colon + 1, ": \t/");
}

static int check_span(const struct record_context *c)
{
	static const char expected[] =
		"of Python it is package.module:Class.method; a native function's key is arg1 to arg6";
	struct span_spec *spec = (void *)c->at;
	const struct yaml_node *enter = yaml_find(c->map, "enter");
	const struct yaml_node *leave = yaml_find(c->map, "leave");
	int err = 0;

	if (!spec->enter || !enter)
		return 0;
	span_spec_classify(spec);
	if (spec->python && !is_python_function(spec->enter))
		err = tell(c->problems, &enter->place, "enter: this is no Python function",
			   expected);
	if (!err && spec->python && leave)
		err = tell(c->problems, &leave->place, "leave: a span of Python has none",
			   "it is over when its function's frame is");
	return err;
}

/* What is demanded of a record beyond its single fields. */
static int check_record(const struct record_context *c)
{
	if (c->record == RECORD_component_spec)
		return check_component(c);
	if (c->record == RECORD_span_spec)
		return check_span(c);
	if (c->record == RECORD_target_rule) {
		struct target_rule *rule = (void *)c->at;

		rule->line = c->map->place.line;
		rule->column = c->map->place.column;
	}
	if (c->record == RECORD_retention) {
		struct retention *given = (void *)c->at;

		given->line = c->map->place.line;
		given->column = c->map->place.column;
	}
	return 0;
}

/* Are the fields there that have to be? */
static int check_needs(const struct record_context *c)
{
	_cleanup_(strbuf_done) struct strbuf needed = STRBUF_INIT, what = STRBUF_INIT;
	bool satisfied = false;
	int err = 0;

	for (size_t i = 0; !err && i < FIELD_COUNT; i++) {
		const struct field_row *field = &field_rows[i];
		bool given;

		if (field->record != c->record || field->need == FIELD_OPTIONAL)
			continue;
		given = yaml_find(c->map, field->key) != NULL;
		if (field->need == FIELD_NEEDED) {
			strbuf_addf(&needed, "%s%s", needed.len ? ", " : "one of ", field->key);
			satisfied |= given;
		} else if (!given) {
			strbuf_reset(&what);
			strbuf_addf(&what, "the %s has no %s", record_rows[c->record].name,
				    field->key);
			err = what.failed
				      ? -ENOMEM
				      : tell(c->problems, &c->map->place, what.buf, field->help);
		}
	}
	if (needed.failed)
		return -ENOMEM;
	if (err || satisfied || !needed.len)
		return err;
	strbuf_reset(&what);
	strbuf_addf(&what, "the %s has no condition", record_rows[c->record].name);
	if (what.failed)
		return -ENOMEM;
	return tell(c->problems, &c->map->place, what.buf, needed.buf);
}

static int read_record(const struct record_context *c)
{
	int err = 0;

	for (const struct yaml_node *node = c->map->first; !err && node; node = node->next) {
		const struct field_row *field = record_find_field(c->record, node->key);

		err = field ? record_read_field(field, node, c->at, c->problems)
			    : unknown_field(c, node);
	}
	if (!err && c->map->whole)
		err = check_needs(c);
	return err ? err : check_record(c);
}

/* More than are told apart would be no use to anybody. */
static int check_count(const struct field_row *field, const struct yaml_node *node, size_t count,
		       struct config_problems *problems)
{
	enum record_id record = record_of_field(field);
	size_t most = record == RECORD_component_spec ? COMPONENT_SPECS_MAX
		      : record == RECORD_span_spec    ? SPAN_SPECS_MAX
						      : SIZE_MAX;
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT;

	if (count != most)
		return 0;
	strbuf_addf(&what, "%s: there are more than %zu", field->key, most);
	return what.failed ? -ENOMEM : tell(problems, &node->place, what.buf, "");
}

static int read_item(const struct field_row *field, const struct yaml_node *node,
		     struct any_vec *records, struct config_problems *problems)
{
	struct record_context c = {record_of_field(field), node, NULL, problems};
	size_t size = record_rows[c.record].size;
	int err;

	if (node->kind == YAML_NODE_BAD)
		return 0;
	if (node->kind != YAML_NODE_MAP)
		return wrong_shape(field, node, "a mapping is wanted here", problems);
	if (vec_grow_(&records->items, &records->capacity, records->count, 1, size))
		return -ENOMEM;
	c.at = records->items + records->count++ * size;
	err = record_init(c.record, c.at);
	if (!err)
		err = read_record(&c);
	return err ? err : check_name(&c, records);
}

static int read_items(const struct field_row *field, const struct yaml_node *list, char *member,
		      struct config_problems *problems)
{
	struct any_vec records;
	int err = 0;

	if (list->kind != YAML_NODE_LIST)
		return wrong_shape(field, list, "a list is wanted here, of lines that begin with -",
				   problems);
	take_vec(member, &records);
	for (const struct yaml_node *node = list->first; !err && node; node = node->next) {
		err = check_count(field, node, records.count, problems);
		if (!err)
			err = read_item(field, node, &records, problems);
	}
	put_vec(&records, member);
	return err;
}

int record_read_field(const struct field_row *field, const struct yaml_node *node, void *at,
		      struct config_problems *problems)
{
	char *member = (char *)at + field->offset;

	if (node->kind == YAML_NODE_BAD)
		return 0;
	if (field->kind == OPTION_RECORD || field->kind == OPTION_RECORDS) {
		/* `targets:` with nothing below it */
		if (node->kind == YAML_NODE_TEXT && !*node->text)
			return 0;
	}
	if (field->kind == OPTION_RECORDS)
		return read_items(field, node, member, problems);
	if (field->kind == OPTION_RECORD) {
		const struct record_context c = {record_of_field(field), node, member, problems};

		return node->kind == YAML_NODE_MAP
			       ? read_record(&c)
			       : wrong_shape(field, node, "a mapping is wanted here", problems);
	}
	if (field->kind == OPTION_LABELS)
		return read_labels(field, node, member, problems);
	return value_is_list(field->kind) ? read_values(field, node, member, problems)
					  : read_value(field, node, member, problems);
}
