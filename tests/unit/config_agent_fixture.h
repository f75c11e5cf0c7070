/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of the agent's configuration: a folder of their own, and what came of a file. */
#ifndef HF_TEST_CONFIG_AGENT_FIXTURE_H
#define HF_TEST_CONFIG_AGENT_FIXTURE_H

#include <stdlib.h>
#include <unistd.h>

#include "base/fileio.h"
#include "cmocka_all.h"
#include "config/config.h"

#define MB        ((uint64_t)1 << 20)
#define SECOND_NS 1000000000ULL
#define FILE_NAME "f.yaml"

struct load {
	struct config config;
	struct config_problems problems;
	struct hf_error err;
	struct strbuf text; /* the problems, as they are printed */
	int result;
};

static char folder[] = "/tmp/holdfast-agent-XXXXXX";

static inline int enter_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? chdir(folder) : -1;
}

static inline int leave_folder(void **state)
{
	(void)state;
	unlink(FILE_NAME);
	unlink("token");
	return chdir("/") ? -1 : rmdir(folder);
}

static inline void write_file(const char *name, const char *text)
{
	assert_int_equal(file_write(name, text, strlen(text)), 0);
}

/* `text` NULL: without a file. */
static inline void load_above(struct load *l, const char *text, const struct config *base)
{
	*l = (struct load){.err = HF_ERROR_INIT, .text = STRBUF_INIT};
	if (text)
		write_file(FILE_NAME, text);
	l->result =
		config_load_agent(text ? FILE_NAME : NULL, base, &l->config, &l->problems, &l->err);
	assert_int_equal(l->result != 0, error_is_set(&l->err));
	assert_int_equal(config_problems_print(&l->problems, &l->text), 0);
}

static inline void load(struct load *l, const char *text)
{
	load_above(l, text, NULL);
}

static inline void load_done(struct load *l)
{
	if (!l->result)
		config_done(&l->config);
	config_problems_done(&l->problems);
	error_done(&l->err);
	strbuf_done(&l->text);
}

static inline void loaded(struct load *l, const char *text)
{
	load(l, text);
	if (l->result)
		fail_msg("wrong: '%s'", l->text.buf);
}

#endif
