/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A module whose code is looked at: the usual allocators as goals, labels as addresses. */
#ifndef HF_TESTS_CODE_FIXTURE_H
#define HF_TESTS_CODE_FIXTURE_H

#include "process/code/goal.h"
#include "symbol_fixture.h"

enum goal_index {
	MALLOC,
	CALLOC,
	REALLOC,
	FREE,
	NEW,
	NEW_ARRAY,
	DELETE,
	DELETE_SIZED,
	ALIGNED_STORED,
	OWN,
	GOAL_COUNT
};

#define BY_ARGUMENT(n)                              \
	{                                           \
		CODE_SIZE_ARGUMENT, (n), 0, 0, 1, 0 \
	}
#define NO_POINTER .pointer_argument = HF_ARG_NONE

static const struct code_goal usual_goals[GOAL_COUNT] = {
	[MALLOC] = {.symbol = "malloc", .size = BY_ARGUMENT(0), NO_POINTER},
	[CALLOC] = {.symbol = "calloc", .size = {CODE_SIZE_PRODUCT, 0, 1, 0, 1, 0}, NO_POINTER},
	[REALLOC] = {.symbol = "realloc", .size = BY_ARGUMENT(1)},
	[FREE] = {.symbol = "free", .frees = true},
	[NEW] = {.symbol = "_Znwm", .size = BY_ARGUMENT(0), NO_POINTER},
	[NEW_ARRAY] = {.symbol = "_Znam", .size = BY_ARGUMENT(0), NO_POINTER},
	[DELETE] = {.symbol = "_ZdlPv", .frees = true},
	[DELETE_SIZED] = {.symbol = "_ZdlPvm", .frees = true},
	[ALIGNED_STORED] = {.symbol = "posix_memalign",
			    .returns_none = true,
			    .size = BY_ARGUMENT(2),
			    NO_POINTER},
	[OWN] = {.size = {CODE_SIZE_ARGUMENT, 0, 0, CODE_LOW_SIGNED, 8, 16, 16}, NO_POINTER},
};

FIXTURE_UNUSED static uint64_t label(const struct elf_file *file, const char *name)
{
	struct elf_symbol symbol;

	if (elf_file_find_symbol(file, name, &symbol))
		fail_msg("no label %s", name);
	return symbol.address;
}

/* The usual goals, with the addresses of those that the file defines; "own" is one of its own. */
FIXTURE_UNUSED static void goals_of(const struct elf_file *file, struct code_goal *goals)
{
	struct elf_symbol symbol;

	memcpy(goals, usual_goals, sizeof(usual_goals));
	for (size_t i = 0; i < GOAL_COUNT; i++) {
		const char *name = i == OWN ? "own" : goals[i].symbol;

		if (!elf_file_find_symbol(file, name, &symbol))
			goals[i].address = symbol.address;
	}
}

FIXTURE_UNUSED static struct elf_file *open_fixture_file(const char *name)
{
	struct elf_file *file;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fixture_directory, name);
	assert_int_equal(elf_file_open_path(path, &file), 0);
	return file;
}

/* A shared library of that code. */
FIXTURE_UNUSED static struct elf_file *assemble(const char *text, const char *flags)
{
	char command[256];

	need_program("gcc");
	write_text("code.s", text);
	snprintf(command, sizeof(command), "gcc -nostdlib -shared -o code.so %s code.s", flags);
	must(command);
	return open_fixture_file("code.so");
}

#define FUNCTION(name, body)                                                              \
	".globl " #name "\n.hidden " #name "\n"                                           \
	".type " #name ", @function\n" #name ": .cfi_startproc\n" body "\n.cfi_endproc\n" \
	".size " #name ", . - " #name "\n"

#endif
