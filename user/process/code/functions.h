/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of a file, without symbols: where an unwind entry begins (.eh_frame_hdr), and where calls go to.
 *
 * Calls are found by their bytes (e8 and four that lead into the code), not by disassembly: a few are none, and a few
 * functions therefore are none. Good for candidates, not for certainty.
 */
#ifndef HOLDFAST_CODE_FUNCTIONS_H
#define HOLDFAST_CODE_FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "process/elf/elf_file.h"

struct code_function {
	uint64_t address; /* as linked */
	uint64_t size;    /* up to the next one */
	uint32_t calls;   /* places that call it */
};

struct code_functions {
	struct code_function *items; /* ascending */
	size_t count;
};

/* 0 (perhaps none), -ENOMEM, -EFBIG: more than 64 MiB of code or 2^20 functions. */
int code_functions_list(const struct elf_file *file, struct code_functions *ret);
void code_functions_done(struct code_functions *functions);

#endif
