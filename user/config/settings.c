/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "config/record_read.h"
#include "config/value.h"

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
	return record_init(RECORD_agent_config, &config->agent);
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
	record_clear(RECORD_agent_config, &config->agent);
	*config = (struct config){.command_argv = NULL};
}

bool settings_is_key(enum option_id id)
{
	return option_rows[id].kind != OPTION_ACTION && id != OPT_config_path;
}

void settings_add_key(struct strbuf *out, const struct option_row *row, bool upper)
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
		settings_add_key(&name, &option_rows[i], true);
		if (name.failed)
			return out_of_memory(err);
		value = option_rows[i].kind == OPTION_ACTION ? NULL : getenv(name.buf);
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

int settings_read_fd(int fd, const char *path, struct config *config,
		     struct config_problems *problems, struct hf_error *err)
{
	struct config_text text = {.name = path};
	_cleanup_close_ int owned = fd;
	_cleanup_free_ char *content = NULL;
	int result = fd < 0 ? fd : file_read_fd(fd, MAX_FILE_BYTES, &content, &text.size);

	if (result)
		return cannot_read(path, result, err);
	text.text = content;
	return config_apply_yaml(config, &text, problems) ? out_of_memory(err) : 0;
}

int settings_read_file(const char *path, struct config *config, struct config_problems *problems,
		       struct hf_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return settings_read_fd(fd < 0 ? -errno : fd, path, config, problems, err);
}

int settings_refuse(const char *path, const struct config_problems *problems, struct hf_error *err)
{
	size_t more = config_problems_count(problems) - 1;

	config_problems_error(problems, err);
	if (!path)
		return error_fix(err, "`man holdfast` describes the settings");
	if (!more)
		return error_fix(err, "correct the file; `man holdfast` describes the settings");
	return error_fix(err, "correct the file; %zu more: `holdfast agent --check %s` tells all",
			 more, path);
}

int settings_apply_file(struct config *config, struct hf_error *err)
{
	_cleanup_(config_problems_done) struct config_problems problems = CONFIG_PROBLEMS_INIT;
	int result = 0;

	if (config->config_path)
		result = settings_read_file(config->config_path, config, &problems, err);
	if (!result && config_problems_count(&problems))
		result = settings_refuse(config->config_path, &problems, err);
	return result;
}
