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
/* The file that config_path names, if it does. HF_E_NOFILE, HF_E_PERM, HF_E_CONFIG. */
int settings_apply_file(struct config *config, struct hf_error *err);

#endif
