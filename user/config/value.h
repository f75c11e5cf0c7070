/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * value.h - one setting's value: from text to its field in struct config. Used inside config/.
 */
#ifndef HF_CONFIG_VALUE_H
#define HF_CONFIG_VALUE_H

#include "base/err.h"
#include "config/config.h"

/* Where a value was written, for the error's first line. */
struct value_place {
	enum config_source source;
	const char *text; /* "--for", "HOLDFAST_FOR", "file.yaml:3:7: for" */
};

/*
 * Checks `text` and stores it, if nothing of a higher source is stored already. Lists: appends to
 * what the same source gave, replaces what a lower one gave. An error names the place, what is
 * wrong, what is allowed: HF_E_USAGE from the command line, else HF_E_CONFIG.
 */
int value_set(struct config *config, enum option_id id, const char *text,
	      const struct value_place *place, struct hf_error *err);

/* "a duration: a number with ns, us, ms, s, m, h or d, such as 60s", for messages. */
const char *value_kind_description(enum option_kind kind);

/* Frees the field's memory and leaves it not given. */
void value_clear(struct config *config, enum option_id id);

#endif
