// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/code_range.h"

#include <sys/mman.h>

#include "process/proc/process.h"

bool code_module_open(int pid, const struct maps *maps, const struct mapping *data,
		      struct code_module *ret)
{
	struct code_module module = {0};
	uint64_t address;
	int fd;

	for (size_t i = 0; i < maps->count && !module.text; i++)
		if (maps->items[i].prot & PROT_EXEC && mapping_same_file(&maps->items[i], data))
			module.text = &maps->items[i];
	if (!module.text)
		return false;
	fd = process_open_mapped(pid, module.text->start, module.text->end);
	if (fd < 0 || elf_file_open_fd(fd, &module.file) < 0)
		return false;
	if (elf_file_offset_to_address(module.file, module.text->offset, &address) < 0) {
		elf_file_free(module.file);
		return false;
	}
	module.bias = module.text->start - address;
	*ret = module;
	return true;
}

void code_module_close(struct code_module *module)
{
	elf_file_free(module->file);
	module->file = NULL;
}

void code_range_widen(const struct code_module *module, const char *const *names, uint64_t margin,
		      struct address_range *range)
{
	for (; *names; names++) {
		struct elf_symbol symbol;
		uint64_t address;

		if (elf_file_find_symbol(module->file, *names, &symbol))
			continue;
		address = symbol.address + module->bias;
		if (!range->end || address - margin < range->start)
			range->start = address - margin;
		if (address + margin > range->end)
			range->end = address + margin;
	}
}

bool code_range_is_busy(const struct address_range *range, const struct stopped_process *stopped)
{
	for (size_t i = 0; i < stopped->threads.count; i++) {
		const struct stopped_thread *t = &stopped->threads.items[i];

		if (!t->in_system_call && t->instruction_pointer >= range->start &&
		    t->instruction_pointer < range->end)
			return true;
	}
	return false;
}
