// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/cli.h"

static const command_fn commands[COMMAND_COUNT] = {
	[COMMAND_hunt] = command_hunt,     [COMMAND_attach] = command_attach,
	[COMMAND_report] = command_report, [COMMAND_diff] = command_diff,
	[COMMAND_ps] = command_ps,         [COMMAND_doctor] = command_doctor,
	[COMMAND_record] = command_record, [COMMAND_scan] = command_scan,
	[COMMAND_gc] = command_gc,         [COMMAND_fleet] = command_fleet,
	[COMMAND_agent] = command_agent,   [COMMAND_ctl] = command_ctl,
};

static int fail(struct hf_error *error)
{
	int code = error_exit_code(error->code);

	error_print(error, stderr);
	return code ? code : 70;
}

static int run_command(const struct command_row *row, int argc, char **argv, struct hf_error *error)
{
	_cleanup_(config_done) struct config config;
	enum log_level level;
	int result = config_init(&config);

	if (result)
		return error_set_errno(error, HF_E_INTERNAL, -result, "out of memory");
	result = config_parse_cli(&config, row, argc, argv, error);
	if (result)
		return result;
	if (config.help) {
		config_print_help(row, stdout);
		return 0;
	}
	if (!commands[row - command_rows])
		return command_check_built(row, error);
	if (config.log_level && !log_level_parse(config.log_level, &level))
		log_set_level(level);
	return commands[row - command_rows](&config, error);
}

int main(int argc, char **argv)
{
	_cleanup_(error_done) struct hf_error error = HF_ERROR_INIT;
	const struct command_row *row;
	int result;

	if (argc < 2) {
		error_set(&error, HF_E_USAGE, "no command given");
		error_fix(&error, "see `holdfast --help`; to hunt a leak: sudo holdfast hunt PID");
		return fail(&error);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		config_print_overview(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("holdfast %s\n", HF_VERSION);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the write, not our end */
	row = command_find(argv[1], &error);
	if (!row)
		return fail(&error);
	result = run_command(row, argc - 2, argv + 2, &error);
	return result < 0 ? fail(&error) : result;
}
