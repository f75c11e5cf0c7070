/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entries of an .eh_frame section. Behind unwind_table.h and elf_frames.h; nothing else should need it.
 *
 * The bytes are hostile: no pointer between entries is followed except to a CIE that the walk through the
 * section has met itself, so the work is linear in the section's size.
 *
 * Follows: LSB 5.0 Core 10.6 (.eh_frame, augmentations z R P L S). The CIE pointer has 4 bytes also after a
 * 64-bit length.
 */
#ifndef HOLDFAST_EH_FRAME_H
#define HOLDFAST_EH_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "process/elf/cfi.h"

struct eh_frame {
	struct eh_section section;
	struct eh_cie *cies;
	size_t cie_count;
	struct eh_fde *fdes; /* ascending by start; of several with one start the section's first */
	size_t fde_count;
	uint32_t damaged_entries;
	uint32_t far_entries; /* those of damaged_entries that merely reach past 4 GiB */
};

/* @section's bytes must outlive the result. 0, -ENOMEM, or -EFBIG if the section has 4 GiB or more. */
int eh_frame_init(struct eh_frame *ret, struct eh_section section);
void eh_frame_done(struct eh_frame *frame);

/* The code that the FDE at @offset of @section is about. -EINVAL: no FDE, or a damaged one. */
int eh_frame_range(struct eh_section section, uint64_t offset, uint64_t *ret_start,
		   uint64_t *ret_end);

#endif
