/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "config/config.h"

const struct option_row option_rows[OPTION_COUNT] = {
#define DEFAULT(...)
#define COMMAND(...)
#define OPTION(field_, name_, short_, kind_, arg_, initial_, range_, commands_, group_, help_) \
	[OPT_##field_] = {                                                                     \
		.name = (name_),                                                               \
		.short_name = (short_),                                                        \
		.kind = OPTION_##kind_,                                                        \
		.arg = (arg_),                                                                 \
		.initial = (initial_),                                                         \
		.range = (range_),                                                             \
		.commands = (commands_),                                                       \
		.group = OPTION_GROUP_##group_,                                                \
		.help = (help_),                                                               \
		.offset = offsetof(struct config, field_),                                     \
		.size = sizeof(((struct config *)0)->field_),                                  \
	},
#include "config/options.def"
#undef DEFAULT
#undef OPTION
#undef COMMAND
};

const struct command_row command_rows[COMMAND_COUNT] = {
#define DEFAULT(...)
#define OPTION(...)
#define COMMAND(name_, arguments_, positional_, least_, most_, runs_, built_, help_, example_) \
	[COMMAND_##name_] = {                                                                  \
		.name = #name_,                                                                \
		.arguments = (arguments_),                                                     \
		.positional = POSITIONAL_##positional_,                                        \
		.least = (least_),                                                             \
		.most = (most_),                                                               \
		.runs_command = (runs_),                                                       \
		.built = (built_),                                                             \
		.help = (help_),                                                               \
		.example = (example_),                                                         \
	},
#include "config/options.def"
#undef DEFAULT
#undef COMMAND
#undef OPTION
};

static const struct {
	enum command_id command;
	enum option_id option;
	const char *initial;
} defaults[] = {
#define COMMAND(...)
#define OPTION(...)
#define DEFAULT(command_, field_, initial_) {COMMAND_##command_, OPT_##field_, (initial_)},
#include "config/options.def"
#undef DEFAULT
#undef OPTION
#undef COMMAND
};

const char *option_initial(const struct option_row *option, const struct command_row *command)
{
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		if (&option_rows[defaults[i].option] == option &&
		    &command_rows[defaults[i].command] == command)
			return defaults[i].initial;
	}
	return option->initial;
}
