// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/code_range.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "process/proc/process.h"

/* How long threads may take to come out, while the others wait. */
#define LEAVE_NS (10 * NS_PER_MS)

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

int code_range_leave(const struct address_range *range, struct stopped_process *stopped)
{
	int err = range->end ? stop_move_out(stopped, range->start, range->end, LEAVE_NS) : 0;

	return err > 0 ? -EAGAIN : err;
}
