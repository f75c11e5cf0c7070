// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared
/* late_pool: a library with an allocator of its own under jemalloc's prefix, as extension modules carry one.
 * Loaded by late_allocator. */
#include "tiny_heap.h"

void *je_malloc(size_t bytes);
void je_free(void *p);

void *je_malloc(size_t bytes)
{
	return tiny_allocate(bytes);
}

void je_free(void *p)
{
	if (p)
		tiny_release(p);
}
