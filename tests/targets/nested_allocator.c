// SPDX-License-Identifier: GPL-2.0-or-later
// build: shared -fno-builtin
/*
 * nested_allocator: an allocator to be preloaded, whose functions call each other through their
 * public names, as many do: calloc calls malloc; realloc calls malloc and free; aligned_alloc calls
 * malloc for more, and returns a place inside; all other aligned ones call aligned_alloc;
 * reallocarray calls realloc. One call of the program is one allocation all the same, of the bytes
 * and at the address that the program sees. Run with it: alloc_functions, threads.
 */
#include "tiny_heap.h"

#include <stdlib.h>

void *aligned_alloc(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes);
void *valloc(size_t bytes);
void *pvalloc(size_t bytes);
void *reallocarray(void *old, size_t count, size_t bytes);
int posix_memalign(void **ret, size_t alignment, size_t bytes);

#define STAY() __asm__ volatile("" ::: "memory")

void *malloc(size_t bytes)
{
	void *p = tiny_allocate(bytes);

	STAY();
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
	void *p = malloc(total);
	if (p)
		memset(p, 0, total);
	return p;
}

void *realloc(void *old, size_t bytes)
{
	if (old && bytes == 0) {
		free(old);
		STAY();
		return NULL;
	}
	void *p = malloc(bytes);
	if (p && old) {
		size_t old_bytes = tiny_header_of(old)->bytes;

		memcpy(p, old, old_bytes < bytes ? old_bytes : bytes);
		free(old);
	}
	STAY();
	return p;
}

void *reallocarray(void *old, size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	void *p = realloc(old, total);
	STAY();
	return p;
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	size_t total;

	if (__builtin_add_overflow(alignment, bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	void *p = malloc(total);
	return p ? tiny_align(p, alignment, bytes) : NULL;
}

void *memalign(size_t alignment, size_t bytes)
{
	void *p = aligned_alloc(alignment, bytes);

	STAY();
	return p;
}

int posix_memalign(void **ret, size_t alignment, size_t bytes)
{
	if (alignment % sizeof(void *) || !alignment || (alignment & (alignment - 1)))
		return EINVAL;
	void *p = aligned_alloc(alignment, bytes);
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void *valloc(size_t bytes)
{
	void *p = aligned_alloc(4096, bytes);

	STAY();
	return p;
}

void *pvalloc(size_t bytes)
{
	void *p = aligned_alloc(4096, bytes);

	STAY();
	return p;
}
