// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/session_internal.h"

/*
 * What a hit costs the target, in ns: measured on kernel 6.18 by `make bench` (exact mode, probes at
 * emulated instructions, stacks of 5 to 27 frames). An estimate: deeper stacks and older kernels cost more.
 */
#define ALLOC_NS 2400.0
#define FREE_NS  1100.0

double overhead_percent(uint64_t allocs, uint64_t frees, uint64_t duration_ns)
{
	if (!duration_ns)
		return 0;
	return ((double)allocs * ALLOC_NS + (double)frees * FREE_NS) / (double)duration_ns * 100;
}
