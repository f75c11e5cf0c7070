/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml.h - reads `top_key: {key: value, key: [value, value]}` with libyaml, streaming.
 *
 * No aliases, nesting or second document; each is an error with line and column, HF_E_CONFIG.
 * Repeated keys are the caller's to refuse. libyaml's own limits bound the depth; the text's size is the caller's limit.
 */
#ifndef HF_CONFIG_YAML_H
#define HF_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* One value of a key; a sequence gives one call per element. Strings are valid during the call. */
struct yaml_entry {
	const char *key;
	const char *value; /* NULL: an empty sequence */
	bool in_sequence;
	size_t index;          /* of the element; 0 for a scalar */
	const char *place;     /* "file.yaml:3:7", of the value */
	const char *key_place; /* the same, of the key */
};

/* 0 to go on, or a negative errno with *err set. */
typedef int (*yaml_entry_fn)(void *user, const struct yaml_entry *entry, struct hf_error *err);

struct yaml_source {
	const char *name; /* of the file, for messages */
	const char *text;
	size_t size;
	const char *top_key;
};

int yaml_read(const struct yaml_source *source, yaml_entry_fn fn, void *user, struct hf_error *err);

#endif
