/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The glibc walker over the memory of a process that lies. Input: a page for the C library's data, a page of threads'
 * storage, then pages of the main heap; the rest, of an arena's heap. Addresses in it are as they would be in the
 * process.
 *
 * The process is our own, so that maps and stream are real ones: three mappings at fixed addresses hold the input.
 * Whatever they say: the walk ends, and blocks lie in their segments, ascending, apart from each other.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account/heap/glibc.h"
#include "account/heap/glibc_internal.h"
#include "account/heap/reach.h"

#define DATA       0x10000000ULL
#define STORAGE    0x10100000ULL
#define HEAP       0x10200000ULL
#define ARENA      0x14000000ULL
#define HEAP_PAGES 4ULL
#define DATA_PAGES 2ULL

static const struct mapping mappings[] = {
	{.start = DATA,
	 .end = DATA + DATA_PAGES * PAGE_BYTES,
	 .inode = 1,
	 .prot = 3,
	 .path = "/libc"},
	{.start = STORAGE, .end = STORAGE + PAGE_BYTES, .prot = 3, .path = ""},
	{.start = HEAP, .end = HEAP + HEAP_PAGES * PAGE_BYTES, .prot = 3, .path = "[heap]"},
	{.start = ARENA, .end = ARENA + HEAP_PAGES * PAGE_BYTES, .prot = 3, .path = ""},
};

#define MAPPINGS (sizeof(mappings) / sizeof(*mappings))

/* Each is filled from the input, then with zeros. */
static int fill(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < MAPPINGS; i++) {
		const struct mapping *m = &mappings[i];
		size_t room = m->end - m->start, part = size < room ? size : room;
		void *at = (void *)(uintptr_t)m->start;

		if (mmap(at, room, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1, 0) != at)
			return -1;
		memcpy(at, data, part);
		data += part;
		size -= part;
	}
	return 0;
}

static void check_blocks(const struct block_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		struct block_segment *s = &map->items[i];
		struct block_ref block;
		uint64_t last = s->start;

		for (uint64_t at = 0; block_next(s, at, &block); at = block.index + 1) {
			if (block.start < last || block.end <= block.start || block.end > s->end)
				abort();
			last = block.end;
		}
	}
}

static int take(struct glibc_heap *heap, struct block_map *map, struct edge_store *edges)
{
	for (size_t i = 0; i < MAPPINGS; i++) {
		const struct mapping *m = &mappings[i];
		const uint64_t *words = (const uint64_t *)(uintptr_t)m->start;
		size_t pages = (m->end - m->start) / PAGE_BYTES;

		edge_store_take(edges, map, m->start, words, pages);
		if (glibc_take(heap, map, m->start, words, pages))
			return -1;
	}
	return 0;
}

static void walk(struct glibc_heap *heap, const struct maps *maps, struct stopped_process *stopped)
{
	struct reach_lost_vec lost = VEC_INIT;
	struct reach_roots roots = {0};
	struct edge_store edges;
	struct block_map map;

	block_map_init(&map);
	if (edge_store_init(&edges, 1 << 16, 64))
		abort();
	heap->standing = stopped;
	if (!glibc_segments(heap, maps, stopped, &map) && !take(heap, &map, &edges)) {
		(void)glibc_settle(heap, &map);
		check_blocks(&map);
		if (!reach_mark(&map, &edges, &roots, NULL) && !reach_collect_lost(&map, &lost) &&
		    reach_order_lost(&map, &edges, &lost) < 0)
			abort();
	}
	vec_done(&lost);
	edge_store_done(&edges);
	block_map_done(&map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stopped_thread thread = {.tid = 1,
					.stack_pointer = STORAGE + 64,
					.thread_pointer = STORAGE + PAGE_BYTES - 1024};
	struct stopped_process stopped = {.threads = {&thread, 1, 1}};
	struct maps maps = {(struct mapping *)(uintptr_t)mappings, MAPPINGS, NULL};
	struct memory_stream stream;
	struct glibc_heap heap;

	if (fill(data, size) < 0 || memory_stream_open(getpid(), &stream) < 0)
		return 0;
	if (!glibc_find(&stream, &maps, &heap)) {
		walk(&heap, &maps, &stopped);
		walk(&heap, &maps, NULL);
		glibc_done(&heap);
	}
	memory_stream_close(&stream);
	return 0;
}
