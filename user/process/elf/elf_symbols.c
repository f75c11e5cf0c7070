/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "process/elf/elf_internal.h"

#define MAX_SLOTS      (UINT64_C(1) << 24) /* browsers have half a million */
#define MAX_NAME_SLOTS (UINT64_C(1) << 25) /* more symbols than half of that no file has */

struct symbol_table {
	const uint8_t *bytes; /* Elf64_Sym, not necessarily aligned */
	uint64_t count;
	struct elf_strings names;
	bool dynamic;
};

/* The first table of that type. -ENOENT; also if it is damaged, but for lack of memory. */
static int open_table(const struct elf_file *file, uint32_t type, struct symbol_table *ret)
{
	const Elf64_Shdr *section = NULL, *names;
	int err;

	for (size_t i = 1; !section && i < file->section_count; i++)
		if (file->sections[i].sh_type == type)
			section = &file->sections[i];
	if (!section || section->sh_link >= file->section_count)
		return -ENOENT;
	names = &file->sections[section->sh_link];
	if (names->sh_type != SHT_STRTAB || section->sh_entsize != sizeof(Elf64_Sym))
		return -ENOENT;
	ret->count = section->sh_size / sizeof(Elf64_Sym);
	ret->dynamic = type == SHT_DYNSYM;
	err = elf_source_view(file->source, section->sh_offset, ret->count * sizeof(Elf64_Sym),
			      &ret->bytes);
	if (!err)
		err = elf_view_strings(file, names->sh_offset, names->sh_size, &ret->names);
	return err == -ENOMEM || err == 0 ? err : -ENOENT;
}

/* False: the name is outside the string table. */
static bool symbol_at(const struct symbol_table *table, uint64_t index, struct elf_symbol *ret)
{
	Elf64_Sym raw;

	memcpy(&raw, table->bytes + index * sizeof(raw), sizeof(raw));
	*ret = (struct elf_symbol){
		.name = elf_string_at(&table->names, raw.st_name),
		.address = raw.st_value,
		.size = raw.st_size,
		.type = ELF64_ST_TYPE(raw.st_info),
		.bind = ELF64_ST_BIND(raw.st_info),
		.defined = raw.st_shndx != SHN_UNDEF,
		.dynamic = table->dynamic,
	};
	return ret->name;
}

static int visit_table(const struct symbol_table *table,
		       int (*visit)(const struct elf_symbol *symbol, void *user), void *user)
{
	struct elf_symbol symbol;
	int answer = 0;

	/* Symbol 0 is reserved. */
	for (uint64_t i = 1; !answer && i < table->count; i++)
		if (symbol_at(table, i, &symbol))
			answer = visit(&symbol, user);
	return answer;
}

int elf_file_for_each_symbol(const struct elf_file *file,
			     int (*visit)(const struct elf_symbol *symbol, void *user), void *user)
{
	static const uint32_t types[] = {SHT_DYNSYM, SHT_SYMTAB};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct symbol_table table;
		int answer = open_table(file, types[i], &table);

		if (answer == -ENOENT)
			continue;
		if (!answer)
			answer = visit_table(&table, visit, user);
		if (answer)
			return answer;
	}
	return 0;
}

/* In the order in which a name is looked for. */
static const uint32_t name_tables[] = {SHT_DYNSYM, SHT_SYMTAB};

#define NAME_TABLES (sizeof(name_tables) / sizeof(*name_tables))

/* Those that are there; the others have no symbols. */
static int open_name_tables(const struct elf_file *file, struct symbol_table ret[NAME_TABLES])
{
	for (size_t i = 0; i < NAME_TABLES; i++) {
		int err;

		ret[i] = (struct symbol_table){0};
		err = open_table(file, name_tables[i], &ret[i]);
		if (err && err != -ENOENT)
			return err;
		if (err)
			ret[i].count = 0;
	}
	return 0;
}

/* Where the symbol of that name is, or belongs. There is always a free slot. */
static uint32_t *name_slot(const struct elf_names *names, const struct symbol_table *tables,
			   const char *name, struct elf_symbol *ret)
{
	uint64_t hash = hash_bytes(name, strlen(name), names->seed);

	for (uint64_t at = hash;; at++) {
		uint32_t *slot = &names->slots[at & (names->slot_count - 1)];
		uint32_t which = *slot - 1;

		if (!*slot ||
		    (symbol_at(&tables[which & 1], which >> 1, ret) && !strcmp(ret->name, name)))
			return slot;
	}
}

static void add_names(const struct elf_names *names, const struct symbol_table *tables,
		      uint32_t table)
{
	struct elf_symbol symbol, known;

	/* Symbol 0 is reserved. */
	for (uint32_t i = 1; i < tables[table].count; i++) {
		uint32_t *slot;

		if (!symbol_at(&tables[table], i, &symbol) || !symbol.defined)
			continue;
		slot = name_slot(names, tables, symbol.name, &known);
		if (!*slot)
			*slot = 1 + 2 * i + table;
	}
}

/* A name is asked for some hundred times in each process that maps the file: for every function of every allocator. */
static int make_names(struct elf_names *names, const struct symbol_table *tables)
{
	uint64_t count = 16;

	while (count / 2 < tables[0].count + tables[1].count)
		count *= 2;
	if (count > MAX_NAME_SLOTS)
		return -EFBIG;
	names->slots = calloc(count, sizeof(*names->slots));
	if (!names->slots)
		return -ENOMEM;
	names->slot_count = count;
	names->seed = hash_seed_random();
	for (uint32_t i = 0; i < NAME_TABLES; i++)
		add_names(names, tables, i);
	return 0;
}

int elf_file_find_symbol(const struct elf_file *file, const char *name, struct elf_symbol *ret)
{
	struct symbol_table tables[NAME_TABLES];
	int err = open_name_tables(file, tables);

	if (!err && !file->names->slot_count)
		err = make_names(file->names, tables);
	if (err)
		return err;
	return *name_slot(file->names, tables, name, ret) ? 0 : -ENOENT;
}

/* The symbol number of the relocation of @slot in one section; 0: none. */
static uint64_t find_slot(const struct elf_file *file, const Elf64_Shdr *section, uint64_t slot)
{
	uint64_t count = section->sh_size / sizeof(Elf64_Rela);
	const uint8_t *bytes;
	Elf64_Rela rela;

	if (elf_source_view(file->source, section->sh_offset, count * sizeof(rela), &bytes))
		return 0;
	for (uint64_t i = 0; i < count; i++) {
		memcpy(&rela, bytes + i * sizeof(rela), sizeof(rela));
		if (rela.r_offset == slot && (ELF64_R_TYPE(rela.r_info) == R_X86_64_JUMP_SLOT ||
					      ELF64_R_TYPE(rela.r_info) == R_X86_64_GLOB_DAT))
			return ELF64_R_SYM(rela.r_info);
	}
	return 0;
}

int elf_file_slot_symbol(const struct elf_file *file, uint64_t slot, struct elf_symbol *ret)
{
	struct symbol_table table;
	uint64_t number = 0;
	int err = open_table(file, SHT_DYNSYM, &table);

	if (err)
		return err;
	for (size_t i = 1; !number && i < file->section_count; i++) {
		const Elf64_Shdr *s = &file->sections[i];

		if (s->sh_type == SHT_RELA && s->sh_link < file->section_count &&
		    file->sections[s->sh_link].sh_type == SHT_DYNSYM)
			number = find_slot(file, s, slot);
	}
	if (!number || number >= table.count || !symbol_at(&table, number, ret))
		return -ENOENT;
	return 0;
}

/* False: a relocation of another kind, or of a symbol that is not there. */
static bool slot_of(const struct symbol_table *table, const Elf64_Rela *rela, struct elf_slot *ret)
{
	uint64_t number = ELF64_R_SYM(rela->r_info);
	struct elf_symbol symbol;

	*ret = (struct elf_slot){.address = rela->r_offset, .target = (uint64_t)rela->r_addend};
	switch (ELF64_R_TYPE(rela->r_info)) {
	case R_X86_64_JUMP_SLOT:
	case R_X86_64_GLOB_DAT:
		if (!number || number >= table->count || !symbol_at(table, number, &symbol))
			return false;
		ret->name = symbol.name;
		ret->target = symbol.defined ? symbol.address : 0;
		return true;
	case R_X86_64_IRELATIVE:
		ret->resolver = true;
		return true;
	default:
		return ELF64_R_TYPE(rela->r_info) == R_X86_64_RELATIVE;
	}
}

struct slot_visit {
	struct symbol_table table; /* count 0: the file has no dynamic symbols */
	uint64_t left;
	int (*visit)(const struct elf_slot *slot, void *user);
	void *user;
};

static int visit_slots(const struct elf_file *file, const Elf64_Shdr *section, struct slot_visit *v)
{
	uint64_t count = section->sh_size / sizeof(Elf64_Rela);
	const uint8_t *bytes;
	struct elf_slot slot;
	Elf64_Rela rela;
	int answer =
		elf_source_view(file->source, section->sh_offset, count * sizeof(rela), &bytes);

	if (answer)
		return answer == -ENOMEM ? answer : 0;
	for (uint64_t i = 0; !answer && i < count && v->left; i++, v->left--) {
		memcpy(&rela, bytes + i * sizeof(rela), sizeof(rela));
		if (slot_of(&v->table, &rela, &slot))
			answer = v->visit(&slot, v->user);
	}
	return answer;
}

int elf_file_for_each_slot(const struct elf_file *file,
			   int (*visit)(const struct elf_slot *slot, void *user), void *user)
{
	struct slot_visit v = {.left = MAX_SLOTS, .visit = visit, .user = user};
	int answer = open_table(file, SHT_DYNSYM, &v.table);

	if (answer == -ENOENT)
		v.table.count = 0;
	else if (answer)
		return answer;
	answer = 0;
	/* sh_link of a static program's is 0: it has no dynamic symbols */
	for (size_t i = 1; !answer && i < file->section_count; i++) {
		const Elf64_Shdr *s = &file->sections[i];

		if (s->sh_type == SHT_RELA && s->sh_flags & SHF_ALLOC)
			answer = visit_slots(file, s, &v);
	}
	return answer;
}
