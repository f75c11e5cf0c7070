/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/* Finding the mapping of a pc. Pure, as unwind.h. */
#ifndef HOLDFAST_BPF_CORE_MAPPING_H
#define HOLDFAST_BPF_CORE_MAPPING_H

#include <holdfast/limits.h>
#include <holdfast/space.h>

/* The mapping that covers @pc, or NULL. 11 steps reach any of HF_MAX_MAPPINGS. */
static HF_INLINE const struct hf_mapping *hf_mapping_find(const struct hf_space *space, __u64 pc)
{
	__u32 low = 0, high = space->count, middle;
	const struct hf_mapping *m;

	for (int i = 0; i < 11 && low < high; i++) {
		middle = (low + high) >> 1;
		if (middle >= HF_MAX_MAPPINGS)
			return 0;
		if (space->mappings[middle].start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	low--;
	if (low >= HF_MAX_MAPPINGS)
		return 0;
	m = &space->mappings[low];
	return pc < m->end ? m : 0;
}

#endif
