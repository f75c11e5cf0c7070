/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which function an address belongs to, as .eh_frame tells, so also in stripped files: by the table of .eh_frame_hdr
 * where there is one, else by a list that is made of the section. Functions whose entries overlap are none.
 */
#ifndef HOLDFAST_ELF_FRAMES_H
#define HOLDFAST_ELF_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct elf_file;
struct elf_frames;

/* Borrows the file. A file without unwind entries has no functions. -ENOMEM. */
int elf_frames_new(const struct elf_file *file, struct elf_frames **ret);
void elf_frames_free(struct elf_frames *frames);
DEFINE_CLEANUP(struct elf_frames *, elf_frames_free);

/* [start, end) around @address. False: none. Part of a function that the compiler put elsewhere has its own. */
bool elf_frames_at(const struct elf_frames *frames, uint64_t address, uint64_t *ret_start,
		   uint64_t *ret_end);

/* Calls @visit with the start of each, ascending unless the file is damaged; stops at its first non-zero return value
 * and returns that. */
int elf_frames_for_each(const struct elf_frames *frames, int (*visit)(uint64_t start, void *user),
			void *user);

#endif
