// SPDX-License-Identifier: GPL-2.0-or-later
#include "process/code/jumps.h"

#include <elf.h>

#include "process/code/instruction.h"

struct parts {
	const struct elf_file *elf;
	struct code_part *list;
	size_t count, max;
	uint64_t target; /* whose function is looked for */
	struct code_part found;
};

static int visit_symbol(const struct elf_symbol *symbol, void *user)
{
	struct parts *parts = user;

	if (symbol->type != STT_FUNC || !symbol->defined ||
	    parts->target - symbol->address >= symbol->size)
		return 0;
	parts->found = (struct code_part){symbol->address, symbol->size};
	return 1;
}

/* False: no symbol tells whose code it is, or there is no room. */
static bool add_part(struct parts *parts, uint64_t target)
{
	for (size_t i = 0; i < parts->count; i++)
		if (target - parts->list[i].address < parts->list[i].bytes)
			return true;
	parts->target = target;
	if (parts->count == parts->max ||
	    elf_file_for_each_symbol(parts->elf, visit_symbol, parts) != 1)
		return false;
	parts->list[parts->count++] = parts->found;
	return true;
}

static bool scan(struct parts *parts, struct instruction *in, struct code_part part)
{
	uint64_t address = part.address, end = part.address + part.bytes, target;
	bool known = true;

	while (address < end) {
		size_t size = end - address < INSTRUCTION_MAX_BYTES ? end - address
								    : INSTRUCTION_MAX_BYTES;
		const uint8_t *code = elf_file_image(parts->elf, address, size);

		if (!code || !instruction_decode(in, code, size))
			return false;
		if (in->insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
		    in->insn.meta.category == ZYDIS_CATEGORY_COND_BR)
			known &= instruction_target(in, address, &target) &&
				 (target - part.address < part.bytes || add_part(parts, target));
		address += in->insn.length;
	}
	return known;
}

bool code_parts_find(const struct elf_file *elf, struct code_part function, struct code_part *ret,
		     size_t max, size_t *ret_count)
{
	struct parts parts = {.elf = elf, .list = ret, .max = max};
	struct instruction in;
	bool known = function.bytes && !instruction_init(&in);

	ret[parts.count++] = function;
	for (size_t i = 0; known && i < parts.count; i++)
		known = scan(&parts, &in, parts.list[i]);
	*ret_count = parts.count;
	return known;
}
