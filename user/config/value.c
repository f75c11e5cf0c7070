/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "config/alloc_spec.h"
#include "config/component_spec.h"
#include "config/span_spec.h"

/* A parsed value: which member counts follows from the kind. */
union value {
	bool flag;
	uint64_t number;
	double real;
	char *text; /* owned */
};

const char *value_kind_description(enum option_kind kind)
{
	switch (kind) {
	case OPTION_FLAG:
		return "true or false";
	case OPTION_SWITCH:
		return "on or off";
	case OPTION_SIZE:
		return "a size: a number with k, MiB, GiB, such as 64KiB";
	case OPTION_DURATION:
		return "a time: a number with ns, us, ms, s, m, h or d, such as 10ms or 1m30s";
	case OPTION_PERCENT:
		return "a percentage that is not negative, such as 2% or 0.5%";
	case OPTION_RATE:
		return "a growth: a size per s, min or h, such as 1MiB/min";
	case OPTION_NUMBER:
		return "a number";
	case OPTION_STRING:
		return "a text that is not empty";
	case OPTION_PATH:
	case OPTION_OUTPUT:
	case OPTION_OPT_OUTPUT:
		return "the name of a file";
	case OPTION_CHOICE:
		return "one of these words";
	case OPTION_ALLOC_LIST:
		return "an allocator, such as 'my_alloc(size=arg1)->ret'";
	case OPTION_FREE_LIST:
		return "a releasing function, such as 'my_free(ptr=arg1)'";
	case OPTION_COMPONENT_LIST:
		return "a part of a program, such as 'engine=function:engine_*'";
	case OPTION_SPAN_LIST:
		return "a span, such as 'user=handle_session(arg1)'";
	case OPTION_KIND_COUNT:
		break;
	}
	return "a value";
}

static bool is_list(enum option_kind kind)
{
	return OPTION_KIND_IS_LIST(kind);
}

static bool is_text(enum option_kind kind)
{
	return kind == OPTION_STRING || kind == OPTION_PATH || kind == OPTION_OUTPUT ||
	       kind == OPTION_OPT_OUTPUT || kind == OPTION_CHOICE;
}

static void *field_of(struct config *config, enum option_id id)
{
	return (char *)config + option_rows[id].offset;
}

static int parse_flag(const char *text, bool *ret)
{
	static const char yes[] = "true yes on 1", no[] = "false no off 0";

	if (word_in_list(yes, ' ', text, strlen(text)))
		*ret = true;
	else if (word_in_list(no, ' ', text, strlen(text)))
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

/* The word behind the range of numbers, "all" or "forever"; NULL: there is none. */
static const char *word_of(const struct option_row *row)
{
	const char *bar = strstr(row->range, "..") ? strchr(row->range, '|') : NULL;

	return bar ? bar + 1 : NULL;
}

static bool is_word_of(const struct option_row *row, const char *text)
{
	const char *word = word_of(row);

	return word && !strcmp(text, word);
}

static uint64_t number_of_word(enum option_kind kind)
{
	return kind == OPTION_NUMBER ? CONFIG_ALL : 0;
}

static int check_spec(enum option_kind kind, const char *text)
{
	_cleanup_(alloc_spec_done) struct alloc_spec allocator = {.module = NULL};
	_cleanup_(component_spec_done) struct component_spec component = {0};
	_cleanup_(span_spec_done) struct span_spec span = {0};

	switch (kind) {
	case OPTION_ALLOC_LIST:
		return alloc_spec_parse(text, &allocator);
	case OPTION_FREE_LIST:
		return free_spec_parse(text, &allocator);
	case OPTION_COMPONENT_LIST:
		return component_spec_parse(text, &component);
	default:
		return span_spec_parse(text, &span);
	}
}

static int copy_text(const char *text, char **ret)
{
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* Parses without looking at the range. *ret->text is new. */
static int parse_value(const struct option_row *row, const char *text, union value *ret)
{
	int err;

	if (is_word_of(row, text)) {
		ret->number = number_of_word(row->kind);
		return 0;
	}
	switch (row->kind) {
	case OPTION_FLAG:
	case OPTION_SWITCH:
		return parse_flag(text, &ret->flag);
	case OPTION_SIZE:
		return units_parse_size(text, &ret->number);
	case OPTION_DURATION:
		return units_parse_duration(text, &ret->number);
	case OPTION_NUMBER:
		return units_parse_u64(text, &ret->number);
	case OPTION_PERCENT:
		return units_parse_percent(text, &ret->real);
	case OPTION_RATE:
		return units_parse_rate(text, &ret->real);
	case OPTION_CHOICE:
		if (!*text || !word_in_list(row->range, '|', text, strlen(text)))
			return -EINVAL;
		return copy_text(text, &ret->text);
	case OPTION_ALLOC_LIST:
	case OPTION_FREE_LIST:
	case OPTION_COMPONENT_LIST:
	case OPTION_SPAN_LIST:
		err = check_spec(row->kind, text);
		return err ? err : copy_text(text, &ret->text);
	case OPTION_STRING:
	case OPTION_PATH:
	case OPTION_OUTPUT:
	case OPTION_OPT_OUTPUT:
		return *text ? copy_text(text, &ret->text) : -EINVAL;
	case OPTION_KIND_COUNT:
		break;
	}
	return -EINVAL;
}

/* One end of "10ms..1d" as a value of the row's kind. */
static int parse_bound(const struct option_row *row, const char *start, const char *end,
		       union value *ret)
{
	_cleanup_free_ char *text = strndup(start, (size_t)(end - start));

	return text ? parse_value(row, text, ret) : -ENOMEM;
}

/* 0, -ERANGE, or -ENOMEM. */
static int check_range(const struct option_row *row, const union value *value)
{
	const char *dots = strstr(row->range, "..");
	union value low, high;
	int err;

	if (!dots)
		return 0;
	err = parse_bound(row, row->range, dots, &low);
	if (!err)
		err = parse_bound(row, dots + 2, strchrnul(dots, '|'), &high);
	if (err)
		return err;
	if (row->kind == OPTION_PERCENT)
		return value->real < low.real || value->real > high.real ? -ERANGE : 0;
	return value->number < low.number || value->number > high.number ? -ERANGE : 0;
}

static void describe_allowed(const struct option_row *row, struct strbuf *out)
{
	const char *dots = strstr(row->range, "..");

	if (row->kind == OPTION_CHOICE) {
		strbuf_addstr(out, "one of ");
		for (const char *c = row->range; *c; c++)
			strbuf_addstr(out, *c == '|' ? ", " : (char[]){*c, '\0'});
		return;
	}
	strbuf_addstr(out, value_kind_description(row->kind));
	if (dots)
		strbuf_addf(out, "; from %.*s to %.*s", (int)(dots - row->range), row->range,
			    (int)(strchrnul(dots, '|') - dots - 2), dots + 2);
	if (word_of(row))
		strbuf_addf(out, ", or %s", word_of(row));
}

static int refuse(const struct option_row *row, const char *text, const struct value_place *place,
		  int why, struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf allowed = STRBUF_INIT;
	enum hf_error_code code = place->source == CONFIG_COMMAND_LINE ? HF_E_USAGE : HF_E_CONFIG;

	if (why == -ENOMEM)
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	if (!*text)
		error_set(err, code, "%s is empty", place->text);
	else if (why == -ERANGE)
		error_set(err, code, "%s: '%s' is out of range", place->text, text);
	else
		error_set(err, code, "%s: '%s' is not understood", place->text, text);
	describe_allowed(row, &allowed);
	return error_why(err, "it takes %s", allowed.buf);
}

static void clear_list(struct string_vec *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	vec_done(list);
}

void value_clear(struct config *config, enum option_id id)
{
	char **text = field_of(config, id);

	if (is_list(option_rows[id].kind)) {
		clear_list(field_of(config, id));
	} else if (is_text(option_rows[id].kind)) {
		free(*text);
		*text = NULL;
	}
}

/* Takes over value->text, also on failure. */
static int store_value(struct config *config, enum option_id id, union value *value)
{
	const enum option_kind kind = option_rows[id].kind;
	void *field = field_of(config, id);

	if (is_list(kind)) {
		if (vec_push((struct string_vec *)field, value->text)) {
			free(value->text);
			return -ENOMEM;
		}
	} else if (is_text(kind)) {
		value_clear(config, id);
		*(char **)field = value->text;
	} else if (kind == OPTION_FLAG || kind == OPTION_SWITCH) {
		*(bool *)field = value->flag;
	} else if (kind == OPTION_PERCENT || kind == OPTION_RATE) {
		*(double *)field = value->real;
	} else {
		*(uint64_t *)field = value->number;
	}
	return 0;
}

int value_set(struct config *config, enum option_id id, const char *text,
	      const struct value_place *place, struct hf_error *err)
{
	const struct option_row *row = &option_rows[id];
	union value value = {.text = NULL};
	int why = parse_value(row, text, &value);

	if (!why && !is_text(row->kind) && !is_list(row->kind) && !is_word_of(row, text))
		why = check_range(row, &value);
	if (why)
		return refuse(row, text, place, why, err);
	if (place->source < config->source[id]) {
		if (is_text(row->kind) || is_list(row->kind))
			free(value.text);
		return 0;
	}
	if (is_list(row->kind) && place->source > config->source[id])
		value_clear(config, id);
	if (store_value(config, id, &value))
		return refuse(row, text, place, -ENOMEM, err);
	config->source[id] = place->source;
	return 0;
}
