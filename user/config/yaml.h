/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml.h - a YAML text as a small tree whose nodes know their places. Used inside config/.
 *
 * Read with libyaml. No aliases, no second document, no key that is not a plain text or that stands
 * twice in a mapping, no NUL characters; bounded in depth and number of nodes. (The text's size is
 * the caller's to bound.) Each is a problem with its place, and the rest is read on as far as that
 * makes sense: what comes before an error of syntax is in the tree.
 *
 * Ownership: the tree owns its nodes and their texts.
 */
#ifndef HF_CONFIG_YAML_H
#define HF_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "config/config.h"
#include "config/problems.h"

enum yaml_node_kind {
	YAML_NODE_BAD, /* a problem has been told of it: to be passed over */
	YAML_NODE_TEXT,
	YAML_NODE_LIST,
	YAML_NODE_MAP
};

struct yaml_node {
	enum yaml_node_kind kind;
	bool whole; /* false: reading ended within it */
	struct config_place place;
	const char *key; /* of a mapping's member, else NULL */
	struct config_place key_place;
	const char *text;        /* of a text */
	struct yaml_node *first; /* elements or members … */
	struct yaml_node *last;
	struct yaml_node *next; /* … in the file's order */
};

struct yaml_tree {
	struct arena arena;
	struct yaml_node *root; /* NULL: an empty file */
};

/* `text->name` is borrowed by the places. 0 or -ENOMEM; *ret is to be given to yaml_tree_done(). */
int yaml_tree_read(const struct config_text *text, struct yaml_tree *ret,
		   struct config_problems *problems);
void yaml_tree_done(struct yaml_tree *tree);

/* The member of a mapping with this key; NULL if there is none. */
const struct yaml_node *yaml_find(const struct yaml_node *map, const char *key);

#endif
