/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the frame of a function may be: in its own code, in what the compiler put elsewhere of it, in functions that it goes on to by a jump. */
#ifndef HOLDFAST_CODE_JUMPS_H
#define HOLDFAST_CODE_JUMPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/elf/elf_file.h"

struct code_part {
	uint64_t address, bytes; /* as linked */
};

/*
 * Of the function with @bytes at @address; the first part is that. At most @max. False: there may be others; jumps through tables
 * and the linkage table, to code without a symbol, bytes that are no code.
 */
bool code_parts_find(const struct elf_file *elf, struct code_part function, struct code_part *ret,
		     size_t max, size_t *ret_count);

#endif
