/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/symbol_source.h"

#include <errno.h>
#include <stdlib.h>

struct symbol_source {
	struct elf_file *file;
	struct debug_file debug;         /* fd -1: none, as the next */
	struct debug_file supplementary; /* of whichever has the DWARF */
	struct elf_file *minidebug;      /* .gnu_debugdata */
	struct debug_elf_content in_file, in_debug;
	bool loaded, has_symbols;
	struct symbol_table symbols;
	struct debug_info *info;
};

int symbol_source_new(struct elf_file *file, struct symbol_source **ret)
{
	struct symbol_source *source = calloc(1, sizeof(*source));

	if (!source) {
		elf_file_free(file);
		return -ENOMEM;
	}
	source->file = file;
	source->debug = source->supplementary = (struct debug_file)DEBUG_FILE_NONE;
	*ret = source;
	return 0;
}

void symbol_source_free(struct symbol_source *source)
{
	if (!source)
		return;
	debug_info_free(source->info);
	if (source->loaded)
		symbol_table_done(&source->symbols);
	elf_file_free(source->minidebug);
	debug_file_done(&source->supplementary);
	debug_file_done(&source->debug);
	elf_file_free(source->file);
	free(source);
}

const struct build_id *symbol_source_build_id(const struct symbol_source *source)
{
	return elf_file_build_id(source->file);
}

bool symbol_source_same_build(const struct symbol_source *a, const struct symbol_source *b)
{
	size_t count = elf_file_segment_count(a->file);

	if (!build_id_equal(symbol_source_build_id(a), symbol_source_build_id(b)) ||
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

int symbol_source_find_debug(struct symbol_source *source, const struct debug_file_place *place)
{
	struct debug_file_place beside = *place;
	const struct elf_file *with_dwarf;
	int err;

	source->in_file = debug_elf_survey(elf_file_descriptor(source->file));
	if (!source->in_file.dwarf || !source->in_file.symtab) {
		err = debug_file_find(source->file, place, &source->debug);
		if (err == -ENOMEM)
			return err;
	}
	source->in_debug = debug_elf_survey(source->debug.fd);
	if (!source->in_file.dwarf && !source->in_debug.dwarf)
		return 0;
	if (!source->in_file.dwarf)
		beside.path = source->debug.path;
	with_dwarf = source->in_file.dwarf ? source->file : source->debug.file;
	err = debug_file_find_supplementary(with_dwarf, &beside, &source->supplementary);
	return err == -ENOMEM ? err : 0;
}

static int load_symbols(struct symbol_source *source)
{
	struct elf_file *files[3] = {source->file};
	size_t count = 1;
	int err;

	if (source->debug.file)
		files[count++] = source->debug.file;
	source->has_symbols = source->in_file.symtab || source->in_debug.symtab;
	if (!source->has_symbols && !source->minidebug) {
		err = elf_file_debugdata(source->file, &source->minidebug);
		if (err == -ENOMEM)
			return err;
		source->has_symbols = !err && symbol_table_has_symtab(source->minidebug);
	}
	if (source->minidebug)
		files[count++] = source->minidebug;
	return symbol_table_init(&source->symbols, files, count);
}

static int load_lines(struct symbol_source *source)
{
	struct debug_elf_file lines = {.fd = elf_file_descriptor(source->file)};
	struct debug_elf_file supplementary = {source->supplementary.fd,
					       source->supplementary.steady};
	int err;

	if (source->info || (!source->in_file.dwarf && !source->in_debug.dwarf))
		return 0;
	if (!source->in_file.dwarf)
		lines = (struct debug_elf_file){source->debug.fd, source->debug.steady};
	err = debug_info_new(&lines, &supplementary, &source->info);
	return err == -ENOMEM ? err : 0;
}

static int load(struct symbol_source *source)
{
	int err;

	if (source->loaded)
		return 0;
	err = load_symbols(source);
	if (err)
		return err;
	source->loaded = true;
	return load_lines(source);
}

int symbol_source_look_up(struct symbol_source *source, uint64_t address, struct symbol_hit *ret,
			  bool *ret_found, struct debug_frame_vec *frames)
{
	int err = load(source);

	if (err)
		return err;
	*ret_found = symbol_table_find(&source->symbols, address, ret);
	vec_clear(frames);
	if (!source->info)
		return 0;
	err = debug_info_resolve(source->info, address, frames);
	if (err && err != -ENOMEM)
		vec_clear(frames);
	return err == -ENOMEM ? err : 0;
}

bool symbol_source_has_symbols(const struct symbol_source *source)
{
	return source->has_symbols;
}

bool symbol_source_has_debug(const struct symbol_source *source)
{
	return source->info;
}

uint64_t symbol_source_curtailed(const struct symbol_source *source)
{
	return source->info ? debug_info_curtailed(source->info) : 0;
}

void symbol_source_release(struct symbol_source *source)
{
	if (source->info)
		debug_info_release(source->info);
	if (source->loaded)
		symbol_table_done(&source->symbols);
	source->loaded = false;
	elf_file_free(source->minidebug);
	source->minidebug = NULL;
	elf_file_forget(source->file);
	if (source->debug.file)
		elf_file_forget(source->debug.file);
}
