/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the one looked at; owned */
	bool has_event;
	const struct yaml_source *source;
	yaml_entry_fn fn;
	void *user;
	struct hf_error *err;
};

static void reader_done(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	yaml_parser_delete(&r->parser);
}

static void add_place(struct strbuf *out, const struct reader *r, const yaml_mark_t *mark)
{
	strbuf_addf(out, "%s:%zu:%zu", r->source->name, mark->line + 1, mark->column + 1);
}

static int fail_at(const struct reader *r, const yaml_mark_t *mark, const char *what)
{
	_cleanup_(strbuf_done) struct strbuf place = STRBUF_INIT;

	add_place(&place, r, mark);
	return error_set(r->err, HF_E_CONFIG, "%s: %s", place.buf, what);
}

/* The parser's own error. It tells a place for syntax, an offset only for bad UTF-8. */
static int fail_syntax(const struct reader *r)
{
	const yaml_parser_t *p = &r->parser;

	if (p->error == YAML_MEMORY_ERROR)
		return error_set_errno(r->err, HF_E_INTERNAL, ENOMEM, "out of memory");
	if (p->error == YAML_READER_ERROR)
		return error_set(r->err, HF_E_CONFIG, "%s: byte %zu: %s", r->source->name,
				 p->problem_offset, p->problem ? p->problem : "not UTF-8");
	return fail_at(r, &p->problem_mark, p->problem ? p->problem : "not YAML");
}

static int next_event(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = false;
	if (!yaml_parser_parse(&r->parser, &r->event))
		return fail_syntax(r);
	r->has_event = true;
	return 0;
}

/* The scalar at hand, which ends with a NUL; NULL and an error if it holds another one. */
static const char *scalar_text(const struct reader *r)
{
	const char *text = (const char *)r->event.data.scalar.value;

	if (!memchr(text, 0, r->event.data.scalar.length))
		return text;
	fail_at(r, &r->event.start_mark, "a NUL character is not allowed");
	return NULL;
}

static int give_scalar(struct reader *r, struct yaml_entry *entry)
{
	_cleanup_(strbuf_done) struct strbuf place = STRBUF_INIT;

	if (r->event.type == YAML_ALIAS_EVENT)
		return fail_at(r, &r->event.start_mark, "aliases are not supported");
	if (r->event.type != YAML_SCALAR_EVENT)
		return fail_at(r, &r->event.start_mark, "a plain value is wanted here");
	entry->value = scalar_text(r);
	if (!entry->value)
		return -EINVAL;
	add_place(&place, r, &r->event.start_mark);
	if (place.failed)
		return error_set_errno(r->err, HF_E_INTERNAL, ENOMEM, "out of memory");
	entry->place = place.buf;
	return r->fn(r->user, entry, r->err);
}

static int read_sequence(struct reader *r, struct yaml_entry *entry)
{
	int err;

	entry->in_sequence = true;
	for (;;) {
		err = next_event(r);
		if (err || r->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		err = give_scalar(r, entry);
		if (err)
			break;
		entry->index++;
	}
	if (err || entry->index)
		return err;
	entry->value = NULL;
	entry->place = entry->key_place;
	return r->fn(r->user, entry, r->err);
}

/* With the key's event at hand. */
static int read_entry(struct reader *r)
{
	_cleanup_(strbuf_done) struct strbuf key = STRBUF_INIT, key_place = STRBUF_INIT;
	struct yaml_entry entry = {.index = 0};
	const char *text;
	int err;

	if (r->event.type != YAML_SCALAR_EVENT)
		return fail_at(r, &r->event.start_mark, "the name of a setting is wanted here");
	text = scalar_text(r);
	if (!text)
		return -EINVAL;
	strbuf_addstr(&key, text);
	add_place(&key_place, r, &r->event.start_mark);
	if (key.failed || key_place.failed)
		return error_set_errno(r->err, HF_E_INTERNAL, ENOMEM, "out of memory");
	entry.key = key.buf;
	entry.key_place = key_place.buf;
	err = next_event(r);
	if (err)
		return err;
	return r->event.type == YAML_SEQUENCE_START_EVENT ? read_sequence(r, &entry)
							  : give_scalar(r, &entry);
}

static int read_settings(struct reader *r)
{
	int err = next_event(r);

	if (err)
		return err;
	/* `memory_profiling:` with nothing below it */
	if (r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0)
		return next_event(r);
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return fail_at(r, &r->event.start_mark,
			       "settings are wanted here, as `name: value`");
	for (;;) {
		err = next_event(r);
		if (err)
			return err;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return next_event(r);
		err = read_entry(r);
		if (err)
			return err;
	}
}

static int fail_top(const struct reader *r)
{
	fail_at(r, &r->event.start_mark, "the settings must stand below one key");
	return error_fix(r->err, "begin the file with `%s:` and indent the settings below it",
			 r->source->top_key);
}

static int read_document(struct reader *r)
{
	int err = next_event(r);

	if (err)
		return err;
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return fail_top(r);
	err = next_event(r);
	if (err)
		return err;
	if (r->event.type != YAML_SCALAR_EVENT ||
	    strcmp((const char *)r->event.data.scalar.value, r->source->top_key) != 0)
		return fail_top(r);
	err = read_settings(r);
	if (err)
		return err;
	if (r->event.type != YAML_MAPPING_END_EVENT)
		return fail_top(r);
	return next_event(r); /* the document's end */
}

/* Nothing but comments is an empty configuration. */
static int read_stream(struct reader *r)
{
	int err = next_event(r); /* the stream's start */

	if (!err)
		err = next_event(r);
	if (!err && r->event.type == YAML_DOCUMENT_START_EVENT) {
		err = read_document(r);
		if (!err)
			err = next_event(r);
	}
	if (!err && r->event.type != YAML_STREAM_END_EVENT)
		err = fail_at(r, &r->event.start_mark, "a second document is not supported");
	return err;
}

int yaml_read(const struct yaml_source *source, yaml_entry_fn fn, void *user, struct hf_error *err)
{
	struct reader r = {.source = source, .fn = fn, .user = user, .err = err};
	int result;

	if (!yaml_parser_initialize(&r.parser))
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)source->text, source->size);
	result = read_stream(&r);
	reader_done(&r);
	return result;
}
