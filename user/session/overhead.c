// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/session_internal.h"

/*
 * What a call costs the target, in ns, put together from rows of `make bench ARGS='--rows
 * pair,parts,programs'` (kernel 6.18, VM with 2 CPUs): the sum was 93 % of the pair measured as a whole.
 * A malloc is a session's entry and return and our programs at 5 frames (12 ns each further frame);
 * a free is one trap and its program.
 *
 * The traps are nearly all of it, and differ by machine: on another one they took 1800 and 1000 ns. There
 * this says 3 to 4 times too much; too little would be worse.
 */
#define ALLOC_NS (8000.0 + 1100.0)
#define FREE_NS  (5700.0 + 400.0)

double overhead_percent(uint64_t allocs, uint64_t frees, uint64_t duration_ns)
{
	if (!duration_ns)
		return 0;
	return ((double)allocs * ALLOC_NS + (double)frees * FREE_NS) / (double)duration_ns * 100;
}
