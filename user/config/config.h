/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - all settings of one run, from the command line, the environment and a YAML file.
 *
 * One field per row of options.def, typed by its kind (options.h): `uint64_t for_ns`,
 * `double budget_percent`, `bool exact`, `uint64_t interval_ns`, `char *prefix`, `char *json`,
 * `char *html`, …, `bool no_follow`, `struct string_vec alloc_specs`, `uint64_t frames`,
 * `uint64_t memory_bytes`, `uint64_t ring_bytes`, `char *fail_on`, `double fail_above_bytes_per_second`,
 * `char *log_level`, …
 * Those of the agent are: `int mode` (enum agent_mode), `int level` (enum agent_level),
 * `uint64_t sampling_interval_ns`, `uint64_t memory_warning_bytes` and `memory_critical_bytes` and
 * `double memory_growth_bytes_per_second` (0: none), `bool enable_leak_detection`,
 * `enable_component_tracking`, `enable_gc_monitoring`, `enable_recommendations`,
 * `uint64_t leak_detection_interval_ns`, `uint64_t enabled_backends` (bit set of enum agent_backend),
 * `char *listen`, `char *store`, `char *token_file` (NULL: none), `double budget_percent`,
 * `bool show_content`, `bool check`, `bool print_defaults`, `bool print_example`.
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
#include "config/agent_config.h"
#include "config/options.h"
#include "config/problems.h"

#define CONFIG_ALL UINT64_MAX /* --frames all */

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_COMMAND_LINE };

VEC_STRUCT(pid_vec, int);

struct config_position {
	size_t line, column;
};

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
	struct pid_vec pids;       /* of a command that takes PIDs; without repetitions */
	struct string_vec words;   /* files or words of other commands */
	char **command_argv;       /* what follows `--`, NULL-terminated; NULL if there is none */
	struct agent_config agent; /* the structured part of the file */
	/* where in the file a setting of source CONFIG_FILE stands, counted from 1 */
	struct config_position position[OPTION_COUNT];
};

struct config_text {
	const char *name; /* of the file */
	const char *text;
	size_t size;
};

/* Sets the defaults: 0 or -ENOMEM. */
int config_init(struct config *config);
void config_done(struct config *config);

/*
 * `argv` begins after the command's name: `argc` arguments and a NULL. Reads the file that --config
 * or HOLDFAST_CONFIG names and the environment too, and checks everything. (The agent reads its
 * file itself, by config_load_agent(), because it wants to tell all that is wrong in it.) `config` has been
 * initialised and is to be done with after a failure as well.
 * HF_E_USAGE (64) for the command line; HF_E_CONFIG (78) for environment and file; HF_E_NOFILE;
 * -ENOMEM as HF_E_INTERNAL. With --help it returns 0 as soon as it sees it.
 */
int config_parse_cli(struct config *config, const struct command_row *command, int argc,
		     char **argv, struct hf_error *err);

/*
 * Settings from a YAML text: `memory_profiling:` with a mapping from keys to values. `name` is of
 * the file, for messages "name:line:column: …". All that is wrong is added to `problems`, each once
 * and with its place; what is right is stored all the same. 0 or -ENOMEM.
 * Does not lower what environment or command line have set.
 */
int config_apply_yaml(struct config *config, const struct config_text *text,
		      struct config_problems *problems);

/*
 * The agent's configuration, as a whole and fresh: defaults, the file `path` (NULL: none), and above
 * them what environment and command line have set in `base` (NULL: nothing). Then what one setting
 * demands of another is checked, and token_file is read. `base` is only read: an agent keeps it if
 * the new one is wrong.
 * 0; HF_E_CONFIG (-EINVAL) with everything that is wrong in `problems`, and the first of it in *err;
 * HF_E_NOFILE, HF_E_PERM; -ENOMEM as HF_E_INTERNAL. *ret is untouched on failure; else the caller
 * gives it to config_done().
 */
int config_load_agent(const char *path, const struct config *base, struct config *ret,
		      struct config_problems *problems, struct hf_error *err);

/* The files that the agent's configuration is read from. */
enum config_file { CONFIG_FILE_SETTINGS, CONFIG_FILE_TOKEN };

/* How whoever may not open them gets them: a descriptor that is closed after reading, or -errno. */
struct config_opener {
	int (*open)(void *user, enum config_file which, const char *path);
	void *user;
};

/* As config_load_agent(), of the file that @base names, by @opener. */
int config_load_agent_by(const struct config_opener *opener, const struct config *base,
			 struct config *ret, struct config_problems *problems,
			 struct hf_error *err);

/* A complete file with comments, made from the tables; it passes config_load_agent(). 0 or -ENOMEM. */
int config_add_defaults(struct strbuf *out);

/* The documented example, assistant.yaml, as it is installed; it passes config_load_agent(). */
const char *config_example(void);

/* What holds for a target that `rule` found (NULL: that none did). */
struct target_settings {
	enum agent_mode mode;
	enum agent_level level;
	double budget_percent;  /* the mode's, or less if --budget was given */
	uint64_t max_stop_ns;   /* 0: never stop it */
	uint64_t warning_bytes; /* 0: none; so the next two */
	uint64_t critical_bytes;
	double growth_bytes_per_second;
};

void config_target_settings(const struct config *config, const struct target_rule *rule,
			    struct target_settings *ret);
/* Those of the level, but for what `retention:` says. */
void config_retention(const struct config *config, struct retention *ret);
bool config_has_backend(const struct config *config, enum agent_backend backend);
/* Memory of processes is read from /proc: `system` or `psutil`. */
bool config_has_gauges(const struct config *config);
/* Collections of Python are counted: `gc`, and enable_gc_monitoring. */
bool config_counts_collections(const struct config *config);

/* `holdfast COMMAND --help`: at most 24 lines of 80 columns. */
void config_print_help(const struct command_row *command, FILE *out);
/* `holdfast --help`: at most 40 lines. */
void config_print_overview(FILE *out);

#endif
