/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - all settings of one run, from the command line, the environment and a YAML file.
 *
 * One field per row of options.def, typed by its kind (options.h): `uint64_t for_ns`,
 * `double budget_percent`, `bool exact`, `uint64_t interval_ns`, `char *prefix`, `char *json`,
 * `char *html`, …, `bool no_follow`, `struct string_vec alloc_specs`, `uint64_t frames`,
 * `uint64_t memory_bytes`, `uint64_t ring_bytes`, `char *fail_on`, `double fail_above_bytes_per_second`,
 * `char *log_level`, …
 * Command line before environment (HOLDFAST_FOR=…) before file before default; a list given in one
 * place replaces that of a lesser place. Whether a setting was given tells `source[OPT_…]`.
 *
 * Ownership: the config owns all its strings; command_argv borrows from main's argv.
 */
#ifndef HF_CONFIG_CONFIG_H
#define HF_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/vec.h"
#include "config/options.h"

#define CONFIG_ALL UINT64_MAX /* --frames all */

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_COMMAND_LINE };

VEC_STRUCT(pid_vec, int);

#define OPTION_KIND_TYPE(kind, type) typedef type config_type_##kind;
OPTION_KINDS(OPTION_KIND_TYPE)
#undef OPTION_KIND_TYPE

struct config {
#define DEFAULT(...)
#define COMMAND(...)
#define OPTION(field, name, short_name, kind, ...) config_type_##kind field;
#include "config/options.def"
#undef DEFAULT
#undef OPTION
#undef COMMAND
	enum config_source source[OPTION_COUNT];
	struct pid_vec pids;     /* of a command that takes PIDs; without repetitions */
	struct string_vec words; /* files or words of other commands */
	char **command_argv;     /* what follows `--`, NULL-terminated; NULL if there is none */
};

/* Sets the defaults: 0 or -ENOMEM. */
int config_init(struct config *config);
void config_done(struct config *config);

/*
 * `argv` begins after the command's name: `argc` arguments and a NULL. Reads the file that --config
 * or HOLDFAST_CONFIG names and the environment too, and checks everything. `config` has been
 * initialised and is to be done with after a failure as well.
 * HF_E_USAGE (64) for the command line; HF_E_CONFIG (78) for environment and file; HF_E_NOFILE;
 * -ENOMEM as HF_E_INTERNAL. With --help it returns 0 as soon as it sees it.
 */
int config_parse_cli(struct config *config, const struct command_row *command, int argc,
		     char **argv, struct hf_error *err);

/*
 * Settings from a YAML text: `memory_profiling:` with a mapping from keys to values. `name` is of
 * the file, for messages "name:line:column: …". Unknown or repeated keys and bad values are
 * HF_E_CONFIG. Does not lower what environment or command line have set.
 */
int config_apply_yaml(struct config *config, const char *name, const char *text, size_t size,
		      struct hf_error *err);

/* `holdfast COMMAND --help`: at most 24 lines of 80 columns. */
void config_print_help(const struct command_row *command, FILE *out);
/* `holdfast --help`: at most 40 lines. */
void config_print_overview(FILE *out);

#endif
