/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and addresses that the agent's configuration names: who opens them, and what they may be. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "config_agent_fixture.h"

static void a_file_that_cannot_be_read_is_no_wrong_file(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config config;

	(void)state;
	assert_int_equal(config_load_agent("nosuch", NULL, &config, &problems, &err), -ENOENT);
	assert_int_equal(err.code, HF_E_NOFILE);
	assert_int_equal(config_problems_count(&problems), 0);
	error_done(&err);
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
	char path[] = "/not/ours";
	const struct config base = {.config_path = path};
	struct lender lender = {0};
	const struct config_opener opener = {lend, &lender};
	struct load l = {.err = HF_ERROR_INIT, .text = STRBUF_INIT};

	(void)state;
	write_file(FILE_NAME, "memory_profiling: {token_file: /nor/this}");
	write_file("token", "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef");
	l.result = config_load_agent_by(&opener, &base, &l.config, &l.problems, &l.err);
	assert_int_equal(l.result, 0);
	assert_int_equal(lender.settings, 1);
	assert_int_equal(lender.token, 1);
	assert_string_equal(l.config.config_path, "/not/ours");
	load_done(&l);
	lender.no_token = true;
	l = (struct load){.err = HF_ERROR_INIT, .text = STRBUF_INIT};
	l.result = config_load_agent_by(&opener, &base, &l.config, &l.problems, &l.err);
	assert_int_equal(l.result, -EINVAL);
	assert_non_null(strstr(l.err.what.buf, "/nor/this"));
	load_done(&l);
}

static void addresses(void **state)
{
	static const struct {
		const char *text;
		int family; /* 0: it is none */
		bool local;
	} cases[] = {
		{"127.0.0.1:7654", AF_INET, true},
		{"127.9.9.9:1", AF_INET, true},
		{"0.0.0.0:7654", AF_INET, false},
		{"10.0.0.1:65535", AF_INET, false},
		{"[::1]:7654", AF_INET6, true},
		{"[::]:7654", AF_INET6, false},
		{"[fe80::1]:1", AF_INET6, false},
		{"unix:/run/holdfast/agent.sock", AF_UNIX, true},
		{"127.0.0.1", 0, false},
		{"127.0.0.1:0", AF_INET, true}, /* any free one */
		{"127.0.0.1:65536", 0, false},
		{"127.0.0.1:80x", 0, false},
		{"localhost:80", 0, false},
		{"::1:80", 0, false},
		{"[::1]80", 0, false},
		{"[]:80", 0, false},
		{"[::1:80", 0, false},
		{"unix:", 0, false},
		{"unix:run/x", 0, false},
		{"", 0, false},
		{":80", 0, false},
	};
	char path[200] = "unix:/";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct listen_address address = {.length = 0};
		int err = listen_address_parse(cases[i].text, &address);

		if (!cases[i].family != (err == -EINVAL) || address.local != cases[i].local ||
		    address.address.ss_family != cases[i].family)
			fail_msg("'%s' gave %d", cases[i].text, err);
	}
	memset(path + 6, 'x', 107 - 1);
	assert_int_equal(listen_address_parse(path, &(struct listen_address){.length = 0}), 0);
	path[112] = 'x';
	assert_int_equal(listen_address_parse(path, &(struct listen_address){.length = 0}),
			 -EINVAL);
}

static void a_token_file_holds_a_hash(void **state)
{
	static const char hash[] =
		"0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";
	uint8_t read[TOKEN_HASH_BYTES];
	char text[100];
	struct load l;

	(void)state;
	snprintf(text, sizeof(text), "%s  -\n", hash);
	write_file("token", text);
	assert_int_equal(token_file_read("token", read), 0);
	assert_int_equal(read[0], 0x01);
	assert_int_equal(read[31], 0xef);
	loaded(&l, "memory_profiling: {listen: '0.0.0.0:80', token_file: token}");
	load_done(&l);
	write_file("token", hash + 1);
	assert_int_equal(token_file_read("token", read), -EINVAL);
	text[3] = 'g';
	write_file("token", text);
	assert_int_equal(token_file_read("token", read), -EINVAL);
	assert_int_equal(token_file_read("/nonexistent", read), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_cannot_be_read_is_no_wrong_file),
		cmocka_unit_test(files_of_others_are_read_by_who_may_open_them),
		cmocka_unit_test(addresses),
		cmocka_unit_test(a_token_file_holds_a_hash),
	};

	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
