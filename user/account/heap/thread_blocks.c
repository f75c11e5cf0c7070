// SPDX-License-Identifier: GPL-2.0-or-later
#include "account/heap/thread_blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Smaller mappings are searched from end to end: the first thread's block may lie anywhere. */
#define SEARCHED_WHOLE_BYTES (4u << 20)

static int on_pages(void *user, uint64_t address, const uint64_t *words, size_t page_count)
{
	struct thread_blocks *blocks = user;

	/* A block is aligned to 64 bytes: both words lie in one page. */
	for (size_t i = 0; i < page_count * PAGE_WORDS; i += 8)
		if (thread_block_is_at(words + i, address + i * 8) &&
		    vec_push(blocks, words[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int search_end(const struct thread_search *search, uint64_t start, uint64_t end,
		      struct thread_blocks *ret)
{
	int err;

	start &= ~(PAGE_BYTES - 1);
	err = memory_stream_range(search->stream,
				  (struct stream_range){start,
							(end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1),
							STREAM_ANONYMOUS},
				  on_pages, ret);
	return err == -ENOMEM ? err : 0;
}

static int search_mapping(const struct thread_search *search, const struct mapping *m,
			  struct thread_blocks *ret)
{
	uint64_t size = m->end - m->start, start = m->start, end = m->end;

	if (!strcmp(m->path, "[heap]")) {
		end = search->heap_end ? search->heap_end : start + THREAD_STORAGE_MAX_BYTES;
		if (end <= start)
			return 0;
		end = end < m->end ? end : m->end;
	} else if (size > SEARCHED_WHOLE_BYTES) {
		start = end - THREAD_STORAGE_MAX_BYTES;
	}
	return search_end(search, start, end, ret);
}

int thread_blocks_find(const struct thread_search *search, struct thread_blocks *ret)
{
	const struct stopped_process *stopped = search->stopped;
	int err = 0;

	for (size_t i = 0; stopped && !err && i < stopped->threads.count; i++)
		if (stopped->threads.items[i].thread_pointer)
			err = vec_push(ret, stopped->threads.items[i].thread_pointer);
	for (size_t i = 0; !stopped && !err && i < search->maps->count; i++) {
		const struct mapping *m = &search->maps->items[i];

		if (m->prot == (PROT_READ | PROT_WRITE) && !m->inode && !m->shared)
			err = search_mapping(search, m, ret);
	}
	return err;
}

int thread_storage_read(const struct thread_search *search, uint64_t block, uint64_t **ret_words,
			uint64_t *ret_start, uint64_t *ret_count)
{
	const struct mapping *m = maps_find(search->maps, block - 1);
	uint64_t start, count, *words;

	*ret_words = NULL;
	*ret_count = 0;
	if (!m || block % 8)
		return 0;
	start = block - m->start > THREAD_STORAGE_MAX_BYTES ? block - THREAD_STORAGE_MAX_BYTES
							    : m->start;
	count = (block - start) / 8;
	words = malloc(count * 8 + 8);
	if (!words)
		return -ENOMEM;
	/* A stack's far end is not present: what lies next to the control block is. */
	while (count && !memory_read(search->stream->pid, start, words, count * 8)) {
		start += count / 2 * 8;
		count -= count / 2;
		if (count == 1)
			count = 0;
	}
	*ret_words = words;
	*ret_start = start;
	*ret_count = count;
	return 0;
}
