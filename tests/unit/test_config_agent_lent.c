/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's configuration through somebody else's descriptors; what is in it is test_config_agent.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "cmocka_all.h"
#include "config/config.h"

#define FILE_NAME "agent.yaml"

static char folder[] = "/tmp/holdfast-lent-XXXXXX";

static int enter_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? chdir(folder) : -1;
}

static int leave_folder(void **state)
{
	(void)state;
	unlink(FILE_NAME);
	unlink("token");
	return chdir("/") ? -1 : rmdir(folder);
}

/* Of somebody who may read what we may not: it tells what was asked for, and opens other files than those named. */
struct lender {
	int settings, token;
	bool no_token;
};

static int lend(void *user, enum config_file which, const char *path)
{
	struct lender *lender = user;

	if (which == CONFIG_FILE_SETTINGS) {
		lender->settings++;
		assert_string_equal(path, "/not/ours");
		return open(FILE_NAME, O_RDONLY | O_CLOEXEC);
	}
	lender->token++;
	assert_string_equal(path, "/nor/this");
	return lender->no_token ? -EACCES : open("token", O_RDONLY | O_CLOEXEC);
}

static void files_of_others_are_read_by_who_may_open_them(void **state)
{
	static const char text[] = "memory_profiling: {token_file: /nor/this}",
			  hash[] =
				  "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
	char path[] = "/not/ours";
	const struct config base = {.config_path = path};
	struct lender lender = {0};
	const struct config_opener opener = {lend, &lender};
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct hf_error error = HF_ERROR_INIT;
	struct config config;

	(void)state;
	assert_int_equal(file_write(FILE_NAME, text, strlen(text)), 0);
	assert_int_equal(file_write("token", hash, strlen(hash)), 0);
	assert_int_equal(config_load_agent_by(&opener, &base, &config, &problems, &error), 0);
	assert_int_equal(lender.settings, 1);
	assert_int_equal(lender.token, 1);
	assert_string_equal(config.config_path, "/not/ours");
	config_done(&config);
	lender.no_token = true;
	assert_int_equal(config_load_agent_by(&opener, &base, &config, &problems, &error), -EINVAL);
	assert_non_null(strstr(error.what.buf, "/nor/this"));
	config_problems_done(&problems);
	error_done(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_others_are_read_by_who_may_open_them),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
