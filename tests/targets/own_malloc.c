// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared -fno-builtin
/*
 * own_malloc: an allocator to be preloaded into longjmp_out, whose malloc calls the program back
 * before it returns; the program leaves by longjmp. The call then never returns, and its block (which
 * was not yet handed out) is put back before the callback.
 */
#include "tiny_heap.h"

#include <stdlib.h>

static void (*callback)(void);

/* Called by every malloc from now on; NULL: no more. */
void own_malloc_set_callback(void (*function)(void))
{
	callback = function;
}

void *malloc(size_t bytes)
{
	void *p = tiny_allocate(bytes);

	if (callback && p) {
		tiny_release(p);
		callback();
		p = tiny_allocate(bytes);
	}
	return p;
}

void free(void *p)
{
	if (p)
		tiny_release(p);
}

void *calloc(size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	void *p = tiny_allocate(total);
	if (p)
		memset(p, 0, total);
	return p;
}

void *realloc(void *old, size_t bytes)
{
	if (old && bytes == 0) {
		tiny_release(old);
		return NULL;
	}
	void *p = tiny_allocate(bytes);
	if (p && old) {
		size_t old_bytes = tiny_header_of(old)->bytes;

		memcpy(p, old, old_bytes < bytes ? old_bytes : bytes);
		tiny_release(old);
	}
	return p;
}
