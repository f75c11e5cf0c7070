/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>

#include "config/config.h"

const struct option_row option_rows[OPTION_COUNT] = {
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
	},
#include "config/options.def"
#undef OPTION
#undef COMMAND
};

const struct command_row command_rows[COMMAND_COUNT] = {
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
#undef COMMAND
#undef OPTION
};
