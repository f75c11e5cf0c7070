/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/module.h"

#include <errno.h>
#include <stdlib.h>

struct module {
	struct elf_file *file;
	struct debug_file debug;         /* file NULL: none */
	struct debug_file supplementary; /* of whichever has the DWARF */
	struct elf_file *minidebug;      /* .gnu_debugdata */
	struct debug_elf_content in_file, in_debug;
	bool loaded, has_symbols;
	struct symbol_table symbols;
	struct debug_info *info;
};

int module_new(struct elf_file *file, struct module **ret)
{
	struct module *module = calloc(1, sizeof(*module));

	if (!module) {
		elf_file_free(file);
		return -ENOMEM;
	}
	module->file = file;
	*ret = module;
	return 0;
}

void module_free(struct module *module)
{
	if (!module)
		return;
	debug_info_free(module->info);
	if (module->loaded)
		symbol_table_done(&module->symbols);
	elf_file_free(module->minidebug);
	debug_file_done(&module->supplementary);
	debug_file_done(&module->debug);
	elf_file_free(module->file);
	free(module);
}

const struct build_id *module_build_id(const struct module *module)
{
	return elf_file_build_id(module->file);
}

bool module_same_build(const struct module *a, const struct module *b)
{
	size_t count = elf_file_segment_count(a->file);

	if (!build_id_equal(module_build_id(a), module_build_id(b)) ||
	    elf_file_segment_count(b->file) != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct elf_segment *x = elf_file_segment(a->file, i);
		const struct elf_segment *y = elf_file_segment(b->file, i);

		if (x->address != y->address || x->memory_bytes != y->memory_bytes ||
		    x->executable != y->executable)
			return false;
	}
	return true;
}

int module_find_debug(struct module *module, const struct debug_file_place *place)
{
	struct debug_file_place beside = *place;
	const struct elf_file *with_dwarf;
	int err;

	module->in_file = debug_elf_survey(module->file);
	if (!module->in_file.dwarf || !module->in_file.symtab) {
		err = debug_file_find(module->file, place, &module->debug);
		if (err == -ENOMEM)
			return err;
	}
	if (module->debug.file)
		module->in_debug = debug_elf_survey(module->debug.file);
	if (!module->in_file.dwarf && !module->in_debug.dwarf)
		return 0;
	if (!module->in_file.dwarf)
		beside.path = module->debug.path;
	with_dwarf = module->in_file.dwarf ? module->file : module->debug.file;
	err = debug_file_find_supplementary(with_dwarf, &beside, &module->supplementary);
	return err == -ENOMEM ? err : 0;
}

static int load_symbols(struct module *module)
{
	struct elf_file *files[3] = {module->file};
	size_t count = 1;
	int err;

	if (module->debug.file)
		files[count++] = module->debug.file;
	module->has_symbols = module->in_file.symtab || module->in_debug.symtab;
	if (!module->has_symbols && !module->minidebug) {
		err = elf_file_debugdata(module->file, &module->minidebug);
		if (err == -ENOMEM)
			return err;
		module->has_symbols = !err && symbol_table_has_symtab(module->minidebug);
	}
	if (module->minidebug)
		files[count++] = module->minidebug;
	return symbol_table_init(&module->symbols, files, count);
}

static int load_lines(struct module *module)
{
	struct debug_elf_file source = {.file = module->file};
	struct debug_elf_file supplementary = {module->supplementary.file,
					       module->supplementary.steady};
	int err;

	if (!module->in_file.dwarf && module->in_debug.dwarf)
		source = (struct debug_elf_file){module->debug.file, module->debug.steady};
	else if (!module->in_file.dwarf)
		return 0;
	err = debug_info_new(&source, &supplementary, &module->info);
	return err == -ENOMEM ? err : 0;
}

static int load(struct module *module)
{
	int err;

	if (module->loaded)
		return 0;
	err = load_symbols(module);
	if (err)
		return err;
	module->loaded = true;
	return load_lines(module);
}

int module_look_up(struct module *module, uint64_t address, struct symbol_hit *ret, bool *ret_found,
		   struct debug_frame_vec *frames)
{
	int err = load(module);

	if (err)
		return err;
	*ret_found = symbol_table_find(&module->symbols, address, ret);
	vec_clear(frames);
	if (!module->info)
		return 0;
	err = debug_info_resolve(module->info, address, frames);
	if (err && err != -ENOMEM)
		vec_clear(frames);
	return err == -ENOMEM ? err : 0;
}

bool module_has_symbols(const struct module *module)
{
	return module->has_symbols;
}

bool module_has_debug(const struct module *module)
{
	return module->info;
}

uint64_t module_curtailed(const struct module *module)
{
	return module->info ? debug_info_curtailed(module->info) : 0;
}

void module_release(struct module *module)
{
	if (module->info)
		debug_info_release(module->info);
}
