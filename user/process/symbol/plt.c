/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/symbol/plt.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <elf.h>

#include "base/bytes.h"
#include "base/vec.h"
#include "process/elf/elf_file.h"

#define SYMBOL_BYTES sizeof(Elf64_Sym)
#define NO_SLOT      UINT64_MAX

/* A relocation that fills a GOT slot. */
struct slot {
	uint64_t address;
	uint64_t addend;
	uint32_t symbol;
	uint32_t type;
};

VEC_STRUCT(slot_vec, struct slot);

struct plt {
	struct slot_vec by_index; /* .rela.plt as it is: what a pushed index counts */
	struct slot_vec by_address;
	struct elf_section symbols, strings;
	int (*visit)(const struct plt_stub *stub, void *user);
	void *user;
};

static int compare_address(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int read_slots(const struct elf_file *file, const char *section_name, struct slot_vec *slots)
{
	struct elf_section section;
	struct cursor c;
	int err = 0;

	if (elf_file_section(file, section_name, &section) || !section.data)
		return 0;
	c = cursor_of(section.data, section.size);
	while (!err && cursor_left(&c) >= sizeof(Elf64_Rela)) {
		struct slot slot = {.address = cursor_u64(&c)};

		slot.type = cursor_u32(&c);
		slot.symbol = cursor_u32(&c);
		slot.addend = cursor_u64(&c);
		if (slot.type == R_X86_64_JUMP_SLOT || slot.type == R_X86_64_GLOB_DAT ||
		    slot.type == R_X86_64_IRELATIVE)
			err = vec_push(slots, slot);
	}
	return err;
}

static const struct slot *slot_at(const struct plt *plt, uint64_t address)
{
	struct slot key = {.address = address};

	if (!plt->by_address.count)
		return NULL;
	return bsearch(&key, plt->by_address.items, plt->by_address.count, sizeof(key),
		       compare_address);
}

static const char *symbol_name(const struct plt *plt, uint32_t index)
{
	struct cursor c = cursor_window(plt->symbols.data, plt->symbols.size,
					(uint64_t)index * SYMBOL_BYTES, SYMBOL_BYTES);
	uint32_t offset = cursor_u32(&c);
	size_t len = 0;
	const char *name;

	if (c.bad || offset >= plt->strings.size)
		return NULL;
	c = cursor_of(plt->strings.data + offset, plt->strings.size - offset);
	name = cursor_cstr(&c, &len);
	return name && len ? name : NULL;
}

/* [endbr64] [bnd] jmp *disp(%rip): the slot's address. */
static uint64_t jump_slot(const uint8_t *code, size_t size, uint64_t address)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	size_t at = 0;
	int32_t displacement;

	if (size >= sizeof(endbr64) && !memcmp(code, endbr64, sizeof(endbr64)))
		at = sizeof(endbr64);
	if (at < size && code[at] == 0xf2)
		at++;
	if (size - at < 6 || code[at] != 0xff || code[at + 1] != 0x25)
		return NO_SLOT;
	memcpy(&displacement, code + at + 2, sizeof(displacement));
	return address + at + 6 + (uint64_t)(int64_t)displacement;
}

/* endbr64; push $index: the lazy half of a stub whose jump is in .plt.sec. */
static const struct slot *pushed_slot(const struct plt *plt, const uint8_t *code, size_t size)
{
	uint32_t index;

	if (size < 9 || code[4] != 0x68)
		return NULL;
	memcpy(&index, code + 5, sizeof(index));
	return index < plt->by_index.count ? &plt->by_index.items[index] : NULL;
}

static int visit_stub(const struct plt *plt, const uint8_t *code, struct plt_stub stub)
{
	uint64_t address = jump_slot(code, stub.size, stub.address);
	const struct slot *slot = address == NO_SLOT ? pushed_slot(plt, code, stub.size)
						     : slot_at(plt, address);

	if (!slot)
		return 0;
	if (slot->type == R_X86_64_IRELATIVE)
		stub.resolver = slot->addend;
	else if (!(stub.name = symbol_name(plt, slot->symbol)))
		return 0;
	return plt->visit(&stub, plt->user);
}

static int visit_section(const struct plt *plt, const struct elf_file *file, const char *name)
{
	struct elf_section section;
	size_t step = 16;
	int err = 0;

	if (elf_file_section(file, name, &section) || !section.data)
		return 0;
	/* without endbr64 the stubs of .plt.got are a jump and two bytes of padding */
	if (!strcmp(name, ".plt.got") && section.size >= 2 && section.data[0] == 0xff)
		step = 8;
	for (size_t at = 0; !err && section.size - at >= step; at += step)
		err = visit_stub(plt, section.data + at,
				 (struct plt_stub){.address = section.address + at, .size = step});
	return err;
}

int plt_for_each(const struct elf_file *file, int (*visit)(const struct plt_stub *stub, void *user),
		 void *user)
{
	static const char *const sections[] = {".plt", ".plt.sec", ".plt.got", ".iplt"};
	struct plt plt = {.visit = visit, .user = user};
	int err;

	if (elf_file_section(file, ".dynsym", &plt.symbols))
		plt.symbols = (struct elf_section){0};
	if (elf_file_section(file, ".dynstr", &plt.strings))
		plt.strings = (struct elf_section){0};
	err = read_slots(file, ".rela.plt", &plt.by_index);
	if (!err)
		err = vec_append(&plt.by_address, plt.by_index.items, plt.by_index.count);
	if (!err)
		err = read_slots(file, ".rela.dyn", &plt.by_address);
	if (plt.by_address.count)
		qsort(plt.by_address.items, plt.by_address.count, sizeof(struct slot),
		      compare_address);
	for (size_t i = 0; !err && i < sizeof(sections) / sizeof(*sections); i++)
		err = visit_section(&plt, file, sections[i]);
	vec_done(&plt.by_index);
	vec_done(&plt.by_address);
	return err;
}
