/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tiny_heap: size classes of powers of two over chunks of mmap, under one spin lock; a header of 16
 * bytes before each block. The ground for the allocators of our own that truth programs are run
 * with (own_malloc, nested_allocator). All memory is given back to the heap, none to the system.
 */
#ifndef TINY_HEAP_H
#define TINY_HEAP_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { TINY_CLASSES = 40, TINY_CHUNK_BYTES = 4 << 20 };

struct tiny_header {
	uint64_t bytes;  /* asked for */
	uint32_t class;  /* the block is 1 << class bytes long, header included */
	uint32_t offset; /* from the block's true header to this one: that of an aligned block */
};

static struct {
	int lock;
	void *free_list[TINY_CLASSES];
	char *chunk, *chunk_end;
} tiny;

static inline struct tiny_header *tiny_header_of(void *p)
{
	return (struct tiny_header *)p - 1;
}

static char *tiny_carve(size_t bytes)
{
	if ((size_t)(tiny.chunk_end - tiny.chunk) < bytes) {
		size_t chunk_bytes = bytes > TINY_CHUNK_BYTES ? bytes : TINY_CHUNK_BYTES;
		char *chunk = mmap(NULL, chunk_bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (chunk == MAP_FAILED)
			return NULL;
		tiny.chunk = chunk;
		tiny.chunk_end = chunk + chunk_bytes;
	}
	char *block = tiny.chunk;
	tiny.chunk += bytes;
	return block;
}

/* NULL and ENOMEM for what is beyond 1 << 39 bytes, or the system's will. */
static void *tiny_allocate(size_t bytes)
{
	uint32_t class = 5;

	while (class < TINY_CLASSES && ((size_t)1 << class) - sizeof(struct tiny_header) < bytes)
		class ++;
	if (class >= TINY_CLASSES - 1) {
		errno = ENOMEM;
		return NULL;
	}
	while (__atomic_exchange_n(&tiny.lock, 1, __ATOMIC_ACQUIRE))
		;
	char *block = tiny.free_list[class];
	if (block)
		memcpy(&tiny.free_list[class], block, sizeof(void *));
	else
		block = tiny_carve((size_t)1 << class);
	__atomic_store_n(&tiny.lock, 0, __ATOMIC_RELEASE);
	if (!block) {
		errno = ENOMEM;
		return NULL;
	}
	struct tiny_header *header = (struct tiny_header *)block;
	*header = (struct tiny_header){bytes, class, 0};
	return header + 1;
}

static void tiny_release(void *p)
{
	struct tiny_header *header = tiny_header_of(p);

	header = (struct tiny_header *)((char *)header - header->offset);
	uint32_t class = header->class;
	while (__atomic_exchange_n(&tiny.lock, 1, __ATOMIC_ACQUIRE))
		;
	memcpy(header, &tiny.free_list[class], sizeof(void *));
	tiny.free_list[class] = header;
	__atomic_store_n(&tiny.lock, 0, __ATOMIC_RELEASE);
}

/* An aligned place in the block @p, which must be alignment bytes longer than bytes. */
__attribute__((unused)) static void *tiny_align(void *p, size_t alignment, size_t bytes)
{
	uintptr_t aligned = ((uintptr_t)p + alignment - 1) & ~(uintptr_t)(alignment - 1);

	if (aligned == (uintptr_t)p)
		return p;
	struct tiny_header *header = tiny_header_of((void *)aligned);
	*header = (struct tiny_header){bytes, 0, (uint32_t)(aligned - (uintptr_t)p)};
	return (void *)aligned;
}

#endif
