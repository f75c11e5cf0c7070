/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/record_read.h"
#include "config/settings.h"
#include "config/value.h"
#include "config/yaml.h"

#define TOP_KEY "memory_profiling"

/* "for: 'soon' is not understood", at the node. */
static int set_text(struct config *config, enum option_id id, const struct yaml_node *setting,
		    const struct yaml_node *node, struct config_problems *problems)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const struct value_place place = {CONFIG_FILE, setting->key};
	int err;

	if (node->kind == YAML_NODE_BAD)
		return 0;
	if (node->kind != YAML_NODE_TEXT)
		return config_problems_add_at(problems, &node->place,
					      "a plain value is wanted here", "");
	config->position[id].line = node->place.line;
	config->position[id].column = node->place.column;
	err = value_set(config, id, node->text, &place, &error);
	if (!err || err == -ENOMEM)
		return err;
	if (error.what.failed || error.why.failed)
		return -ENOMEM;
	return config_problems_add_at(problems, &node->place, error.what.buf, error.why.buf);
}

static int no_list(enum option_id id, const struct yaml_node *node,
		   struct config_problems *problems)
{
	const struct value_type type = {option_rows[id].kind, option_rows[id].range};
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT, why = STRBUF_INIT;

	strbuf_addf(&what, "%s takes one value, not a list", node->key);
	strbuf_addstr(&why, "it takes ");
	value_describe(&type, &why);
	if (what.failed || why.failed)
		return -ENOMEM;
	return config_problems_add_at(problems, &node->place, what.buf, why.buf);
}

static int read_option(struct config *config, enum option_id id, const struct yaml_node *node,
		       struct config_problems *problems)
{
	int err = 0;

	if (node->kind != YAML_NODE_LIST)
		return set_text(config, id, node, node, problems);
	if (!value_is_list(option_rows[id].kind))
		return no_list(id, node, problems);
	if (!node->first && option_rows[id].kind == OPTION_SET)
		return config_problems_add_at(problems, &node->place, "this list is empty",
					      "leave the setting out to have its default");
	for (const struct yaml_node *item = node->first; !err && item; item = item->next)
		err = set_text(config, id, node, item, problems);
	return err;
}

static bool key_matches(const struct option_row *row, const char *key)
{
	const char *name = row->name;

	while (*name && *key == (*name == '-' ? '_' : *name)) {
		name++;
		key++;
	}
	return !*name && !*key;
}

static int unknown_setting(const struct yaml_node *node, struct config_problems *problems)
{
	struct strbuf keys[OPTION_COUNT];
	const char *names[OPTION_COUNT + FIELD_COUNT];
	size_t made = 0, count = 0;
	bool failed = false;
	int err;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (!settings_is_key((enum option_id)i))
			continue;
		strbuf_init(&keys[made]);
		settings_add_key(&keys[made], &option_rows[i], false);
		failed |= keys[made].failed;
		names[count++] = keys[made++].buf;
	}
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (field_rows[i].record == RECORD_agent_config)
			names[count++] = field_rows[i].key;
	}
	err = failed ? -ENOMEM : record_unknown_key(node, names, count, problems);
	for (size_t i = 0; i < made; i++)
		strbuf_done(&keys[i]);
	return err;
}

static int read_setting(struct config *config, const struct yaml_node *node,
			struct config_problems *problems)
{
	const struct field_row *field = record_find_field(RECORD_agent_config, node->key);

	if (field)
		return record_read_field(field, node, &config->agent, problems);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (settings_is_key((enum option_id)i) && key_matches(&option_rows[i], node->key))
			return read_option(config, (enum option_id)i, node, problems);
	}
	return unknown_setting(node, problems);
}

static int read_settings(struct config *config, const struct yaml_node *map,
			 struct config_problems *problems)
{
	int err = 0;

	/* `memory_profiling:` with nothing below it */
	if (map->kind == YAML_NODE_BAD || (map->kind == YAML_NODE_TEXT && !*map->text))
		return 0;
	if (map->kind != YAML_NODE_MAP)
		return config_problems_add_at(problems, &map->place,
					      "settings are wanted here, as `name: value`", "");
	for (const struct yaml_node *node = map->first; !err && node; node = node->next)
		err = read_setting(config, node, problems);
	return err;
}

static int wrong_top(const struct config_place *place, struct config_problems *problems)
{
	return config_problems_add_at(problems, place, "the settings must stand below one key",
				      "begin the file with `" TOP_KEY
				      ":` and indent the settings below it");
}

static int read_top(struct config *config, const struct yaml_node *root,
		    struct config_problems *problems)
{
	int err = 0;

	if (root->kind == YAML_NODE_BAD)
		return 0;
	if (root->kind != YAML_NODE_MAP)
		return wrong_top(&root->place, problems);
	if (!root->first && root->whole)
		return wrong_top(&root->place, problems);
	for (const struct yaml_node *node = root->first; !err && node; node = node->next)
		err = strcmp(node->key, TOP_KEY) != 0 ? wrong_top(&node->key_place, problems)
						      : read_settings(config, node, problems);
	return err;
}

int config_apply_yaml(struct config *config, const struct config_text *text,
		      struct config_problems *problems)
{
	_cleanup_(yaml_tree_done) struct yaml_tree tree;
	int err = yaml_tree_read(text, &tree, problems);

	if (!err && tree.root)
		err = read_top(config, tree.root, problems);
	config_problems_sort(problems);
	return err;
}
