/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/options.h"

#include <string.h>

bool word_in_list(const char *list, char separator, const char *word, size_t len)
{
	while (*list) {
		const char *end = strchrnul(list, separator);

		if ((size_t)(end - list) == len && !memcmp(list, word, len))
			return true;
		list = *end ? end + 1 : end;
	}
	return false;
}

bool option_applies(const struct option_row *option, const struct command_row *command)
{
	return !strcmp(option->commands, "*") ||
	       word_in_list(option->commands, ' ', command->name, strlen(command->name));
}

const struct option_row *option_find(const char *name, size_t len)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strlen(option_rows[i].name) == len && !memcmp(option_rows[i].name, name, len))
			return &option_rows[i];
	}
	return NULL;
}

const struct option_row *option_find_short(char letter)
{
	for (size_t i = 0; letter && i < OPTION_COUNT; i++) {
		if (option_rows[i].short_name == letter)
			return &option_rows[i];
	}
	return NULL;
}

static void set_unknown_command(const char *name, struct hf_error *err)
{
	const char *names[COMMAND_COUNT];
	const char *near;

	for (size_t i = 0; i < COMMAND_COUNT; i++)
		names[i] = command_rows[i].name;
	near = nearest_name(name, names, COMMAND_COUNT);
	error_set(err, HF_E_USAGE, "there is no command '%s'", name);
	if (near)
		error_fix(err, "did you mean `holdfast %s`? `holdfast --help` lists all", near);
	else
		error_fix(err, "`holdfast --help` lists the commands");
}

const struct command_row *command_find(const char *name, struct hf_error *err)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (!strcmp(command_rows[i].name, name))
			return &command_rows[i];
	}
	set_unknown_command(name, err);
	return NULL;
}

int command_check_built(const struct command_row *command, struct hf_error *err)
{
	if (command->built)
		return 0;
	error_set(err, HF_E_UNSUPPORTED, "the command '%s' is not built yet", command->name);
	error_why(err, "this version of holdfast does not contain it");
	return error_fix(err, "`holdfast --help` tells which commands there are");
}
