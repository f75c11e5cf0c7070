/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwind rows for the code that the linker adds to every module and that has no call frame information: .init, .fini
 * and crtbegin.o's functions (deregister_tm_clones, register_tm_clones, __do_global_dtors_aux, frame_dummy). All of
 * them are without a frame nearly everywhere; a walk by frame pointer loses their caller there.
 *
 * Known by their bytes as gcc's crtstuff.c and glibc's crti.S come out of gcc 4.9 to 14 and clang; whatever looks
 * different gets no rows. Behind unwind_table.h; nothing else should need it.
 */
#ifndef HOLDFAST_START_CODE_H
#define HOLDFAST_START_CODE_H

#include "process/elf/eh_frame.h"

struct elf_file;

struct start_row {
	uint32_t pc;
	struct hf_unwind_rule rule; /* HF_CFA_NONE: the end of such code */
};

struct start_code {
	struct start_row rows[16]; /* ascending */
	size_t count;
};

/* Rows only where @frame has no FDE. */
void start_code_find(const struct elf_file *file, const struct eh_frame *frame,
		     struct start_code *ret);

#endif
