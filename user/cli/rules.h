/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the command line about what a program's parts are, as the session takes them. */
#ifndef HOLDFAST_CLI_RULES_H
#define HOLDFAST_CLI_RULES_H

#include "base/err.h"
#include "config/component_spec.h"
#include "config/config.h"
#include "config/span_spec.h"
#include "report/component.h"
#include "session/span.h"

struct rules {
	struct component_rules components;
	struct span_rules spans;
	/* Own the strings: */
	struct component_spec *component_specs;
	struct span_spec *span_specs;
};

/* HF_E_USAGE: too many; HF_E_INTERNAL. */
int rules_make(const struct config *config, struct rules *ret, struct hf_error *err);
void rules_done(struct rules *rules);

#endif
