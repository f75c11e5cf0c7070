/* SPDX-License-Identifier: MIT OR GPL-2.0-or-later */
/* Finding the mapping of a pc. Pure, as unwind.h. */
#ifndef HOLDFAST_BPF_CORE_MAPPING_H
#define HOLDFAST_BPF_CORE_MAPPING_H

#include <holdfast/limits.h>
#include <holdfast/space.h>

/* Lets the compiler forget what it knows of @value: it would drop a mask that it can prove to do nothing, but
 * the verifiers of kernels such as 6.1, which do not follow `or` and branches as far, need to see it. */
#define HF_FORGET(value) __asm__ volatile("" : "+r"(value))

/*
 * The last mapping that starts at or below @pc: ask hf_mapping_covers() whether it reaches it. Entry 0 is never a mapping and unused entries start at the top of
 * the address space, so ten steps without a branch find it: a branch in each would double the paths that
 * the verifier has to walk with every step.
 */
static HF_INLINE const struct hf_mapping *hf_mapping_find(const struct hf_space *space, __u64 pc)
{
	const struct hf_mapping *m;
	__u64 low = 0, below;

#pragma unroll
	for (__u32 step = HF_MAX_MAPPINGS / 2; step; step >>= 1) {
		HF_FORGET(low);
		m = &space->mappings[(low + step) & (HF_MAX_MAPPINGS - 1)];
		below = (m->start - pc - 1) >> 63; /* 1: start <= pc */
		low += step & -below;
	}
	HF_FORGET(low);
	return &space->mappings[low & (HF_MAX_MAPPINGS - 1)];
}

static HF_INLINE int hf_mapping_covers(const struct hf_mapping *m, __u64 pc)
{
	return pc < m->end; /* entry 0 ends at 0 */
}

#endif
