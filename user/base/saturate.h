/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sums of numbers that may be anybody's: they stay at the largest rather than wrap. */
#ifndef HOLDFAST_BASE_SATURATE_H
#define HOLDFAST_BASE_SATURATE_H

#include <stdint.h>

static inline void add_saturating(uint64_t *sum, uint64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = UINT64_MAX;
}

#endif
