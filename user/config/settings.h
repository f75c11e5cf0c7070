/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settings.h - the lesser sources of settings. Used inside config/.
 */
#ifndef HF_CONFIG_SETTINGS_H
#define HF_CONFIG_SETTINGS_H

#include "base/err.h"
#include "config/config.h"

/* The defaults of one command, where they differ and nothing was given. HF_E_INTERNAL. */
int settings_apply_defaults(struct config *config, const struct command_row *command,
			    struct hf_error *err);
/* All HOLDFAST_… variables that are set and not empty. HF_E_CONFIG. */
int settings_apply_environment(struct config *config, struct hf_error *err);
/* A file into `config` as config_apply_yaml() does: HF_E_NOFILE, HF_E_PERM, HF_E_CONFIG (too large). */
int settings_read_file(const char *path, struct config *config, struct config_problems *problems,
		       struct hf_error *err);
/* The same of an open file, which is closed; @fd: or the -errno of opening it. */
int settings_read_fd(int fd, const char *path, struct config *config,
		     struct config_problems *problems, struct hf_error *err);
/* The first problem as an error that tells how many more there are; `path` NULL: there is no file. */
int settings_refuse(const char *path, const struct config_problems *problems, struct hf_error *err);
/* The file that config_path names, if it does. HF_E_NOFILE, HF_E_PERM, HF_E_CONFIG. */
int settings_apply_file(struct config *config, struct hf_error *err);

/* May it stand in a file? */
bool settings_is_key(enum option_id id);
/* Its key there: "no-follow" as "no_follow"; `upper`: "NO_FOLLOW", as in the environment. */
void settings_add_key(struct strbuf *out, const struct option_row *row, bool upper);

#endif
