/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole configuration file with comments, from the tables. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/config.h"
#include "config/records.h"
#include "config/settings.h"
#include "config/value.h"

#define LAST_COLUMN 98

static const char head[] =
	"# Configuration of holdfast: every setting there is, as it is if nothing is said.\n"
	"#\n"
	"# A # with a blank behind it begins an explanation; one without, or with two, a setting that is\n"
	"# not given: remove the # to give it. `holdfast agent --check FILE` tells what is wrong in a file.\n"
	"memory_profiling:\n";

/* "  # words …", in lines that fit a page; `prefix` is what each begins with. */
static void add_comment(struct strbuf *out, const char *prefix, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column && column + 1 + len > LAST_COLUMN) {
			strbuf_addch(out, '\n');
			column = 0;
		}
		if (!column) {
			strbuf_addf(out, "%s#", prefix);
			column = strlen(prefix) + 1;
		}
		strbuf_addf(out, " %.*s", (int)len, text);
		column += 1 + len;
		text += len + strspn(text + len, " ");
	}
	strbuf_addch(out, '\n');
}

/* "how the key is read. Takes one of string, int. Default: string" */
static void add_explanation(struct strbuf *out, const char *prefix, const char *help,
			    const struct value_type *type, const char *initial)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "%s. Takes ", help);
	value_describe(type, &text);
	if (*initial)
		strbuf_addf(&text, ". Default: %s", initial);
	out->failed |= text.failed;
	add_comment(out, prefix, text.buf);
}

/* What may stand there where there is no default. */
static const char *example_of(const struct option_row *row)
{
	switch (row->kind) {
	case OPTION_FLAG:
		return "false";
	case OPTION_RATE:
		return "1MiB/min";
	case OPTION_OPT_OUTPUT:
		return "FILE";
	case OPTION_ALLOC_LIST:
		return "['my_alloc(size=arg1)->ret']";
	case OPTION_FREE_LIST:
		return "['my_free(ptr=arg1)']";
	case OPTION_COMPONENT_LIST:
		return "['engine=function:engine_*']";
	case OPTION_SPAN_LIST:
		return "['user=handle_session(arg1)']";
	default:
		return row->arg;
	}
}

/* A text that YAML would take for something else stands in quotes; a list or mapping does not. */
static void add_value(struct strbuf *out, const char *text)
{
	if (*text == '[' || *text == '{') {
		strbuf_addstr(out, text);
		return;
	}
	if (strcspn(text, "*&!|>'\"%@`?:#,") && !strstr(text, ": ") && !strstr(text, " #"))
		strbuf_addstr(out, text);
	else
		strbuf_addf(out, "'%s'", text);
}

/* The end of "1s..1d" that is nearer to nothing, or the first of the choices. */
static void add_least(struct strbuf *out, const struct option_row *row)
{
	const char *dots = strstr(row->range, "..");
	size_t len = dots ? (size_t)(dots - row->range) : strcspn(row->range, "|");

	if (len)
		strbuf_add(out, row->range, len);
	else
		add_value(out, example_of(row));
}

static void add_option(struct strbuf *out, enum option_id id, const struct command_row *command)
{
	const struct option_row *row = &option_rows[id];
	const struct value_type type = {row->kind, row->range};
	const char *initial = option_initial(row, command);
	/* one that other commands see otherwise, or not at all, is better not given */
	bool given = *row->initial && initial == row->initial && option_applies(row, command) &&
		     strcmp(row->commands, "*") != 0;

	strbuf_addch(out, '\n');
	add_explanation(out, "  ", row->help, &type, initial);
	if (id == OPT_mode) {
		for (size_t i = 0; i < AGENT_MODE_COUNT; i++)
			strbuf_addf(out, "  # %-10s  %s\n", agent_mode_rows[i].name,
				    agent_mode_rows[i].help);
	} else if (id == OPT_level) {
		for (size_t i = 0; i < AGENT_LEVEL_COUNT; i++)
			strbuf_addf(out, "  # %-10s  %s\n", agent_level_rows[i].name,
				    agent_level_rows[i].help);
	}
	strbuf_addstr(out, given ? "  " : "  #");
	settings_add_key(out, row, false);
	strbuf_addstr(out, ": ");
	if (*initial)
		add_value(out, initial);
	else
		add_least(out, row);
	strbuf_addch(out, '\n');
}

static void add_options(struct strbuf *out, const struct command_row *command, bool applying)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (settings_is_key((enum option_id)i) &&
		    option_applies(&option_rows[i], command) == applying)
			add_option(out, (enum option_id)i, command);
	}
}

static void add_record(struct strbuf *out, enum record_id record, size_t depth);

static void add_field(struct strbuf *out, const struct field_row *field, size_t depth)
{
	const struct value_type type = {field->kind, field->range};
	_cleanup_(strbuf_done) struct strbuf prefix = STRBUF_INIT;

	strbuf_addstr(&prefix, "  #");
	strbuf_add_repeat(&prefix, ' ', depth);
	if (field->kind == OPTION_RECORD || field->kind == OPTION_RECORDS) {
		add_comment(out, prefix.buf, field->help);
		strbuf_addf(out, "%s%s:\n", prefix.buf, field->key);
		if (field->kind == OPTION_RECORDS)
			strbuf_addf(out, "%s  -\n", prefix.buf);
		add_record(out, record_of_field(field),
			   depth + (field->kind == OPTION_RECORDS ? 4 : 2));
	} else {
		add_explanation(out, prefix.buf, field->help, &type, field->initial);
		strbuf_addf(out, "%s%s: ", prefix.buf, field->key);
		add_value(out, field->example);
		strbuf_addch(out, '\n');
	}
	out->failed |= prefix.failed;
}

static void add_record(struct strbuf *out, enum record_id record, size_t depth)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (field_rows[i].record == record)
			add_field(out, &field_rows[i], depth);
	}
}

static void add_structured(struct strbuf *out)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (field_rows[i].record != RECORD_agent_config)
			continue;
		strbuf_addch(out, '\n');
		add_comment(out, "  ", field_rows[i].help);
		strbuf_addf(out, "  #%s:\n", field_rows[i].key);
		if (field_rows[i].kind == OPTION_RECORDS)
			strbuf_addstr(out, "  #  -\n");
		add_record(out, record_of_field(&field_rows[i]),
			   field_rows[i].kind == OPTION_RECORDS ? 4 : 2);
	}
}

/* Embedded by the Makefile; a NUL stands behind it. */
extern const char hf_asset_assistant_yaml_start[];

const char *config_example(void)
{
	return hf_asset_assistant_yaml_start;
}

int config_add_defaults(struct strbuf *out)
{
	const struct command_row *agent = &command_rows[COMMAND_agent];

	strbuf_addstr(out, head);
	add_options(out, agent, true);
	add_structured(out);
	strbuf_addstr(out, "\n  # Of other commands; better given on the command line.\n");
	add_options(out, agent, false);
	return out->failed ? -ENOMEM : 0;
}
