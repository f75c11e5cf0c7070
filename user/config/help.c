/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "config/config.h"

#define HELP_COLUMN 27
#define MORE_COLUMN 6
#define LAST_COLUMN 79

/* "--output PREFIX" */
static void add_long_name(struct strbuf *out, const struct option_row *row)
{
	strbuf_addf(out, "--%s", row->name);
	if (*row->arg)
		strbuf_addf(out, " %s", row->arg);
}

/* The shown default: what is never given, or on, need not be said. */
static void add_default(struct strbuf *out, const char *initial)
{
	if (*initial)
		strbuf_addf(out, " (%s)", initial);
}

static void add_main_options(struct strbuf *out, const struct command_row *command)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		size_t start = out->len;

		if (row->group != OPTION_GROUP_MAIN || !option_applies(row, command))
			continue;
		if (row->short_name)
			strbuf_addf(out, "  -%c, ", row->short_name);
		else
			strbuf_addstr(out, "      ");
		add_long_name(out, row);
		if (out->len - start < HELP_COLUMN)
			strbuf_add_repeat(out, ' ', HELP_COLUMN - (out->len - start));
		strbuf_addstr(out, row->help);
		add_default(out, option_initial(row, command));
		strbuf_addch(out, '\n');
	}
}

/* The rest in a paragraph: the man page tells about them. */
static void add_more_options(struct strbuf *out, const struct command_row *command)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	size_t column = MORE_COLUMN;

	strbuf_addstr(out, "\nmore, explained in `man holdfast`:\n      ");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->group != OPTION_GROUP_MORE || !option_applies(row, command))
			continue;
		strbuf_reset(&name);
		add_long_name(&name, row);
		if (column > MORE_COLUMN) {
			strbuf_addch(out, ',');
			column++;
		}
		if (column + 1 + name.len > LAST_COLUMN - 1) {
			strbuf_addch(out, '\n');
			strbuf_add_repeat(out, ' ', MORE_COLUMN);
			column = MORE_COLUMN;
		} else if (column > MORE_COLUMN) {
			strbuf_addch(out, ' ');
			column++;
		}
		strbuf_add(out, name.buf, name.len);
		column += name.len;
	}
	strbuf_addch(out, '\n');
}

/* What `ctl` can be told, as a paragraph. */
static void add_words(struct strbuf *out)
{
	static const char *const words[] = {
#define WORD(name, ...) #name,
#include "config/words.def"
#undef WORD
	};
	size_t column = MORE_COLUMN;

	strbuf_addstr(out, "words:");
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t len = strlen(words[i]);

		if (column + 1 + len > LAST_COLUMN) {
			strbuf_addch(out, '\n');
			strbuf_add_repeat(out, ' ', MORE_COLUMN);
			column = MORE_COLUMN;
		}
		strbuf_addf(out, " %s", words[i]);
		column += 1 + len;
	}
	strbuf_addstr(out, "\n\n");
}

void config_print_help(const struct command_row *command, FILE *out)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "usage: holdfast %s [OPTIONS]%s%s\n\n", command->name,
		    *command->arguments ? " " : "", command->arguments);
	strbuf_addf(&text, "%s%s\n\n", command->help, command->built ? "" : " (not built yet)");
	if (command->positional == POSITIONAL_WORDS)
		add_words(&text);
	add_main_options(&text, command);
	add_more_options(&text, command);
	strbuf_addf(&text, "\nexample  holdfast %s\n", command->example);
	fwrite(text.buf, 1, text.len, out);
}

void config_print_overview(FILE *out)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	strbuf_addstr(&text, "holdfast " HF_VERSION
			     ": what a running process holds on to, and what it has lost\n\n"
			     "usage: holdfast COMMAND [OPTIONS] [ARGUMENTS]\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		const struct command_row *row = &command_rows[i];

		strbuf_addf(&text, "  %-8s %s%s\n", row->name, row->help,
			    row->built ? "" : " (not built yet)");
	}
	strbuf_addstr(
		&text,
		"\n  --help     this text, or the command's: holdfast hunt --help\n"
		"  --version  the version\n\n"
		"Start with:  sudo holdfast hunt PID\n"
		"Exit codes:  0 fine, 1 leaking or past a gate, 2 not firm, 64 and above an error\n"
		"             with a code, a reason and a remedy on stderr; man holdfast has all\n");
	fwrite(text.buf, 1, text.len, out);
}
