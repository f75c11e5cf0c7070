/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the config to a session: what hunt, attach and record have in common. */
#ifndef HOLDFAST_CLI_SETUP_H
#define HOLDFAST_CLI_SETUP_H

#include <sys/types.h>

#include "base/err.h"
#include "config/config.h"
#include "session/rules.h"
#include "session/session.h"

/* Private allocators as the session takes them; strings are the config's. */
struct setup {
	struct allocator_spec specs[ALLOCATOR_SPECS_MAX * 2];
	size_t spec_count;
	struct alloc_spec *parsed; /* owns the strings */
	size_t parsed_count;
	struct rules rules;
	pid_t command; /* started for us; 0: none */
};

void setup_done(struct setup *setup);
/* Ends the command that was started, unless --keep. */
void setup_end_command(const struct config *config, struct setup *setup);

/*
 * A session attached to every PID of the config (or to the command, which starts to run). The setup must
 * outlive the session. @recorder: NULL or a handler for every event.
 */
int setup_session(struct config *config, const struct event_handler *recorder, struct setup *setup,
		  struct session **ret, struct hf_error *err);

#endif
