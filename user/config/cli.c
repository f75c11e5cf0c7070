/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "config/settings.h"
#include "config/value.h"

/* The arguments being read; `at` is the next one. */
struct arguments {
	const struct command_row *command;
	int argc;
	char **argv;
	int at;
};

static int out_of_memory(struct hf_error *err)
{
	return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
}

static enum option_id id_of(const struct option_row *row)
{
	return (enum option_id)(row - option_rows);
}

/* Turns an error of the command line into one with a last line for this command. */
static int point_to_help(const struct command_row *command, struct hf_error *err)
{
	if (error_is_set(err) && err->code == HF_E_USAGE && !err->fix.len)
		error_fix(err, "`holdfast %s --help` shows the options", command->name);
	return err ? err->err : -EINVAL;
}

static int unknown_option(const struct arguments *a, const char *written, size_t len,
			  struct hf_error *err)
{
	const char *names[OPTION_COUNT], *near;
	_cleanup_free_ char *name = strndup(written, len);
	size_t count = 0;

	if (!name)
		return out_of_memory(err);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (option_applies(&option_rows[i], a->command))
			names[count++] = option_rows[i].name;
	}
	near = nearest_name(name, names, count);
	error_set(err, HF_E_USAGE, "%s has no option --%s", a->command->name, name);
	if (near)
		return error_fix(err, "did you mean --%s? `holdfast %s --help` shows all", near,
				 a->command->name);
	return point_to_help(a->command, err);
}

static int wrong_command(const struct arguments *a, const struct option_row *row,
			 struct hf_error *err)
{
	error_set(err, HF_E_USAGE, "%s has no option --%s", a->command->name, row->name);
	error_why(err, "it belongs to: %s", row->commands);
	return point_to_help(a->command, err);
}

/* Would this argument be taken for an option of the program, rather than for a value? */
static bool looks_like_option(const char *text)
{
	if (text[0] != '-' || text[1] != '-')
		return false;
	return !text[2] || option_find(text + 2, (size_t)(strchrnul(text + 2, '=') - text - 2));
}

static bool takes_nothing(const struct option_row *row)
{
	return row->kind == OPTION_FLAG || row->kind == OPTION_ACTION;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* The value of an option that stands alone: the next argument, if it can be one. */
static int take_value(struct arguments *a, const struct option_row *row, const char **ret,
		      struct hf_error *err)
{
	const char *next = a->at < a->argc ? a->argv[a->at] : NULL;

	if (row->kind == OPTION_OPT_OUTPUT &&
	    (!next || (next[0] == '-' && next[1]) ||
	     (is_number(next) && a->command->positional == POSITIONAL_PIDS))) {
		*ret = "-";
		return 0;
	}
	if (!next || looks_like_option(next)) {
		error_set(err, HF_E_USAGE, "--%s lacks its value: %s", row->name, row->arg);
		error_why(err, "it takes %s", value_kind_description(row->kind));
		return point_to_help(a->command, err);
	}
	a->at++;
	*ret = next;
	return 0;
}

static int set_option(struct config *config, const struct arguments *a,
		      const struct option_row *row, const char *value, struct hf_error *err)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	struct value_place place = {CONFIG_COMMAND_LINE, NULL};
	int result;

	strbuf_addf(&name, "--%s", row->name);
	if (name.failed)
		return out_of_memory(err);
	place.text = name.buf;
	result = value_set(config, id_of(row), value, &place, err);
	if (result && err)
		point_to_help(a->command, err);
	return result;
}

/* `--name`, `--name=value`, `--name value`; text is behind the dashes. */
static int parse_long(struct config *config, struct arguments *a, const char *text,
		      struct hf_error *err)
{
	const char *end = strchrnul(text, '='), *value = *end ? end + 1 : NULL;
	const struct option_row *row = option_find(text, (size_t)(end - text));
	int result = 0;

	if (!row)
		return unknown_option(a, text, (size_t)(end - text), err);
	if (!option_applies(row, a->command))
		return wrong_command(a, row, err);
	if (takes_nothing(row) && value) {
		error_set(err, HF_E_USAGE, "--%s takes no value", row->name);
		return point_to_help(a->command, err);
	}
	if (takes_nothing(row))
		value = "true";
	else if (!value)
		result = take_value(a, row, &value, err);
	return result ? result : set_option(config, a, row, value, err);
}

/* `-q`, `-oVALUE`, `-o VALUE`, `-qo VALUE`; letters are behind the dash. */
static int parse_short(struct config *config, struct arguments *a, const char *letters,
		       struct hf_error *err)
{
	for (; *letters; letters++) {
		const struct option_row *row = option_find_short(*letters);
		const char *value = "true";
		int result = 0;

		if (!row || !option_applies(row, a->command)) {
			error_set(err, HF_E_USAGE, "%s has no option -%c", a->command->name,
				  *letters);
			return point_to_help(a->command, err);
		}
		if (!takes_nothing(row) && letters[1])
			value = letters + 1;
		else if (!takes_nothing(row))
			result = take_value(a, row, &value, err);
		if (!result)
			result = set_option(config, a, row, value, err);
		if (result || !takes_nothing(row) || config->help)
			return result;
	}
	return 0;
}

static int add_pid(struct config *config, const struct command_row *command, const char *text,
		   struct hf_error *err)
{
	uint64_t pid;

	if (units_parse_u64(text, &pid) || pid == 0 || pid > INT_MAX) {
		error_set(err, HF_E_USAGE, "'%s' is not a PID", text);
		error_why(err, "a PID is a positive number");
		return error_fix(err, "`holdfast ps` lists processes; `holdfast %s --help` helps",
				 command->name);
	}
	for (size_t i = 0; i < config->pids.count; i++) {
		if (config->pids.items[i] == (int)pid)
			return 0;
	}
	return vec_push(&config->pids, (int)pid) ? out_of_memory(err) : 0;
}

static int add_positional(struct config *config, const struct command_row *command,
			  const char *text, struct hf_error *err)
{
	char *copy;

	if (command->positional == POSITIONAL_PIDS)
		return add_pid(config, command, text, err);
	if (command->positional == POSITIONAL_NONE ||
	    (command->most && config->words.count >= command->most)) {
		error_set(err, HF_E_USAGE, "'%s' is one argument too many", text);
		return error_fix(err, "usage: holdfast %s [OPTIONS] %s", command->name,
				 command->arguments);
	}
	if (!*text) {
		error_set(err, HF_E_USAGE, "an argument is empty");
		return point_to_help(command, err);
	}
	copy = strdup(text);
	if (copy && !vec_push(&config->words, copy))
		return 0;
	free(copy);
	return out_of_memory(err);
}

/* Behind `--`. */
static int take_rest(struct config *config, struct arguments *a, struct hf_error *err)
{
	if (a->command->runs_command) {
		if (a->at == a->argc) {
			error_set(err, HF_E_USAGE, "there is no command behind --");
			return point_to_help(a->command, err);
		}
		config->command_argv = a->argv + a->at;
		return 0;
	}
	for (; a->at < a->argc; a->at++) {
		int result = add_positional(config, a->command, a->argv[a->at], err);

		if (result)
			return result;
	}
	return 0;
}

static int parse_arguments(struct config *config, struct arguments *a, struct hf_error *err)
{
	while (a->at < a->argc && !config->help) {
		const char *text = a->argv[a->at++];
		int result;

		if (!strcmp(text, "--"))
			return take_rest(config, a, err);
		if (text[0] == '-' && text[1] == '-')
			result = parse_long(config, a, text + 2, err);
		else if (text[0] == '-' && text[1])
			result = parse_short(config, a, text + 1, err);
		else
			result = add_positional(config, a->command, text, err);
		if (result)
			return result;
	}
	return 0;
}

static int check_positionals(const struct config *config, const struct command_row *command,
			     struct hf_error *err)
{
	size_t given = config->pids.count + config->words.count;

	if (config->command_argv && given)
		error_set(err, HF_E_USAGE, "%s takes either PIDs or a command behind --, not both",
			  command->name);
	else if (!config->command_argv && given < command->least)
		error_set(err, HF_E_USAGE, "%s lacks its arguments: %s", command->name,
			  command->arguments);
	else
		return 0;
	if (command->positional == POSITIONAL_PIDS)
		error_why(err,
			  "it has to be told which process to look at; `holdfast ps` lists them");
	error_fix(err, "usage: holdfast %s [OPTIONS] %s", command->name, command->arguments);
	return -EINVAL;
}

static const char *output_of(const struct config *config, size_t id)
{
	const enum option_kind kind = option_rows[id].kind;

	if (kind != OPTION_OUTPUT && kind != OPTION_OPT_OUTPUT)
		return NULL;
	return *(char *const *)((const char *)config + option_rows[id].offset);
}

/* Two results in one file would spoil both. */
static int check_outputs(const struct config *config, struct hf_error *err)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const char *first = output_of(config, i);

		for (size_t j = i + 1; first && j < OPTION_COUNT; j++) {
			const char *second = output_of(config, j);

			if (!second || strcmp(first, second) != 0 || !strcmp(first, "/dev/null"))
				continue;
			error_set(err, HF_E_USAGE, "--%s and --%s both write to %s",
				  option_rows[i].name, option_rows[j].name,
				  strcmp(first, "-") != 0 ? first : "stdout");
			return error_fix(err, "give them different files");
		}
	}
	return 0;
}

int config_parse_cli(struct config *config, const struct command_row *command, int argc,
		     char **argv, struct hf_error *err)
{
	struct arguments arguments = {.command = command, .argc = argc, .argv = argv};
	int result = parse_arguments(config, &arguments, err);

	if (result || config->help)
		return result;
	result = check_positionals(config, command, err);
	if (!result)
		result = settings_apply_defaults(config, command, err);
	if (!result)
		result = settings_apply_environment(config, err);
	if (!result && command != &command_rows[COMMAND_agent])
		result = settings_apply_file(config, err);
	return result ? result : check_outputs(config, err);
}
