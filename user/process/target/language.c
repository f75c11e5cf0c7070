// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/target/language.h"

#include <string.h>

static const struct language languages[] = {
	{.name = "Java",
	 .library = "libjvm.so",
	 .tool = "`jcmd PID GC.class_histogram` counts them, `jcmd PID GC.heap_info` tells how full it is"},
	{.name = "Node.js",
	 .library = "libnode.so",
	 .symbol = "node_module_register",
	 .tool = "start it with --heapsnapshot-signal=SIGUSR2, and that signal writes a snapshot"},
	{.name = "Go",
	 .section = ".go.buildinfo",
	 .tool = "its own profile is at /debug/pprof/heap, where the program serves net/http/pprof"},
	{.name = ".NET",
	 .library = "libcoreclr.so",
	 .tool = "`dotnet-gcdump collect -p PID` counts them"},
	{.name = "Ruby",
	 .library = "libruby",
	 .tool = "ObjectSpace.count_objects and ObjectSpace.dump_all in it count them"},
};

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool has_library(const struct target *target, const char *name)
{
	for (size_t i = 0; i < target->mapping_count; i++) {
		const struct target_mapping *m = &target->mappings[i];

		if (m->until_ns == UINT64_MAX &&
		    !strncmp(file_name(m->module->path), name, strlen(name)))
			return true;
	}
	return false;
}

static bool has(const struct target *target, const struct language *language)
{
	const struct elf_file *exe = target->exe_module ? target->exe_module->elf : NULL;
	struct elf_section section;
	struct elf_symbol symbol;

	return (language->library && has_library(target, language->library)) ||
	       (exe && language->symbol && !elf_file_find_symbol(exe, language->symbol, &symbol)) ||
	       (exe && language->section && !elf_file_section(exe, language->section, &section));
}

const struct language *language_find(const struct target *target)
{
	for (size_t i = 0; i < sizeof(languages) / sizeof(*languages); i++)
		if (has(target, &languages[i]))
			return &languages[i];
	return NULL;
}
