/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A copy of a process's memory: what it has written to as it is at one moment, and of the rest what is asked for, when it is.
 *
 *	py_memory_open(), py_memory_prepare()	while it runs
 *	py_memory_take()			while it stands still
 *	py_memory_copy(), py_memory_words()	afterwards
 *
 * Cost: 100 MiB of it 12 to 25 ms within the stop. Our memory: as much as is copied, at most the bound. One owner, one thread.
 */
#ifndef HOLDFAST_PYHEAP_MEMORY_H
#define HOLDFAST_PYHEAP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/heap/memory_stream.h"
#include "process/proc/maps.h"

/* A mapping: where each of its pages is in the copy. */
struct py_region {
	uint64_t start, end;
	uint32_t *slots; /* of each page: its number in the copy + 1; 0: not there; UINT32_MAX: can't be read. NULL: none is */
	bool written;    /* private and writable: it was copied whole */
	bool anonymous;
};

/* Pages that were asked for lately, by their number. */
#define PY_MEMORY_RECENT 2048

struct py_recent {
	uint64_t number; /* address / 4096 */
	const uint8_t *page;
};

struct py_memory {
	int pid;
	struct memory_stream stream;
	struct maps maps;
	struct py_region *regions; /* as the maps, ascending */
	size_t region_count, last; /* the one found last */
	uint8_t *pages;            /* the copy */
	uint64_t page_count, page_max, prepared;
	struct py_recent recent[PY_MEMORY_RECENT];
	bool on_demand; /* pages that were not copied are read when asked for */
	uint64_t unreadable_bytes;
};

/* -ESRCH, -EACCES, -ENOMEM. */
int py_memory_open(int pid, uint64_t bound_bytes, struct py_memory *ret);
void py_memory_close(struct py_memory *memory);
/* Counts what there is to copy, and makes room for it, that the stop be short. -ENOSPC: more than the bound. *ret_bytes: of it. */
int py_memory_prepare(struct py_memory *memory, uint64_t *ret_bytes);
/* The mappings as they are now, without (@copy: with) what is in them. -ESRCH, -ENOMEM, -ENOSPC. */
int py_memory_take(struct py_memory *memory, bool copy);

/* @size bytes at @address. False: not all are there. */
bool py_memory_copy(struct py_memory *memory, uint64_t address, void *ret, size_t size);
/* Words from @address on, a multiple of 8: *ret_count of them, @max at most, to the end of the page. NULL: none. They stay. */
const uint64_t *py_memory_words(struct py_memory *memory, uint64_t address, uint64_t max,
				uint64_t *ret_count);
bool py_memory_is_mapped(struct py_memory *memory, uint64_t address);
/* One word; 0 where there is none. */
uint64_t py_memory_word(struct py_memory *memory, uint64_t address);
/* A string of printable ASCII that ends within @size bytes; false: none. */
bool py_memory_text(struct py_memory *memory, uint64_t address, char *ret, size_t size);

#endif
