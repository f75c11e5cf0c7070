/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "config/value.h"
#include "config/yaml.h"

#define TOP_KEY        "memory_profiling"
#define MAX_FILE_BYTES ((size_t)1 << 20)

static int out_of_memory(struct hf_error *err)
{
	return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
}

int config_init(struct config *config)
{
	const struct value_place place = {CONFIG_DEFAULT, "default"};

	*config = (struct config){.command_argv = NULL};
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		int err = 0;

		if (*option_rows[i].initial)
			err = value_set(config, (enum option_id)i, option_rows[i].initial, &place,
					NULL);
		if (err)
			return err;
	}
	return 0;
}

int settings_apply_defaults(struct config *config, const struct command_row *command,
			    struct hf_error *err)
{
	const struct value_place place = {CONFIG_DEFAULT, "default"};
	int result = 0;

	for (size_t i = 0; !result && i < OPTION_COUNT; i++) {
		const char *initial = option_initial(&option_rows[i], command);

		if (initial != option_rows[i].initial)
			result = value_set(config, (enum option_id)i, initial, &place, err);
	}
	return result;
}

void config_done(struct config *config)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		value_clear(config, (enum option_id)i);
	for (size_t i = 0; i < config->words.count; i++)
		free(config->words.items[i]);
	vec_done(&config->words);
	vec_done(&config->pids);
	*config = (struct config){.command_argv = NULL};
}

/* "no-follow" as "no_follow" or "NO_FOLLOW". */
static void add_key(struct strbuf *out, const struct option_row *row, bool upper)
{
	for (const char *c = row->name; *c; c++)
		strbuf_addch(out, *c == '-' ? '_' : (char)(upper ? toupper(*c) : *c));
}

int settings_apply_environment(struct config *config, struct hf_error *err)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
		struct value_place place = {CONFIG_ENVIRONMENT, NULL};
		const char *value;
		int result;

		strbuf_addstr(&name, "HOLDFAST_");
		add_key(&name, &option_rows[i], true);
		if (name.failed)
			return out_of_memory(err);
		value = i == OPT_help ? NULL : getenv(name.buf);
		if (!value || !*value)
			continue;
		place.text = name.buf;
		result = value_set(config, (enum option_id)i, value, &place, err);
		if (result) {
			error_fix(err, "correct the environment variable %s, or unset it",
				  name.buf);
			return result;
		}
	}
	return 0;
}

struct yaml_target {
	struct config *config;
	bool seen[OPTION_COUNT];
};

static int unknown_key(const struct yaml_entry *entry, struct hf_error *err)
{
	struct strbuf keys[OPTION_COUNT];
	const char *names[OPTION_COUNT], *near;
	size_t count = 0;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (i == OPT_help || i == OPT_config_path)
			continue;
		strbuf_init(&keys[count]);
		add_key(&keys[count], &option_rows[i], false);
		names[count] = keys[count].buf;
		count++;
	}
	near = nearest_name(entry->key, names, count);
	error_set(err, HF_E_CONFIG, "%s: there is no setting '%s'", entry->key_place, entry->key);
	if (near)
		error_fix(err, "did you mean %s? `man holdfast` lists the settings", near);
	else
		error_fix(err, "`man holdfast` lists the settings");
	for (size_t i = 0; i < count; i++)
		strbuf_done(&keys[i]);
	return -EINVAL;
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

static int apply_entry(void *user, const struct yaml_entry *entry, struct hf_error *err)
{
	struct yaml_target *target = user;
	_cleanup_(strbuf_done) struct strbuf where = STRBUF_INIT;
	struct value_place place = {CONFIG_FILE, NULL};
	bool is_list;
	size_t id = 0;

	while (id < OPTION_COUNT && (id == OPT_help || id == OPT_config_path ||
				     !key_matches(&option_rows[id], entry->key)))
		id++;
	if (id == OPTION_COUNT)
		return unknown_key(entry, err);
	if (target->seen[id] && !entry->index)
		return error_set(err, HF_E_CONFIG, "%s: the setting %s stands here a second time",
				 entry->key_place, entry->key);
	target->seen[id] = true;
	is_list = OPTION_KIND_IS_LIST(option_rows[id].kind);
	if (entry->in_sequence && !is_list)
		return error_set(err, HF_E_CONFIG, "%s: %s takes one value, not a list",
				 entry->place, entry->key);
	if (!entry->value)
		return 0;
	strbuf_addf(&where, "%s: %s", entry->place, entry->key);
	if (where.failed)
		return out_of_memory(err);
	place.text = where.buf;
	return value_set(target->config, (enum option_id)id, entry->value, &place, err);
}

int config_apply_yaml(struct config *config, const char *name, const char *text, size_t size,
		      struct hf_error *err)
{
	struct yaml_target target = {.config = config};
	struct yaml_source source = {.name = name, .text = text, .size = size, .top_key = TOP_KEY};

	return yaml_read(&source, apply_entry, &target, err);
}

static int cannot_read(const char *path, int result, struct hf_error *err)
{
	enum hf_error_code code = HF_E_NOFILE;

	if (result == -ENOMEM)
		return out_of_memory(err);
	if (result == -EACCES || result == -EPERM)
		code = HF_E_PERM;
	else if (result == -EFBIG)
		code = HF_E_CONFIG;
	error_set_errno(err, code, -result, "cannot read the configuration '%s'", path);
	if (result == -EFBIG)
		return error_why(err, "it is larger than 1 MiB");
	return error_why(err, "%s", strerrordesc_np(-result));
}

int settings_apply_file(struct config *config, struct hf_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int result;

	if (!config->config_path)
		return 0;
	result = file_read(config->config_path, MAX_FILE_BYTES, &text, &size);
	if (result)
		return cannot_read(config->config_path, result, err);
	result = config_apply_yaml(config, config->config_path, text, size, err);
	if (result && error_is_set(err) && !err->fix.len)
		error_fix(err, "correct the file; `man holdfast` describes the settings");
	return result;
}
