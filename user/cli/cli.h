/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands: one function and one file each; main.c holds their table. */
#ifndef HOLDFAST_CLI_H
#define HOLDFAST_CLI_H

#include "base/err.h"
#include "config/config.h"

/* Exit codes that are not errors (those come from base/err.h). */
enum {
	EXIT_DONE = 0,
	EXIT_FOUND = 1,  /* leaking, a gate exceeded, something missing */
	EXIT_UNSURE = 2, /* hunt: nothing firm */
};

/* The program's exit code, or -errno with @err set. */
typedef int (*command_fn)(struct config *config, struct hf_error *err);

int command_hunt(struct config *config, struct hf_error *err);
int command_attach(struct config *config, struct hf_error *err);
int command_record(struct config *config, struct hf_error *err);
int command_scan(struct config *config, struct hf_error *error);
int command_report(struct config *config, struct hf_error *err);
int command_diff(struct config *config, struct hf_error *err);
int command_ps(struct config *config, struct hf_error *err);
int command_gc(struct config *config, struct hf_error *error);
int command_fleet(struct config *config, struct hf_error *error);
int command_doctor(struct config *config, struct hf_error *err);
int command_agent(struct config *config, struct hf_error *error);
int command_ctl(struct config *config, struct hf_error *error);

#endif
