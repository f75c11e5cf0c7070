// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the arenas are, without symbols. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "account/heap/code_range.h"
#include "account/heap/glibc_internal.h"
#include "account/heap/memory_stream.h"
#include "base/cleanup.h"
#include "process/elf/elf_file.h"

#define DATA_MAX_BYTES   (64ULL << 20) /* a larger .data is not searched */
#define FIRST_LOOK_BYTES (64u << 10)   /* within which the main heap's first chunk lies */
#define TEXT_MARGIN      0x4000 /* malloc.c's static functions lie around its exported ones */

/* The present pages of a mapping, at their places in a buffer of zeros. */
struct image {
	uint64_t start, size_bytes;
	uint64_t *words;
};

static int copy_pages(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct image *image = user;

	memcpy((char *)image->words + (address - image->start), words, page_count * PAGE_BYTES);
	return 0;
}

static bool is_self_bin(const struct image *image, uint64_t offset)
{
	uint64_t empty = image->start + offset - 2 * 8;

	return offset + 16 <= image->size_bytes && image->words[offset / 8] == empty &&
	       image->words[offset / 8 + 1] == empty;
}

static bool is_address(uint64_t word)
{
	return word >= PAGE_BYTES && !(word >> 47);
}

/* The list of arenas comes back to its beginning. */
static bool arenas_close(const struct glibc_heap *heap, uint64_t first, uint64_t next)
{
	for (unsigned int i = 0; i < ARENAS_MAX && is_address(next); i++) {
		if (next == first)
			return true;
		if (!memory_read(heap->pid, next + ARENA_NEXT - heap->shift, &next, sizeof(next)))
			return false;
	}
	return false;
}

static bool top_is_sound(const struct glibc_heap *heap, const uint64_t *arena)
{
	uint64_t top = arena_word(heap, arena, ARENA_TOP), size;
	uint64_t system = arena_word(heap, arena, ARENA_SYSTEM_MEM);

	if (!is_address(top) || top % CHUNK_HEADER ||
	    !memory_read(heap->pid, top + 8, &size, sizeof(size)))
		return false;
	return size & CHUNK_PREV_INUSE && (size & ~CHUNK_FLAGS) <= system;
}

static bool is_arena(const struct glibc_heap *heap, uint64_t address, const uint64_t *arena)
{
	uint64_t system = arena_word(heap, arena, ARENA_SYSTEM_MEM);

	for (unsigned int i = 0; i < 2 * (BIN_COUNT - 1); i++)
		if (!is_address(arena_word(heap, arena, ARENA_BINS + i * 8)))
			return false;
	return (uint32_t)arena[0] <= 2 && system >= PAGE_BYTES &&
	       arena_word(heap, arena, ARENA_MAX_SYSTEM) >= system && top_is_sound(heap, arena) &&
	       arenas_close(heap, address, arena_word(heap, arena, ARENA_NEXT));
}

/* Is there an arena one of whose bins lies at @offset? The last one is always empty (largebin_index() < 127). */
static bool arena_with_bin(struct glibc_heap *heap, const struct image *image, uint64_t offset)
{
	for (unsigned int back = 0; back < BIN_COUNT; back++) {
		for (heap->shift = 0; heap->shift <= 8; heap->shift += 8) {
			uint64_t bins = ARENA_BINS - heap->shift, at = offset - 16 * back - bins;

			if (offset < 16 * back + bins || at % 16 != 0 ||
			    at + ARENA_BYTES - heap->shift > image->size_bytes)
				continue;
			if (is_arena(heap, image->start + at, image->words + at / 8)) {
				heap->main_arena = image->start + at;
				return true;
			}
		}
	}
	return false;
}

static bool find_arena_in(struct glibc_heap *heap, const struct image *image)
{
	for (uint64_t offset = 0; offset + 16 <= image->size_bytes; offset += 8) {
		if (is_self_bin(image, offset) && arena_with_bin(heap, image, offset))
			return true;
	}
	return false;
}

/* main_arena is initialised data: it lies in a file's writable mapping. */
static const struct mapping *find_main_arena(struct glibc_heap *heap, struct memory_stream *stream,
					     const struct maps *maps)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct mapping *m = &maps->items[i];
		struct image image = {.start = m->start, .size_bytes = m->end - m->start};
		bool found;

		if (!m->inode || m->shared || !(m->prot & PROT_WRITE) ||
		    image.size_bytes > DATA_MAX_BYTES)
			continue;
		image.words = calloc(1, image.size_bytes);
		if (!image.words)
			return NULL;
		found = !memory_stream_range(
				stream, (struct stream_range){m->start, m->end, STREAM_ANONYMOUS},
				copy_pages, &image) &&
			find_arena_in(heap, &image);
		free(image.words);
		if (found)
			return m;
	}
	return NULL;
}

/* Chunk after chunk from @first: how many are sound? */
static unsigned int chain_length(const uint64_t *words, uint64_t first, uint64_t left_bytes)
{
	uint64_t end = left_bytes < FIRST_LOOK_BYTES ? left_bytes : FIRST_LOOK_BYTES;
	unsigned int length = 0;

	for (uint64_t at = first; at + CHUNK_HEADER <= end; length++) {
		uint64_t size = words[at / 8 + 1] & ~CHUNK_FLAGS;

		if (size < CHUNK_MIN || size % 16 || size > left_bytes - at ||
		    words[at / 8 + 1] & (CHUNK_MAPPED | CHUNK_OTHER))
			return 0;
		at += size;
	}
	return length;
}

/*
 * A dynamic program's heap begins with a chunk; a static one's with the first thread's storage, which came from brk
 * before malloc did: the first from which chunk follows chunk, and best the first thread's cache.
 */
static bool find_first_chunk(struct glibc_heap *heap, uint64_t start, uint64_t end)
{
	_cleanup_free_ uint64_t *words = calloc(1, FIRST_LOOK_BYTES);
	uint64_t size = end - start < FIRST_LOOK_BYTES ? end - start : FIRST_LOOK_BYTES;
	bool any = false;

	if (!words || !memory_read(heap->pid, start, words, size))
		return false;
	for (uint64_t at = 0; at + CHUNK_HEADER <= size; at += 16) {
		uint64_t chunk = words[at / 8 + 1];

		if (!(chunk & CHUNK_PREV_INUSE) || !chain_length(words, at, end - start))
			continue;
		if (!any || chunk == (0x290 | 1) || chunk == (0x250 | 1))
			heap->first_chunk = start + at;
		any = true;
		if (at == 0 || chunk == (0x290 | 1) || chunk == (0x250 | 1))
			break;
	}
	return any;
}

/*
 * malloc keeps the sum of its mmapped chunks (mp_.mmapped_mem), two words before the address at which its heap began:
 * by that it is found. 0: it is not.
 */
static uint64_t find_mapped_sum(const struct glibc_heap *heap, struct memory_stream *stream,
				const struct mapping *data)
{
	struct image image = {.start = data->start, .size_bytes = data->end - data->start};
	uint64_t found = 0;

	image.words = calloc(1, image.size_bytes);
	if (!image.words)
		return 0;
	(void)memory_stream_range(stream,
				  (struct stream_range){data->start, data->end, STREAM_ANONYMOUS},
				  copy_pages, &image);
	for (uint64_t i = 2; i < image.size_bytes / 8 && !found; i++) {
		const uint64_t *sum = &image.words[i - 2];

		if (heap->first_chunk - sum[2] < CHUNK_HEADER && sum[0] <= sum[1] &&
		    sum[0] % PAGE_BYTES == 0 && sum[1] % PAGE_BYTES == 0)
			found = data->start + (i - 2) * 8;
	}
	free(image.words);
	return found;
}

/* Links in free blocks are mangled since 2.32: a library that new has symbols of that version. */
static bool is_mangling(const struct elf_file *file)
{
	static const char version[] = "GLIBC_2.32";
	struct elf_section names;

	return !elf_file_section(file, ".dynstr", &names) &&
	       memmem(names.data, names.size, version, sizeof(version));
}

/* Without them, a stop in the middle of malloc shows as a chain that does not hold. */
static void find_text(struct glibc_heap *heap, const struct maps *maps, const struct mapping *data)
{
	static const char *const names[] = {"malloc",  "free",        "calloc",
					    "realloc", "malloc_trim", "malloc_usable_size",
					    "mallopt", NULL};
	struct code_module module;

	if (!code_module_open(heap->pid, maps, data, &module))
		return;
	heap->mangled = is_mangling(module.file);
	code_range_widen(&module, names, TEXT_MARGIN, &heap->text);
	code_module_close(&module);
}

int glibc_find(struct memory_stream *stream, const struct maps *maps, struct glibc_heap *ret)
{
	struct glibc_heap heap = {.pid = stream->pid, .stream = stream};
	const struct mapping *data = find_main_arena(&heap, stream, maps);
	uint64_t start, end;
	int err;

	if (!data || !glibc_main_heap(maps, &start, &end) || !find_first_chunk(&heap, start, end))
		return -ENOENT;
	find_text(&heap, maps, data);
	heap.mapped_sum = find_mapped_sum(&heap, stream, data);
	err = glibc_find_mapped(&heap, maps);
	if (err) {
		glibc_done(&heap);
		return err;
	}
	*ret = heap;
	return 0;
}

void glibc_done(struct glibc_heap *heap)
{
	vec_done(&heap->arenas);
	vec_done(&heap->walks);
	vec_done(&heap->mapped);
	vec_done(&heap->searched);
	vec_done(&heap->links);
	vec_done(&heap->idle);
	vec_done(&heap->fast);
}
