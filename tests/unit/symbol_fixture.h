/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * symbol_fixture.h - a directory of its own in which a test builds binaries and takes them apart.
 *
 * shell() runs a command line there; a test that needs a program which is not installed skips. One directory
 * for the whole test program: fixture_open() in the group's setup, fixture_close() in its teardown.
 */
#ifndef HF_TESTS_SYMBOL_FIXTURE_H
#define HF_TESTS_SYMBOL_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "cmocka_all.h"
#include "process/elf/elf_file.h"

#define FIXTURE_UNUSED __attribute__((unused))

static char fixture_directory[] = "/tmp/hf-symbol-XXXXXX";

FIXTURE_UNUSED static int fixture_open(void **state)
{
	(void)state;
	return mkdtemp(fixture_directory) ? 0 : -1;
}

FIXTURE_UNUSED static int fixture_close(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture_directory);
	return system(command);
}

/* The sanitizers' options are ours, not the programs'. */
FIXTURE_UNUSED static int shell(const char *command)
{
	struct strbuf line = STRBUF_INIT;
	int status;

	assert_int_equal(strbuf_addf(&line, "cd '%s' && unset LD_PRELOAD; { %s; } >>log 2>&1",
				     fixture_directory, command),
			 0);
	status = system(line.buf);
	strbuf_done(&line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

FIXTURE_UNUSED static void must(const char *command)
{
	if (shell(command))
		fail_msg("failed: %s (see %s/log)", command, fixture_directory);
}

FIXTURE_UNUSED static void need_program(const char *name)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s", name);
	if (shell(command))
		skip_because("%s is not installed", name);
}

FIXTURE_UNUSED static void write_text(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture_directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Opens `name` in the directory. */
FIXTURE_UNUSED static struct elf_file *open_fixture(const char *name)
{
	struct elf_file *file;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture_directory, name);
	assert_int_equal(elf_file_open_path(path, &file), 0);
	return file;
}

/* For open_in_target: a target whose root is the directory. */
FIXTURE_UNUSED static int open_in_fixture(int root_pid, const char *path)
{
	char full[512];
	int fd;

	(void)root_pid;
	snprintf(full, sizeof(full), "%s%s", fixture_directory, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

FIXTURE_UNUSED static uint64_t address_of(const struct elf_file *file, const char *symbol)
{
	struct elf_symbol found;

	assert_int_equal(elf_file_find_symbol(file, symbol, &found), 0);
	return found.address;
}

#endif
