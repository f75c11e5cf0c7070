// SPDX-License-Identifier: GPL-2.0-or-later
/* agent: checks its configuration, or prints one, or watches processes. */
#include <errno.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/output.h"

static int write_text(struct strbuf *out, FILE *to, struct hf_error *error)
{
	if (out->failed)
		return error_set_errno(error, HF_E_INTERNAL, ENOMEM, "out of memory");
	if (to == stdout)
		return output_bytes(out, "-", error);
	fwrite(out->buf, 1, out->len, to);
	return 0;
}

static int print_defaults(struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	config_add_defaults(&out);
	return write_text(&out, stdout, error);
}

static int print_example(struct hf_error *error)
{
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;

	strbuf_addstr(&out, config_example());
	return write_text(&out, stdout, error);
}

/* FILE stands behind --check or behind --config, but not behind both. */
static int file_to_check(const struct config *config, const char **ret, struct hf_error *error)
{
	bool by_option = config->source[OPT_config_path] == CONFIG_COMMAND_LINE;

	*ret = config->words.count ? config->words.items[0] : config->config_path;
	if (config->words.count && !config->check)
		error_set(error, HF_E_USAGE, "'%s' is one argument too many",
			  config->words.items[0]);
	else if (config->words.count && by_option)
		error_set(error, HF_E_USAGE, "two files are named: '%s' and '%s'",
			  config->words.items[0], config->config_path);
	else if (config->check && !*ret)
		error_set(error, HF_E_USAGE, "--check lacks its file");
	else
		return 0;
	return error_fix(error, "usage: holdfast agent [OPTIONS] [--check FILE]");
}

static void add_summary(const char *path, const struct config *config, struct strbuf *out)
{
	const struct agent_config *agent = &config->agent;

	strbuf_add_printable(out, path, strlen(path));
	strbuf_addf(
		out,
		": fine: mode %s, level %s, %zu rule%s for targets, %zu components, %zu spans\n",
		agent_mode_rows[config->mode].name, agent_level_rows[config->level].name,
		agent->targets.count, agent->targets.count == 1 ? "" : "s", agent->components.count,
		agent->spans.count);
}

static int check_file(const char *path, struct hf_error *error)
{
	_cleanup_(config_problems_done) struct config_problems problems = CONFIG_PROBLEMS_INIT;
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	struct config config;
	int result = config_load_agent(path, NULL, &config, &problems, error), written;

	if (!result) {
		add_summary(path, &config, &out);
		config_done(&config);
		return write_text(&out, stdout, error);
	}
	if (!config_problems_count(&problems))
		return result; /* it could not be read at all */
	config_problems_print(&problems, &out);
	written = write_text(&out, stdout, error);
	return written ? written : error_exit_code(HF_E_CONFIG);
}

/* All that is wrong is told before the error itself: nobody asks a service twice. */
static int run(const struct config *config, struct hf_error *error)
{
	_cleanup_(config_problems_done) struct config_problems problems = CONFIG_PROBLEMS_INIT;
	_cleanup_(strbuf_done) struct strbuf out = STRBUF_INIT;
	int result = agent_run(config, &problems, error);

	if (config_problems_count(&problems) > 1) {
		config_problems_print(&problems, &out);
		write_text(&out, stderr, error);
	}
	return result;
}

int command_agent(struct config *config, struct hf_error *error)
{
	const char *path;
	int result = file_to_check(config, &path, error);

	if (result)
		return result;
	if (config->print_defaults)
		return print_defaults(error);
	if (config->print_example)
		return print_example(error);
	return config->check ? check_file(path, error) : run(config, error);
}
