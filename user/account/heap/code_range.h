/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an allocator's code lies: a thread that stands in it holds the heap in two states. Without symbols that is not
 * known, and shows only as books that contradict themselves.
 */
#ifndef HOLDFAST_HEAP_CODE_RANGE_H
#define HOLDFAST_HEAP_CODE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/block_map.h"
#include "account/heap/stop.h"
#include "process/elf/elf_file.h"
#include "process/proc/maps.h"

/* A module whose file is open: the one that a mapping of data belongs to. */
struct code_module {
	const struct mapping *text; /* its first executable mapping */
	struct elf_file *file;
	uint64_t bias; /* from a symbol's address to the process's */
};

/* False: it has no code, or no file that can be read. */
bool code_module_open(int pid, const struct maps *maps, const struct mapping *data,
		      struct code_module *ret);
void code_module_close(struct code_module *module);

/* Widens *range, empty at first, by @margin bytes around each of the functions that the module has. */
void code_range_widen(const struct code_module *module, const char *const *names, uint64_t margin,
		      struct address_range *range);
/*
 * Sees to it that no thread is at work in there: those that are run on for moments while the others stand still
 * (stop_move_out()). 0, also for an empty range; -EAGAIN: one stays; other errors as there.
 */
int code_range_leave(const struct address_range *range, struct stopped_process *stopped);

#endif
