/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/arena.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN       16
#define FIRST_BLOCK_BYTES ((size_t)4096)
#define MAX_BLOCK_BYTES   ((size_t)1 << 20)

struct arena_block {
	struct arena_block *next;
	size_t size; /* of bytes[] */
	size_t used;
	_Alignas(ARENA_ALIGN) unsigned char bytes[];
};

void arena_init(struct arena *a, uint64_t max_bytes)
{
	*a = (struct arena){.max_bytes = max_bytes};
}

void arena_done(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	arena_init(a, a->max_bytes);
}

/* Blocks grow with what is held, so few are needed and little is wasted in small arenas. */
static size_t next_block_bytes(const struct arena *a, size_t need)
{
	size_t size = FIRST_BLOCK_BYTES;

	while (size < a->held_bytes && size < MAX_BLOCK_BYTES)
		size *= 2;
	if (size > a->max_bytes - a->held_bytes)
		size = (size_t)(a->max_bytes - a->held_bytes);
	if (size < need)
		size = need;
	return size;
}

static bool arena_grow(struct arena *a, size_t size)
{
	struct arena_block *block;
	size_t need;

	if (__builtin_add_overflow(size, sizeof(*block), &need) ||
	    need > a->max_bytes - a->held_bytes)
		return false;
	need = next_block_bytes(a, need);
	block = malloc(need);
	if (!block)
		return false;
	block->next = a->blocks;
	block->size = need - sizeof(*block);
	block->used = 0;
	a->blocks = block;
	a->held_bytes += need;
	return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t padded;
	void *at;

	if (__builtin_add_overflow(size ? size : 1, ARENA_ALIGN - 1, &padded))
		return NULL;
	padded &= ~(size_t)(ARENA_ALIGN - 1);
	if ((!a->blocks || a->blocks->size - a->blocks->used < padded) && !arena_grow(a, padded))
		return NULL;
	at = a->blocks->bytes + a->blocks->used;
	a->blocks->used += padded;
	a->used_bytes += padded;
	return at;
}

void *arena_zalloc(struct arena *a, size_t size)
{
	void *at = arena_alloc(a, size);

	if (at)
		memset(at, 0, size);
	return at;
}

void *arena_memdup(struct arena *a, const void *bytes, size_t size)
{
	void *at = arena_alloc(a, size);

	if (at && size)
		memcpy(at, bytes, size);
	return at;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	size_t size;
	char *at;

	if (__builtin_add_overflow(len, 1, &size))
		return NULL;
	at = arena_alloc(a, size);
	if (!at)
		return NULL;
	if (len)
		memcpy(at, s, len);
	at[len] = '\0';
	return at;
}
