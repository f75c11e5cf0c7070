/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "config/text_kind.h"

/* A parsed value: which member counts follows from the kind. */
union value {
	bool flag;
	int place; /* among the choices */
	uint64_t number;
	int64_t id;
	double real;
	char *text; /* owned */
};

#define MB_BYTES   ((uint64_t)1 << 20)
#define MINUTE_S   60.0
#define ALL_CHOSEN "all"

static int out_of_memory(struct hf_error *err)
{
	return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
}

const char *value_kind_description(enum option_kind kind)
{
	static const char *const descriptions[OPTION_KIND_COUNT] = {
		[OPTION_FLAG] = "true or false",
		[OPTION_ACTION] = "nothing",
		[OPTION_SWITCH] = "on or off",
		[OPTION_BOOL] = "true or false",
		[OPTION_SIZE] = "a size: a number with k, MiB, GiB, such as 64KiB",
		[OPTION_DURATION] =
			"a time: a number with ns, us, ms, s, m, h or d, such as 10ms or 1m30s",
		[OPTION_SECONDS] = "a number of seconds, such as 0.5, or a time, such as 500ms",
		[OPTION_PERCENT] = "a percentage that is not negative, such as 2% or 0.5%",
		[OPTION_RATE] = "a growth: a size per s, min or h, such as 1MiB/min",
		[OPTION_NUMBER] = "a number",
		[OPTION_MEGABYTES] = "a number of MB (1,048,576 bytes), such as 500",
		[OPTION_MB_PER_MIN] = "a number of MB (1,048,576 bytes) per minute, such as 2.5",
		[OPTION_STRING] = "a text that is not empty",
		[OPTION_PATH] = "the name of a file or folder",
		[OPTION_OUTPUT] = "the name of a file",
		[OPTION_OPT_OUTPUT] = "the name of a file",
		[OPTION_CHOICE] = "one of these words",
		[OPTION_ENUM] = "one of these words",
		[OPTION_SET] = "one or more of these words",
		[OPTION_ADDRESS] = "IP:PORT, such as 127.0.0.1:7654 or '[::1]:7654', or unix:/PATH",
		[OPTION_ALLOC_LIST] = "an allocator, such as 'my_alloc(size=arg1)->ret'",
		[OPTION_FREE_LIST] = "a releasing function, such as 'my_free(ptr=arg1)'",
		[OPTION_COMPONENT_LIST] = "a part of a program, such as 'engine=function:engine_*'",
		[OPTION_SPAN_LIST] = "a span, such as 'user=handle_session(arg1)'",
		[OPTION_NAME] = "a name: a text that is not empty, without control characters",
		[OPTION_GLOB] = "a pattern with *, ? and [...], such as 'engine_*'",
		[OPTION_COMM_GLOB] = "a pattern for a name of at most 15 bytes, such as 'python3*'",
		[OPTION_REGEX] = "an extended regular expression of POSIX, such as 'uvicorn .*app'",
		[OPTION_USER] = "a user's name or number",
		[OPTION_HEX] = "4 to 64 of the digits 0 to 9 and a to f",
		[OPTION_URL] = "a URL of http or https, such as http://127.0.0.1:9093",
		[OPTION_FUNCTION] =
			"function, module.so:function, or of Python package.module:Class.method",
		[OPTION_ARGUMENT] = "arg1 to arg6, or the name of a Python parameter",
		[OPTION_WORD_LIST] = "a list of words of small letters, such as [probe, session]",
		[OPTION_LABELS] = "a mapping from names to texts, such as {region: north}",
		[OPTION_RECORD] = "a mapping",
		[OPTION_RECORDS] = "a list of mappings",
	};

	return descriptions[kind];
}

static bool is_string_list(enum option_kind kind)
{
	return (kind >= OPTION_ALLOC_LIST && kind <= OPTION_SPAN_LIST) || kind == OPTION_WORD_LIST;
}

bool value_is_list(enum option_kind kind)
{
	return is_string_list(kind) || kind == OPTION_SET;
}

static bool is_text(enum option_kind kind)
{
	switch (kind) {
	case OPTION_STRING:
	case OPTION_PATH:
	case OPTION_OUTPUT:
	case OPTION_OPT_OUTPUT:
	case OPTION_CHOICE:
	case OPTION_ADDRESS:
	case OPTION_NAME:
	case OPTION_GLOB:
	case OPTION_COMM_GLOB:
	case OPTION_REGEX:
	case OPTION_HEX:
	case OPTION_URL:
	case OPTION_FUNCTION:
	case OPTION_ARGUMENT:
		return true;
	default:
		return false;
	}
}

/* Kinds whose parsed value is a text of its own. */
static bool owns_text(enum option_kind kind)
{
	return is_text(kind) || is_string_list(kind);
}

static void *field_of(const struct config *config, enum option_id id)
{
	return (char *)config + option_rows[id].offset;
}

static struct value_type type_of(enum option_id id)
{
	return (struct value_type){option_rows[id].kind, option_rows[id].range};
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
static const char *word_of(const struct value_type *type)
{
	const char *bar = strstr(type->range, "..") ? strchr(type->range, '|') : NULL;

	return bar ? bar + 1 : NULL;
}

static bool is_word_of(const struct value_type *type, const char *text)
{
	const char *word = word_of(type);

	return word && !strcmp(text, word);
}

static uint64_t number_of_word(enum option_kind kind)
{
	return kind == OPTION_NUMBER ? CONFIG_ALL : 0;
}

/* Place of a word in "a|b|c". */
static int place_in_choices(const char *choices, const char *word, size_t len, int *ret)
{
	for (int place = 0; len && *choices; place++) {
		size_t have = strcspn(choices, "|");

		if (have == len && !memcmp(choices, word, len)) {
			*ret = place;
			return 0;
		}
		choices += choices[have] ? have + 1 : have;
	}
	return -EINVAL;
}

/* "gc,native", or "all" */
static int parse_set(const char *choices, const char *text, uint64_t *ret)
{
	uint64_t set = 0;

	if (!strcmp(text, ALL_CHOSEN)) {
		*ret = 1;
		for (; *choices; choices++)
			*ret = *choices == '|' ? *ret << 1 | 1 : *ret;
		return 0;
	}
	for (;;) {
		size_t len = strcspn(text, ",");
		int place;

		if (place_in_choices(choices, text, len, &place))
			return -EINVAL;
		set |= (uint64_t)1 << place;
		if (!text[len])
			break;
		text += len + 1;
	}
	*ret = set;
	return 0;
}

static int parse_seconds(const char *text, uint64_t *ret)
{
	return units_parse_scaled(text, NS_PER_S, ret) ? units_parse_duration(text, ret) : 0;
}

static int parse_mb_per_min(const char *text, double *ret)
{
	uint64_t bytes;
	int err = units_parse_scaled(text, MB_BYTES, &bytes);

	if (!err)
		*ret = (double)bytes / MINUTE_S;
	return err;
}

static int copy_text(const char *text, char **ret)
{
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* Parses without looking at the range. *ret->text is new. */
static int parse_value(const struct value_type *type, const char *text, union value *ret,
		       struct strbuf *reason)
{
	int err = 0;

	if (is_word_of(type, text)) {
		ret->number = number_of_word(type->kind);
		return 0;
	}
	switch (type->kind) {
	case OPTION_FLAG:
	case OPTION_ACTION:
	case OPTION_SWITCH:
	case OPTION_BOOL:
		return parse_flag(text, &ret->flag);
	case OPTION_SIZE:
		return units_parse_size(text, &ret->number);
	case OPTION_DURATION:
		return units_parse_duration(text, &ret->number);
	case OPTION_SECONDS:
		return parse_seconds(text, &ret->number);
	case OPTION_NUMBER:
		return units_parse_u64(text, &ret->number);
	case OPTION_MEGABYTES:
		return units_parse_scaled(text, MB_BYTES, &ret->number);
	case OPTION_MB_PER_MIN:
		return parse_mb_per_min(text, &ret->real);
	case OPTION_PERCENT:
		return units_parse_percent(text, &ret->real);
	case OPTION_RATE:
		return units_parse_rate(text, &ret->real);
	case OPTION_ENUM:
		return place_in_choices(type->range, text, strlen(text), &ret->place);
	case OPTION_SET:
		return parse_set(type->range, text, &ret->number);
	case OPTION_USER:
		return text_kind_user(text, &ret->id, reason);
	case OPTION_CHOICE:
		if (!*text || !word_in_list(type->range, '|', text, strlen(text)))
			return -EINVAL;
		return copy_text(text, &ret->text);
	default:
		err = text_kind_check(type->kind, text, reason);
		return err ? err : copy_text(text, &ret->text);
	}
}

/* One end of "10ms..1d" as a value of the row's kind. */
static int parse_bound(const struct value_type *type, const char *start, const char *end,
		       union value *ret)
{
	_cleanup_free_ char *text = strndup(start, (size_t)(end - start));

	return text ? parse_value(type, text, ret, NULL) : -ENOMEM;
}

/* 0, -ERANGE, or -ENOMEM. */
static int check_range(const struct value_type *type, const union value *value)
{
	const char *dots = strstr(type->range, "..");
	union value low, high;
	int err;

	if (!dots)
		return 0;
	err = parse_bound(type, type->range, dots, &low);
	if (!err)
		err = parse_bound(type, dots + 2, strchrnul(dots, '|'), &high);
	if (err)
		return err;
	if (type->kind == OPTION_PERCENT || type->kind == OPTION_MB_PER_MIN)
		return value->real < low.real || value->real > high.real ? -ERANGE : 0;
	return value->number < low.number || value->number > high.number ? -ERANGE : 0;
}

static void add_choices(const char *choices, struct strbuf *out)
{
	for (const char *c = choices; *c; c++)
		strbuf_addstr(out, *c == '|' ? ", " : (char[]){*c, '\0'});
}

void value_describe(const struct value_type *type, struct strbuf *out)
{
	const char *dots = strstr(type->range, "..");

	if (type->kind == OPTION_CHOICE || type->kind == OPTION_ENUM || type->kind == OPTION_SET) {
		strbuf_addstr(out, type->kind == OPTION_SET ? ALL_CHOSEN ", or of " : "one of ");
		add_choices(type->range, out);
		return;
	}
	strbuf_addstr(out, value_kind_description(type->kind));
	if (dots)
		strbuf_addf(out, "; from %.*s to %.*s", (int)(dots - type->range), type->range,
			    (int)(strchrnul(dots, '|') - dots - 2), dots + 2);
	if (word_of(type))
		strbuf_addf(out, ", or %s", word_of(type));
}

static int refuse(const struct value_type *type, const char *text, const struct value_place *place,
		  const struct strbuf *reason, struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf allowed = STRBUF_INIT;
	enum hf_error_code code = place->source == CONFIG_COMMAND_LINE ? HF_E_USAGE : HF_E_CONFIG;

	if (!*text)
		error_set(err, code, "%s is empty", place->text);
	else if (reason->len)
		error_set(err, code, "%s: '%s' is not understood: %s", place->text, text,
			  reason->buf);
	else
		error_set(err, code, "%s: '%s' is not understood", place->text, text);
	value_describe(type, &allowed);
	if (allowed.failed)
		return out_of_memory(err);
	return error_why(err, "it takes %s", allowed.buf);
}

static int refuse_range(const struct value_type *type, const char *text,
			const struct value_place *place, struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf allowed = STRBUF_INIT;
	enum hf_error_code code = place->source == CONFIG_COMMAND_LINE ? HF_E_USAGE : HF_E_CONFIG;

	error_set(err, code, "%s: '%s' is out of range", place->text, text);
	value_describe(type, &allowed);
	if (allowed.failed)
		return out_of_memory(err);
	return error_why(err, "it takes %s", allowed.buf);
}

static int parse_checked(const struct value_type *type, const char *text,
			 const struct value_place *place, union value *ret, struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf reason = STRBUF_INIT;
	int why = parse_value(type, text, ret, &reason);

	if (!why && strstr(type->range, "..") && !is_word_of(type, text))
		why = check_range(type, ret);
	if (why == -ENOMEM)
		return out_of_memory(err);
	if (why == -ERANGE)
		return refuse_range(type, text, place, err);
	return why ? refuse(type, text, place, &reason, err) : 0;
}

static void clear_strings(struct string_vec *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	vec_done(list);
}

void value_clear_field(enum option_kind kind, void *field)
{
	if (is_string_list(kind)) {
		clear_strings(field);
	} else if (is_text(kind)) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (kind == OPTION_SET) {
		*(uint64_t *)field = 0;
	}
}

void value_clear(struct config *config, enum option_id id)
{
	value_clear_field(option_rows[id].kind, field_of(config, id));
}

/* Takes over value->text, also on failure. */
static int put_value(enum option_kind kind, void *field, union value *value)
{
	if (is_string_list(kind)) {
		if (!vec_push((struct string_vec *)field, value->text))
			return 0;
		free(value->text);
		return -ENOMEM;
	}
	if (is_text(kind)) {
		value_clear_field(kind, field);
		*(char **)field = value->text;
		return 0;
	}
	switch (kind) {
	case OPTION_FLAG:
	case OPTION_ACTION:
	case OPTION_SWITCH:
	case OPTION_BOOL:
		*(bool *)field = value->flag;
		break;
	case OPTION_PERCENT:
	case OPTION_RATE:
	case OPTION_MB_PER_MIN:
		*(double *)field = value->real;
		break;
	case OPTION_ENUM:
		*(int *)field = value->place;
		break;
	case OPTION_USER:
		*(int64_t *)field = value->id;
		break;
	case OPTION_SET:
		*(uint64_t *)field |= value->number;
		break;
	default:
		*(uint64_t *)field = value->number;
	}
	return 0;
}

int value_store(const struct value_type *type, const char *text, void *field,
		const struct value_place *place, struct hf_error *err)
{
	union value value = {.text = NULL};
	int result = parse_checked(type, text, place, &value, err);

	if (result)
		return result;
	return put_value(type->kind, field, &value) ? out_of_memory(err) : 0;
}

int value_set(struct config *config, enum option_id id, const char *text,
	      const struct value_place *place, struct hf_error *err)
{
	const struct value_type type = type_of(id);
	union value value = {.text = NULL};
	int result = parse_checked(&type, text, place, &value, err);

	if (result)
		return result;
	if (place->source < config->source[id]) {
		if (owns_text(type.kind))
			free(value.text);
		return 0;
	}
	if (value_is_list(type.kind) && place->source > config->source[id])
		value_clear(config, id);
	if (put_value(type.kind, field_of(config, id), &value))
		return out_of_memory(err);
	config->source[id] = place->source;
	return 0;
}

static int copy_strings(const struct string_vec *from, struct string_vec *to)
{
	for (size_t i = 0; i < from->count; i++) {
		char *copy = strdup(from->items[i]);

		if (!copy || vec_push(to, copy)) {
			free(copy);
			return -ENOMEM;
		}
	}
	return 0;
}

int value_copy(struct config *config, enum option_id id, const struct config *from)
{
	const enum option_kind kind = option_rows[id].kind;
	const void *source = field_of(from, id);
	void *field = field_of(config, id);
	int err = 0;

	value_clear(config, id);
	if (is_string_list(kind)) {
		err = copy_strings(source, field);
	} else if (is_text(kind)) {
		const char *text = *(char *const *)source;

		if (text)
			err = copy_text(text, field);
	} else {
		memcpy(field, source, option_rows[id].size);
	}
	config->source[id] = from->source[id];
	config->position[id] = from->position[id];
	return err;
}
