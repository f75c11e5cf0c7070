/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * value.h - one value: from text to the field where it is kept. Used inside config/.
 */
#ifndef HF_CONFIG_VALUE_H
#define HF_CONFIG_VALUE_H

#include "base/err.h"
#include "config/config.h"

/* What a value may be: of an option or of a record's field. */
struct value_type {
	enum option_kind kind;
	const char *range;
};

/* Where a value was written, for the error's first line. */
struct value_place {
	enum config_source source;
	const char
		*text; /* "--for", "HOLDFAST_FOR", "for" (of a file: its place is told elsewhere) */
};

/*
 * Checks `text` and stores it, if nothing of a higher source is stored already. Lists: appends to
 * what the same source gave, replaces what a lower one gave. An error names the place, what is
 * wrong, what is allowed: HF_E_USAGE from the command line, else HF_E_CONFIG; -ENOMEM.
 */
int value_set(struct config *config, enum option_id id, const char *text,
	      const struct value_place *place, struct hf_error *err);

/* The same for a field outside of struct config; a list's is appended to. */
int value_store(const struct value_type *type, const char *text, void *field,
		const struct value_place *place, struct hf_error *err);

/* "a duration: a number with ns, us, ms, s, m, h or d, such as 60s", for messages. */
const char *value_kind_description(enum option_kind kind);
/* The same with range or choices. */
void value_describe(const struct value_type *type, struct strbuf *out);

/* Kinds of which several values may be given. */
bool value_is_list(enum option_kind kind);

/* Frees the field's memory and leaves it not given. */
void value_clear(struct config *config, enum option_id id);
void value_clear_field(enum option_kind kind, void *field);
/* Copies what `from` holds, with its source and position: 0 or -ENOMEM. */
int value_copy(struct config *config, enum option_id id, const struct config *from);

#endif
