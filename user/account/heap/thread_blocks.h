/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the control blocks of a process's threads are: next to them lies their thread-local storage, in which
 * allocators keep what a thread has freed and not given back.
 *
 * Of a stopped process the registers say it. Of one that runs on, the two words that point to the block itself tell it
 * (struct pthread of glibc): one block lies near the top of each thread's stack, the first thread's in a mapping of its
 * own or, statically linked, where the heap begins. Other memory that looks so is possible: what is read there is to be
 * checked.
 */
#ifndef HOLDFAST_HEAP_THREAD_BLOCKS_H
#define HOLDFAST_HEAP_THREAD_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "account/heap/memory_stream.h"
#include "account/heap/stop.h"
#include "base/vec.h"
#include "process/proc/maps.h"

/* Static storage of all libraries together; more is possible and then not searched. */
#define THREAD_STORAGE_MAX_BYTES (64u << 10)

VEC_STRUCT(thread_blocks, uint64_t);

struct thread_search {
	struct memory_stream *stream;
	const struct maps *maps;
	const struct stopped_process *stopped; /* NULL: it runs */
	uint64_t heap_end; /* of [heap], only what lies before it is searched; 0: its first bytes */
};

/* Do the words at @address tell of a control block there? @words: three at least. */
static inline bool thread_block_is_at(const uint64_t *words, uint64_t address)
{
	return words[0] == address && words[2] == address && address % 64 == 0;
}

/* Appends what was found. 0, -ENOMEM. */
int thread_blocks_find(const struct thread_search *search, struct thread_blocks *ret);
/*
 * The words of thread-local storage before @block, from *ret_start on: *ret_count of them, to be freed; fewer where not
 * all can be read, NULL where none can. 0, -ENOMEM.
 */
int thread_storage_read(const struct thread_search *search, uint64_t block, uint64_t **ret_words,
			uint64_t *ret_start, uint64_t *ret_count);

#endif
