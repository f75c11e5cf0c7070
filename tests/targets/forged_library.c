// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared
/* forged_library: what allocates for the forger. Tests damage copies of it, where the loader does not look. */
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static void *deeper(size_t bytes, int depth)
{
	char room[64];
	void *block;

	memset(room, depth, sizeof(room));
	block = depth ? deeper(bytes + (size_t)(room[7] == 77), depth - 1) : malloc(bytes);
	__asm__ volatile("" : : "r"(room) : "memory");
	return block;
}

void *forged_allocate(size_t bytes)
{
	return deeper(bytes, 3);
}
