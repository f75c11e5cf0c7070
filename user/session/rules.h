/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the user says a program's parts are, as a session takes it: rules of the command line first (the first that fits
 * counts), then those of the configuration's file.
 */
#ifndef HOLDFAST_SESSION_RULES_H
#define HOLDFAST_SESSION_RULES_H

#include "base/err.h"
#include "config/config.h"
#include "report/component.h"
#include "session/span.h"

/* The caller's; borrows from the configuration. */
struct rules {
	struct component_rules components;
	struct span_rules spans;
	/* Own the strings of those of the command line: */
	struct component_spec_vec component_specs;
	struct span_spec_vec span_specs;
};

/* HF_E_USAGE: too many; HF_E_INTERNAL. */
int rules_make(const struct config *config, struct rules *ret, struct hf_error *err);
void rules_done(struct rules *rules);

#endif
