/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's configuration as a whole: what no single setting can tell to be wrong. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/settings.h"
#include "config/value.h"

/* What is to be read: the file (NULL: none), above it @base (NULL: nothing). */
struct reading {
	const char *path;
	const struct config *base;
	const struct config_opener *opener; /* NULL: by whoever runs this */
};

struct check {
	const struct reading *reading;
	const struct config *config;
	struct config_problems *problems;
};

/* At the place where a setting was given. */
static int tell_option(const struct check *c, enum option_id id, const char *what, const char *why)
{
	const struct config_place at = {c->config->config_path, c->config->position[id].line,
					c->config->position[id].column};
	_cleanup_(strbuf_done) struct strbuf place = STRBUF_INIT;

	switch (c->config->source[id]) {
	case CONFIG_FILE:
		return config_problems_add_at(c->problems, &at, what, why);
	case CONFIG_COMMAND_LINE:
		strbuf_addf(&place, "--%s", option_rows[id].name);
		break;
	case CONFIG_ENVIRONMENT:
		strbuf_addstr(&place, "HOLDFAST_");
		settings_add_key(&place, &option_rows[id], true);
		break;
	case CONFIG_DEFAULT:
		strbuf_addf(&place, "the default of --%s", option_rows[id].name);
	}
	return place.failed ? -ENOMEM : config_problems_add(c->problems, place.buf, what, why);
}

static int tell_rule(const struct check *c, const struct target_rule *rule, const char *what,
		     const char *why)
{
	const struct config_place place = {c->config->config_path, rule->line, rule->column};

	return config_problems_add_at(c->problems, &place, what, why);
}

static bool thresholds_cross(const struct target_settings *settings)
{
	return settings->warning_bytes && settings->critical_bytes &&
	       settings->warning_bytes >= settings->critical_bytes;
}

static int check_thresholds(const struct check *c)
{
	static const char what[] = "the warning threshold is not below the critical one",
			  why[] = "memory_warning_threshold_mb < memory_critical_threshold_mb";
	struct target_settings settings;
	int err = 0;

	config_target_settings(c->config, NULL, &settings);
	if (thresholds_cross(&settings))
		return tell_option(c, OPT_memory_warning_bytes, what, why);
	for (size_t i = 0; !err && i < c->config->agent.targets.count; i++) {
		const struct target_rule *rule = &c->config->agent.targets.items[i];

		config_target_settings(c->config, rule, &settings);
		if (thresholds_cross(&settings))
			err = tell_rule(c, rule, what, why);
	}
	return err;
}

static int check_listen(const struct check *c)
{
	struct listen_address address;

	if (!c->config->listen || listen_address_parse(c->config->listen, &address))
		return 0; /* told where it was read */
	if (address.local || c->config->token_file)
		return 0;
	return tell_option(c, OPT_listen, "others can reach this address, and there is no token",
			   "give token_file, or listen on 127.0.0.1, [::1] or unix:/PATH");
}

static int check_token(const struct check *c)
{
	uint8_t hash[TOKEN_HASH_BYTES];
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT;
	const struct config_opener *opener = c->reading->opener;
	const char *path = c->config->token_file;
	int err = 0;

	if (path && opener)
		err = token_file_read_fd(opener->open(opener->user, CONFIG_FILE_TOKEN, path), hash);
	else if (path)
		err = token_file_read(path, hash);

	if (!err || err == -ENOMEM)
		return err;
	if (err == -EINVAL)
		return tell_option(c, OPT_token_file,
				   "this file does not hold the 64 hex digits of a SHA-256",
				   "printf %s TOKEN | sha256sum makes one");
	strbuf_addf(&what, "'%s' cannot be read: %s", c->config->token_file, strerrordesc_np(-err));
	return what.failed ? -ENOMEM : tell_option(c, OPT_token_file, what.buf, "");
}

static int check_retention(const struct check *c)
{
	const struct retention *given = &c->config->agent.retention;
	const struct config_place place = {c->config->config_path, given->line, given->column};
	struct retention kept;

	config_retention(c->config, &kept);
	if (kept.raw_ns <= kept.minutes_ns && kept.minutes_ns <= kept.days_ns)
		return 0;
	return config_problems_add_at(
		c->problems, &place, "finer samples are kept longer than coarser ones",
		"raw <= minutes <= days, where the level tells what is not given");
}

static int check_all(const struct check *c)
{
	int err = check_thresholds(c);

	if (!err)
		err = check_listen(c);
	if (!err)
		err = check_token(c);
	return err ? err : check_retention(c);
}

/* What environment and command line have set. */
static int copy_higher(struct config *config, const struct config *base)
{
	int err = 0;

	for (size_t i = 0; !err && base && i < OPTION_COUNT; i++) {
		if (base->source[i] > CONFIG_FILE)
			err = value_copy(config, (enum option_id)i, base);
	}
	return err;
}

static int read_file(const struct reading *reading, struct config *config,
		     struct config_problems *problems, struct hf_error *err)
{
	const struct config_opener *opener = reading->opener;

	if (!opener)
		return settings_read_file(reading->path, config, problems, err);
	return settings_read_fd(opener->open(opener->user, CONFIG_FILE_SETTINGS, reading->path),
				reading->path, config, problems, err);
}

static int load(const struct reading *reading, struct config *config,
		struct config_problems *problems, struct hf_error *err)
{
	const struct check check = {reading, config, problems};
	const char *path = reading->path;
	int result = settings_apply_defaults(config, &command_rows[COMMAND_agent], err);

	if (result)
		return result;
	result = copy_higher(config, reading->base);
	if (!result && path) {
		free(config->config_path);
		config->config_path = strdup(path);
		result = config->config_path ? 0 : -ENOMEM;
	}
	if (result)
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	if (path)
		result = read_file(reading, config, problems, err);
	if (result)
		return result;
	if (check_all(&check))
		return error_set_errno(err, HF_E_INTERNAL, ENOMEM, "out of memory");
	config_problems_sort(problems);
	return config_problems_count(problems) ? settings_refuse(path, problems, err) : 0;
}

static int load_fresh(const struct reading *reading, struct config *ret,
		      struct config_problems *problems, struct hf_error *err)
{
	struct config config;
	int result = config_init(&config);

	result = result ? error_set_errno(err, HF_E_INTERNAL, -result, "out of memory")
			: load(reading, &config, problems, err);
	if (result)
		config_done(&config);
	else
		*ret = config;
	return result;
}

int config_load_agent(const char *path, const struct config *base, struct config *ret,
		      struct config_problems *problems, struct hf_error *err)
{
	const struct reading reading = {path, base, NULL};

	return load_fresh(&reading, ret, problems, err);
}

int config_load_agent_by(const struct config_opener *opener, const struct config *base,
			 struct config *ret, struct config_problems *problems, struct hf_error *err)
{
	const struct reading reading = {base->config_path, base, opener};

	return load_fresh(&reading, ret, problems, err);
}
